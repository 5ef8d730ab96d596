"""The driver over real stages and a store in memory: every record once, whatever breaks on the way."""

import asyncio
import contextlib
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.artifacts.precision import Encoding
from services.artifacts.record import Picture, write_record
from services.artifacts.store import open_store
from services.edge.errors import (
    ArtifactExists,
    ArtifactNotFound,
    InvalidInput,
    OtherChain,
    StageUnavailable,
    StoreFull,
    StoreUnavailable,
    StrataError,
)
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.domain import Job, StageAnswer, StageDescription, check_chain
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore
from services.pipeline.waking import sent_ahead, waking
from tests.unit.pipeline.tiny_chain import NAMES, Bench, Chain


async def test_every_record_passes_every_stage_once() -> None:
    bench = await Bench(7).ready()
    report = await bench.run(workers=3)
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}
    assert len(bench.chain.computed) == 7 * 3
    assert (report["records"], report["pictures"], report["failed_records"], report["retries"]) == (7, 14, [], 0)
    assert [row["requests"] for row in report["stages"]] == [7, 7, 7]
    assert bench.chain.most_at_a_time <= 3
    assert bench.statuses[-1].done == 7
    assert json.loads(await bench.root.read("j/report.json")) == report


class Starting(Chain):
    """Stages that start: what is asked of one waits until it is there."""

    def __init__(self, store_url: str):
        super().__init__(store_url)
        self.there = [asyncio.Event() for _ in NAMES]
        self.described: list[int] = []

    async def describe(self, stage: int) -> StageDescription:
        self.described.append(stage)
        await self.there[stage].wait()
        return await super().describe(stage)

    async def run(self, stage: int, chain: str, input_url: str, output_url: str, precision: Encoding) -> StageAnswer:
        await self.there[stage].wait()
        answer = await super().run(stage, chain, input_url, output_url, precision)
        if stage + 1 < len(NAMES):
            self.there[stage + 1].set()  # the next one starts just as its activation is there
        return answer


async def test_the_first_record_is_on_its_way_while_stages_start_and_is_computed_once() -> None:
    bench = Bench(3)
    bench.chain = starting = Starting(bench.root.url)
    await bench.ready()
    means = bench.means()
    async with (
        waking(means) as stages,
        sent_ahead(means, stages, bench.jobs, bench.records, "000.record", Encoding.FLOAT32) as ahead,
    ):
        starting.there[0].set()
        await stages.woken()
        report = await run_job(means, bench.job, bench.jobs, bench.records, ahead)
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}
    assert [row["requests"] for row in report["stages"]] == [3, 3, 3]
    assert starting.described == [0, 1, 2]  # two calls at a time would start two pods


async def test_a_record_that_fails_ahead_passes_as_any_other() -> None:
    bench = await Bench(2).ready()
    failures = iter([StageUnavailable("gone")])

    def before(stage: int, what: str) -> None:
        if stage == 1 and what != "describe" and (error := next(failures, None)):
            raise error

    bench.chain.before = before
    means = bench.means()
    async with (
        waking(means) as stages,
        sent_ahead(means, stages, bench.jobs, bench.records, "000.record", Encoding.FLOAT32) as ahead,
    ):
        report = await run_job(means, bench.job, bench.jobs, bench.records, ahead)
    await bench.check_all_done()
    assert (report["failed_records"], report["retries"]) == ([], 1)
    assert set(bench.chain.computed.values()) == {1}


async def test_what_stages_held_is_in_the_report_beside_what_records_used() -> None:
    bench = await Bench(3).ready()
    report = await bench.run()
    start = {"cpu_seconds": 1.0, "gb_seconds": 2.0}
    for row in report["stages"]:
        assert (row["cpu_seconds"], row["cold_cpu_seconds"], row["gb_seconds"]) == (0.0, 1.0, 0.0)
        assert row["allocation"] == start | {"money": pytest.approx(row["money"] + 2.0 * AWS_LAMBDA.per_gb_second)}
    more = 3 * 2.0 * AWS_LAMBDA.per_gb_second
    assert report["allocation"] == {
        "cpu_seconds": 3.0,
        "gb_seconds": 6.0,
        "money": pytest.approx(report["money"] + more),
    }
    again = await bench.run()
    assert again["allocation"]["cpu_seconds"] == 3.0


async def test_a_job_that_an_earlier_version_began_is_summed_up_with_what_it_says() -> None:
    bench = await Bench(1).ready()
    await bench.run()
    (key,) = await bench.root.keys("j/done/")
    passage = json.loads(await bench.root.read(key))
    for part in passage["stages"].values():
        del part["allocation"]
    await bench.root.write(key, json.dumps(passage).encode())
    report = await bench.run()
    assert report["allocation"]["cpu_seconds"] == 0.0
    assert [row["requests"] for row in report["stages"]] == [1, 1, 1]


async def test_the_answers_are_those_of_the_whole_chain() -> None:
    bench = await Bench(1).ready()
    await bench.run()
    (first, second) = await bench.jobs.predictions("000.record")
    # Scores (13, 3): the chain adds 1 in each of three stages.
    assert first["scores"] == [{"index": 0, "score": pytest.approx(1 / (1 + math.exp(3 - 13)))}]
    assert second["scores"][0]["score"] == pytest.approx(1.0)


async def test_what_may_pass_is_tried_again_with_growing_pauses() -> None:
    bench = await Bench(1).ready()
    failures = iter([StageUnavailable("gone")] * 3)

    def fail(stage: int, what: str) -> None:
        if stage == 1 and what != "describe" and (error := next(failures, None)):
            raise error

    bench.chain.before = fail
    report = await bench.run(tries=4)
    await bench.check_all_done()
    assert bench.pauses_s == [1.0, 2.0, 4.0]
    assert report["retries"] == 3
    assert set(bench.chain.computed.values()) == {1}


async def test_a_poisoned_record_is_set_aside_and_the_others_go_on_and_the_next_run_tries_it_anew() -> None:
    bench = await Bench(4).ready()

    def crash(stage: int, what: str) -> None:
        if stage == 1 and "/002/" in what:
            raise StageUnavailable("stage 1: its process ended")

    bench.chain.before = crash
    report = await bench.run()
    assert report["failed_records"] == [
        {"record": "002.record", "error": "StageUnavailable", "message": "stage 1: its process ended"}
    ]
    assert report["records"] == 3
    assert len(bench.pauses_s) == 3
    assert bench.statuses[-1].failed == 1
    bench.chain.before = lambda *_: None
    report = await bench.run()
    assert (report["records"], report["failed_records"]) == (4, [])
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}


async def test_a_damaged_record_is_set_aside_at_once_with_its_name() -> None:
    bench = await Bench(3).ready()
    whole = await bench.records.read("001.record")
    await bench.records.write("001.record", whole[:-1])
    report = await bench.run()
    (failed,) = report["failed_records"]
    assert failed["error"] == "DamagedFile"
    assert "001.record: cut short" in failed["message"]
    assert bench.pauses_s == []


async def test_what_every_record_would_meet_ends_the_job() -> None:
    bench = await Bench(5).ready()

    def full(stage: int, what: str) -> None:
        if stage == 2 and what != "describe":
            raise StoreFull("the store is full")

    bench.chain.before = full
    with pytest.raises(StoreFull):
        await bench.run()
    bench.chain.before = lambda *_: None
    await bench.run()
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}


@pytest.mark.parametrize("change", ["remove", "damage"])
async def test_an_activation_that_is_lost_is_computed_anew(change: str) -> None:
    bench = await Bench(1).ready()
    key = "j/activations/000/0"
    lost = iter([True])

    async def lose() -> None:
        if change == "remove":
            await bench.root.remove([key])
        else:
            await bench.root.write(key, (await bench.root.read(key))[:-2])

    run = bench.chain.run

    async def losing(stage: int, chain: str, input_url: str, output_url: str, precision: Encoding) -> StageAnswer:
        if stage == 1 and next(lost, False):
            await lose()
        return await run(stage, chain, input_url, output_url, precision)

    bench.chain.run = losing  # type: ignore[method-assign]
    await bench.run()
    await bench.check_all_done()
    assert bench.chain.computed[0, 10.0] == 2
    # A damaged one is found out at its end, when what came before is computed.
    assert bench.chain.computed[1, 11.0] == (1 if change == "remove" else 2)


@pytest.mark.parametrize("precision", [Encoding.FLOAT16, Encoding.INT8])
async def test_what_activations_in_fewer_bits_lose_is_measured_once_and_leaves_nothing(
    precision: Encoding,
) -> None:
    bench = Bench(3)
    bench.job = replace(bench.job, activations=precision)
    await bench.ready()
    report = await bench.run()
    assert report["activations"] == precision
    assert report["loss"]["pictures"] == 2
    assert report["loss"]["top_1_agreement"] == 1.0
    assert 0 <= report["loss"]["largest_relative_error"] < 1e-3
    assert report["loss"]["usage"]["requests"] == 2 * 3
    computed = bench.chain.computed.total()
    assert (await bench.run())["loss"] == report["loss"]
    assert bench.chain.computed.total() == computed
    await bench.check_all_done()
    assert not await bench.root.keys("j/sample/")


async def test_values_that_a_precision_cannot_hold_set_their_record_aside_with_the_stage() -> None:
    bench = Bench(1)
    bench.job = replace(bench.job, activations=Encoding.FLOAT16)
    await bench.ready()
    large = [Picture("p", b"70000")]
    await bench.records.write("large.record", b"".join(write_record(iter(large), 1)))
    report = await bench.run()
    (failed,) = report["failed_records"]
    assert (failed["record"], failed["error"]) == ("large.record", "Unsupported")
    assert "stage one of model 'tiny': its values reach 70001, which float16 does not hold" in failed["message"]


class Killed(BaseException):
    """The driver's process ends here."""


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_job_killed_anywhere_any_number_of_times_goes_on_and_computes_nothing_twice(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    kills = data.draw(st.lists(st.integers(0, 12), max_size=4))
    workers = data.draw(st.integers(1, 4))

    async def story() -> None:
        bench = await Bench(count).ready()
        for calls in kills:
            left = iter(range(calls))

            def kill(stage: int, what: str, left: Any = left) -> None:
                if what != "describe" and next(left, None) is None:
                    raise Killed

            place = data.draw(st.sampled_from(["before", "after"]))
            bench.chain.before = bench.chain.after = lambda *_: None
            setattr(bench.chain, place, kill)
            with contextlib.suppress(Killed, BaseExceptionGroup):
                await bench.run(workers)
        bench.chain.before = bench.chain.after = lambda *_: None
        report = await bench.run(workers)
        await bench.check_all_done()
        assert set(bench.chain.computed.values()) == {1}
        assert [row["requests"] for row in report["stages"]] == [count] * 3

    asyncio.run(story())


async def test_a_job_killed_between_its_answer_and_its_end_leaves_nothing_behind() -> None:
    bench = await Bench(2).ready()
    await bench.run()
    await bench.root.write("j/activations/001/2", b"left over")
    await bench.run()
    await bench.check_all_done()


async def test_a_record_is_done_though_the_store_removed_its_activations_and_did_not_say_so() -> None:
    bench = await Bench(2).ready()
    remove, answers = bench.root.remove, iter([StoreUnavailable("no answer")] * 2)

    async def removing(keys: list[str]) -> None:
        await remove(keys)
        if error := next(answers, None):
            raise error

    bench.root.remove = removing  # type: ignore[method-assign]
    report = await bench.run()
    assert (report["records"], report["failed_records"]) == (2, [])
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}


class Late(Chain):
    """A stage that was at work for a driver that ended, and writes while the next one is at its last record."""

    async def run(self, stage: int, chain: str, input_url: str, output_url: str, precision: Encoding) -> StageAnswer:
        if (stage, input_url.split("/")[-2]) == (2, "001"):
            store = open_store(output_url.partition("/j/")[0])
            await store.write("j/activations/000/1", b"late")
        return await super().run(stage, chain, input_url, output_url, precision)


async def test_what_a_stage_writes_late_for_a_driver_that_ended_is_removed() -> None:
    bench = Bench(2)
    bench.chain = Late(bench.root.url)
    await bench.ready()
    await bench.run(workers=1)
    await bench.check_all_done()


async def test_a_jobs_name_is_taken_once() -> None:
    bench = await Bench(1).ready()
    with pytest.raises(ArtifactExists, match="go on with --resume j"):
        await bench.jobs.begin(bench.job)
    with pytest.raises(ArtifactExists, match="go on with --resume j"):
        await bench.jobs.check_free()
    await JobStore(bench.root, "k").check_free()


async def test_resuming_needs_the_same_model_and_records() -> None:
    bench = await Bench(1).ready()
    assert await bench.jobs.resume(bench.job) == bench.job
    other = Job("j", "tiny", "c2", NAMES, bench.root.url, ())
    with pytest.raises(OtherChain, match="job 'j' is of chain c1, not c2"):
        await bench.jobs.resume(other)
    with pytest.raises(OtherChain, match="job 'j' is of activations float32, not int8"):
        await bench.jobs.resume(replace(bench.job, activations=Encoding.INT8))
    with pytest.raises(ArtifactNotFound, match=r"no job 'k' in .*; jobs there: j"):
        await JobStore(bench.root, "k").read()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_a_jobs_name_is_one_word(name: str) -> None:
    with pytest.raises(InvalidInput):
        JobStore(open_store("memory://names"), name)


async def test_no_records_are_said() -> None:
    bench = Bench(0)
    await bench.ready()
    with pytest.raises(ArtifactNotFound, match="strata pipeline pack"):
        await bench.run()


@pytest.mark.parametrize(
    ("descriptions", "error"),
    [
        ([], InvalidInput),
        ([("c1", 0, 2)], OtherChain),
        ([("c1", 1, 2), ("c1", 0, 2)], OtherChain),
        ([("c1", 0, 2), ("c2", 1, 2)], OtherChain),
    ],
)
def test_stages_that_are_no_chain_are_refused(
    descriptions: list[tuple[str, int, int]], error: type[StrataError]
) -> None:
    with pytest.raises(error):
        check_chain([StageDescription("m", chain, n, of, "s", ()) for chain, n, of in descriptions])
