"""One stage: what it computes is the model's, once; pictures fail alone; what it refuses it names."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.artifacts.activation import (
    Header,
    PictureState,
    StageOutcome,
    read_activation,
    write_header,
    write_outcome,
    write_values,
)
from services.artifacts.precision import Values
from services.artifacts.record import Picture, write_record
from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    EmptyBatch,
    ForeignFile,
    Internal,
    InvalidInput,
    MemoryTooSmall,
    NotAPicture,
    NotReady,
    OtherChain,
    QueueFull,
    ShapeMismatch,
    StrataError,
)
from services.edge.meter import Reading
from services.edge.receipts import NOTHING, Allocation, ReceiptLine, Usage
from services.stage.domain import RunRequest, micro_batch_length
from services.stage.shared_meter import Share, SharedMeter
from services.stage.usecases import Stage, StageLimits
from services.zoo.manifest import InputSpec
from services.zoo.stage_manifest import StageManifest

MANIFEST = StageManifest(
    model="tiny",
    chain="c1",
    stage=0,
    stages=2,
    name="first",
    runtime="torch",
    first="conv",
    last="relu",
    input_shape=(2,),
    output_shape=(2,),
    working_bytes=16,
    labels=(),
    input_spec=InputSpec((1, 2), 2, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear"),
)
SECOND = replace(MANIFEST, stage=1, name="second")


def read_picture(content: bytes) -> Values:
    """Two digits are a picture."""
    if not content.isdigit():
        raise NotAPicture(f"not one of DIGITS: {len(content)} bytes")
    return np.array([int(content), 1], np.float32)


def doubled(values: Values) -> Values:
    return values * 2


class Made:
    """A stage over a store in memory, and how often it computed."""

    def __init__(self, root: str, manifest: StageManifest = MANIFEST, forward: Callable[[Values], Values] = doubled):
        self.store = open_store(f"memory://{root}")
        self.batches: list[int] = []

        def counted(values: Values) -> Values:
            self.batches.append(len(values))
            return forward(values)

        limits = StageLimits((self.store.url,), concurrency=2, waiting=3, micro_batch=4, memory_bytes=math.inf)
        self.stage = Stage(
            manifest,
            load=lambda: counted,
            read_picture=read_picture,
            open_store=open_store,
            limits=limits,
            meter=SharedMeter(lambda: Reading(0.0, 0.0, 0), Reading(0.0, 0.0, 0)),
            resident_bytes=lambda: 0,
            peak_bytes=lambda: 99,
        )

    async def loaded(self) -> "Made":
        await self.stage.load()
        self.batches.clear()
        return self

    def request(self, key: str = "r.record", to: str = "out", chain: str = "c1") -> RunRequest:
        return RunRequest(chain, self.store.url_of(key), self.store.url_of(to))

    async def put(self, contents: Sequence[bytes], key: str = "r.record") -> None:
        pictures = [Picture(str(n), content) for n, content in enumerate(contents)]
        await self.store.write(key, b"".join(write_record(iter(pictures), len(pictures))))

    async def values(self, key: str = "out") -> Values:
        parts = [part async for part in read_activation(self.store.stream(key), key)]
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])


@pytest.fixture
async def made(tmp_path: Path) -> Made:
    return await Made(str(tmp_path)).loaded()


async def test_a_record_is_computed_micro_batch_by_micro_batch(made: Made) -> None:
    await made.put([str(n).encode() for n in range(10)])
    answer = await made.stage.run(made.request())
    assert made.batches == [4, 4, 2]
    assert [state.name for state in answer.outcome.pictures] == [str(n) for n in range(10)]
    assert (await made.values())[:, 0].tolist() == [2.0 * n for n in range(10)]
    assert answer.outcome.line.usage.requests == 1
    assert answer.outcome.line.usage.bytes_in > 0
    assert (answer.outcome.peak_bytes, answer.reused) == (99, False)


async def test_a_picture_that_cannot_be_decoded_fails_alone(made: Made) -> None:
    await made.put([b"1", b"x", b"3", b"", b"y", b"z", b"z", b"z"])
    answer = await made.stage.run(made.request())
    errors = {state.name: state.error for state in answer.outcome.pictures}
    assert [name for name, error in errors.items() if not error] == ["0", "2"]
    assert errors["1"] == "not one of DIGITS: 1 bytes"
    assert (await made.values())[:, 0].tolist() == [2.0, 6.0]


async def test_what_is_there_is_not_computed_again_and_says_what_it_took(made: Made) -> None:
    await made.put([b"1", b"x"])
    first = await made.stage.run(made.request())
    again = await made.stage.run(made.request())
    assert again.reused
    assert again.outcome == first.outcome
    assert made.batches == [1]


async def test_what_is_there_in_part_is_computed_anew(made: Made) -> None:
    await made.put([b"1", b"2"])
    await made.stage.run(made.request())
    whole = await made.store.read("out")
    await made.store.write("out", whole[:-3])
    answer = await made.stage.run(made.request())
    assert not answer.reused
    assert (await made.values())[:, 0].tolist() == [2.0, 4.0]


async def test_two_who_ask_at_a_time_share_one_computation(made: Made) -> None:
    await made.put([b"1"])
    answers = await asyncio.gather(*(made.stage.run(made.request()) for _ in range(3)))
    assert made.batches == [1]
    assert len({id(answer) for answer in answers}) == 1


async def test_a_caller_that_goes_away_leaves_the_work_to_the_next(made: Made) -> None:
    await made.put([b"1"])
    gone = asyncio.create_task(made.stage.run(made.request()))
    await asyncio.sleep(0)
    gone.cancel()
    await made.stage.run(made.request())
    assert made.batches == [1]


async def test_only_the_processs_first_computation_is_cold(made: Made) -> None:
    await made.put([b"1"])
    colds = [(await made.stage.run(made.request(to=str(n)))).outcome.cold for n in range(3)]
    assert colds == [True, False, False]


async def activation(
    store: ObjectStore, header: Header, values: Values, states: list[PictureState], key: str = "in"
) -> None:
    outcome = StageOutcome(tuple(states), ReceiptLine("", Usage(), 0.0), 0, False)
    await store.write(key, b"".join([write_header(header), *write_values(values), write_outcome(outcome)]))


async def test_a_later_stage_takes_the_activation_and_hands_the_pictures_on(tmp_path: Path) -> None:
    made = await Made(str(tmp_path), SECOND).loaded()
    states = [PictureState("a"), PictureState("b", "broken"), *(PictureState(str(n)) for n in range(5))]
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    await activation(made.store, Header("c1", 0, (2,)), values, states)
    answer = await made.stage.run(made.request("in"))
    assert answer.outcome.pictures == tuple(states)
    assert made.batches == [4, 2]
    assert np.array_equal(await made.values(), 2 * values)


@pytest.mark.parametrize("header", [Header("other", 0, (2,)), Header("c1", 1, (2,)), Header("c1", 0, (3, 2))], ids=str)
async def test_an_activation_of_another_chain_or_stage_is_refused(tmp_path: Path, header: Header) -> None:
    made = await Made(str(tmp_path), SECOND).loaded()
    await activation(made.store, header, np.zeros((1, *header.shape), np.float32), [PictureState("a")])
    with pytest.raises(OtherChain, match="of stage 0 of chain c1 is needed"):
        await made.stage.run(made.request("in"))
    assert not await made.store.exists("out")


async def test_an_activation_of_another_chain_in_its_place_is_computed_anew(made: Made) -> None:
    await made.put([b"1"])
    await activation(made.store, Header("other", 0, (2,)), np.zeros((1, 2), np.float32), [PictureState("a")], "out")
    answer = await made.stage.run(made.request())
    assert not answer.reused
    assert (await made.values()).tolist() == [[2, 2]]


async def test_scores_that_are_not_finite_are_a_fault_and_not_an_answer(tmp_path: Path) -> None:
    made = await Made(str(tmp_path), SECOND, lambda values: np.full_like(values, np.nan)).loaded()
    await activation(made.store, Header("c1", 0, (2,)), np.ones((1, 2), np.float32), [PictureState("a")])
    with pytest.raises(Internal, match="not finite"):
        await made.stage.run(made.request("in"))
    assert not await made.store.exists("out")


async def test_a_bad_record_is_named_and_nothing_is_written(made: Made) -> None:
    await made.put([b"1", b"2"])
    whole = await made.store.read("r.record")
    for content, error in ((whole[:-4], DamagedFile), (b"\x89PNG", ForeignFile)):
        await made.store.write("r.record", content)
        with pytest.raises(error, match=r"r\.record"):
            await made.stage.run(made.request())
    with pytest.raises(ArtifactNotFound, match=r"nothing\.record: no such object"):
        await made.stage.run(made.request("nothing.record"))
    assert not await made.store.exists("out")


async def test_a_few_pictures_values_are_computed_without_the_store(made: Made) -> None:
    values = np.arange(2 * 5, dtype=np.float32).reshape(5, 2)
    for cold in (True, False):
        answer = await made.stage.infer(MANIFEST.chain, values)
        assert np.array_equal(answer.values, values * 2)
        assert (answer.line.name, answer.line.usage.requests, answer.cold) == (MANIFEST.name, 1, cold)
    assert made.store.use.reads == made.store.use.writes == 0


@pytest.mark.parametrize(
    ("chain", "shape", "error"),
    [("other", (1, 2), OtherChain), ("", (1, 3), ShapeMismatch), ("", (2,), ShapeMismatch), ("", (0, 2), EmptyBatch)],
)
async def test_values_that_a_stage_does_not_take_are_refused(
    made: Made, chain: str, shape: tuple[int, ...], error: type[StrataError]
) -> None:
    with pytest.raises(error):
        await made.stage.infer(chain, np.zeros(shape, np.float32))


async def test_a_stage_uses_the_stores_it_was_given_and_no_others(made: Made) -> None:
    for url in ("memory://elsewhere/x", f"{made.store.url}-beside/x", made.store.url_of("../x"), "/etc/passwd"):
        with pytest.raises(InvalidInput, match="this stage may use memory://"):
            await made.stage.run(replace(made.request(), input_url=url))


async def test_a_request_for_another_chain_is_refused(made: Made) -> None:
    with pytest.raises(OtherChain, match="stage 0 of model 'tiny' is of chain c1, not c2"):
        await made.stage.run(made.request(chain="c2"))


async def test_a_stage_that_loads_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="stage first of model 'tiny' is loading"):
        await Made(str(tmp_path)).stage.run(RunRequest("", f"memory://{tmp_path}/a", f"memory://{tmp_path}/b"))


async def test_more_than_may_wait_are_refused(made: Made) -> None:
    await made.put([b"1"])
    answers = await asyncio.gather(*(made.stage.run(made.request(to=str(n))) for n in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 2
    assert made.stage.admission.under_way == 0


def test_the_micro_batch_is_what_the_memory_holds() -> None:
    manifest = replace(MANIFEST, working_bytes=1_000_000)
    assert micro_batch_length(16, manifest, 1, math.inf, 10**9) == 16
    assert micro_batch_length(16, manifest, 1, 100e6, 70_000_000) == 5
    assert micro_batch_length(4, manifest, 1, 100e6, 70_000_000) == 4
    with pytest.raises(MemoryTooSmall, match="its memory of 100 MB does not hold one picture; give it 102 MB"):
        micro_batch_length(16, manifest, 1, 100e6, 84_000_000)


def test_computations_at_a_time_share_the_memory() -> None:
    manifest = replace(MANIFEST, working_bytes=1_000_000)
    assert micro_batch_length(16, manifest, 2, 100e6, 70_000_000) == 2
    assert micro_batch_length(16, manifest, 8, 100e6, 70_000_000) == 1


def test_calls_at_a_time_share_what_the_process_takes() -> None:
    readings = iter([Reading(1, 1, 2**30), Reading(3, 2, 2**30), Reading(5, 6, 2**30), Reading(5, 6, 2**30)])
    meter = SharedMeter(lambda: next(readings), Reading(0, 0, 0))
    one = meter.begin()  # the start, 1 s of 1 GiB and 1 s of CPU, is the first call's
    two = meter.begin()  # 2 s alone, 1 s of CPU
    taken = meter.claim(one)  # 2 s for two, 4 s of CPU
    meter.end(one)
    assert (taken.cpu_seconds, taken.gb_seconds) == (1 + 2, 2 + 1)
    assert taken.allocation == Allocation(1 + 1 + 2, 1 + 2 + 1)
    assert (two.cpu_seconds, two.gb_seconds, two.before) == (2, 1, NOTHING)


async def test_a_record_pays_for_what_its_stage_spent_and_held_since_the_record_before(tmp_path: Path) -> None:
    now = Reading(0, 0, 2**30)
    made = Made(str(tmp_path))
    made.stage._meter = SharedMeter(lambda: now, now)
    await made.stage.load()
    await made.put([b"1"])
    now = Reading(3, 2, 2**30)  # it starts
    first = (await made.stage.run(made.request(to="a"))).outcome.line
    assert (first.usage.cpu_seconds, first.usage.cold_cpu_seconds, first.allocation) == (0, 2, Allocation(2, 3))
    now = Reading(10, 2.5, 2**30)  # it waits
    await made.store.write("bad.record", b"no record")
    with pytest.raises(ForeignFile):
        await made.stage.run(made.request("bad.record", to="b"))
    second = (await made.stage.run(made.request(to="c"))).outcome.line
    assert (second.usage.cold_cpu_seconds, second.allocation) == (0, Allocation(0.5, 7))
    online = await made.stage.infer("c1", np.ones((1, 2), np.float32))
    assert online.line.allocation == NOTHING
    assert (await made.stage.run(made.request(to="c"))).outcome.line == second


EVENTS = st.lists(st.tuples(st.sampled_from(("begin", "claim", "end", "fail")), st.integers(0, 9), st.integers(0, 9)))


@given(EVENTS)
def test_allocations_leave_nothing_out_and_count_nothing_twice(events: list[tuple[str, int, int]]) -> None:
    now = Reading(0, 0, 2**30)
    meter = SharedMeter(lambda: now, now)
    under_way: list[Share] = []
    claimed: list[Allocation] = []
    for event, cpu_s, wall_s in events:
        now = Reading(now.wall_s + wall_s, now.cpu_s + cpu_s, 2**30)
        if event == "begin":
            under_way.append(meter.begin())
        elif under_way and event == "claim":
            claimed.append(meter.claim(under_way[0]).allocation)
        elif under_way and event == "fail":
            meter.give_back(meter.claim(under_way[0]))
        elif under_way:
            meter.end(under_way.pop(0))
    for share in under_way:
        meter.end(share)
    claimed.append(meter.claim(meter.begin()).allocation)  # the next call pays for what is left
    total = sum(claimed, NOTHING)
    assert (total.cpu_seconds, total.gb_seconds) == pytest.approx((now.cpu_s, now.wall_s))
