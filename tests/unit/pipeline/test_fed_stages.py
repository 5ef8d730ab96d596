"""A job over stages that an engine hands records to: the driver's promises hold there too."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.artifacts.precision import Encoding
from services.edge.errors import ExecutorLost, MemoryTooSmall, NotReady, StrataError
from services.pipeline.fed_stages import FedStages
from services.pipeline.feed import Feed
from services.stage.journey import JourneyStage
from services.stage.usecases import Stage
from tests.unit.pipeline.tiny_chain import Bench


class Engine:
    """Hands journeys from stage to stage in this process; `before` each part, it may wait or break something."""

    def __init__(self, *stages: Stage | StrataError):
        self._stages = [JourneyStage(each) for each in stages]
        self._feed = Feed()
        self._tasks: set[asyncio.Task[None]] = set()
        self.fed = FedStages(self, len(stages), start_timeout_s=5.0)
        self.before: Callable[[int, int], Awaitable[None]] = self._nothing
        self.deaths: Counter[int] = Counter()
        self.over: list[int] = []

    async def put(self, number: int, journey: bytes) -> None:
        await self._feed.put(number, journey)
        task = asyncio.create_task(self._hand_on(number, journey))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def news(self, number: int, stage: int) -> bytes:
        return await self._feed.news(number, stage)

    async def forget(self, number: int) -> None:
        await self._feed.forget(number)
        self.over.append(number)

    async def _hand_on(self, number: int, journey: bytes) -> None:
        for place, stage in enumerate(self._stages):
            begun = await self._feed.begin(number, place, journey)
            await self.before(number, place)
            if begun:
                journey = await stage.take(journey, begun + self.deaths[number])
        self.fed.arrived(number, journey)

    async def _nothing(self, *_: int) -> None:
        pass


async def test_every_record_passes_every_stage_once_and_the_answers_are_the_same() -> None:
    called, fed = [await Bench(5).ready() for _ in range(2)]
    engine = Engine(*fed.chain.stages)
    reports = [await called.run(3), await fed.run(3, stages=engine.fed)]
    for bench in (called, fed):
        await bench.check_all_done()
        assert set(bench.chain.computed.values()) == {1}
    for record in await called.jobs.done():
        assert await fed.jobs.predictions(record) == await called.jobs.predictions(record)
    assert reports[0]["pictures"] == reports[1]["pictures"] == 10
    assert [row["requests"] for row in reports[1]["stages"]] == [5, 5, 5]
    assert {name for status in fed.statuses for name, count in status.busy.items() if count} == {"one", "two", "three"}
    assert sorted(engine.over) == list(range(1 + 5))  # the first one asks the stages what they are


async def test_every_answer_is_given_though_the_journey_is_back_before_the_first_is_taken() -> None:
    bench = await Bench(1).ready()
    engine = Engine(*bench.chain.stages)
    urls = bench.jobs.urls_of(bench.records, "000.record", 3)
    names = []
    async for answer in engine.fed.take(0, "c1", urls, Encoding.FLOAT32):
        names.append(answer.outcome.line.name)
        await asyncio.sleep(0.01)  # the others are computed meanwhile
    assert names == ["one", "two", "three"]


async def test_each_stages_part_of_a_record_is_in_the_records_trace(kept: InMemorySpanExporter) -> None:
    bench = await Bench(2).ready()
    await bench.run(stages=Engine(*bench.chain.stages).fed)
    spans = kept.get_finished_spans()
    records = {span.context.trace_id: span.context.span_id for span in spans if span.name == "record"}
    parts = [(span.context.trace_id, span.parent and span.parent.span_id) for span in spans if span.name == "run"]
    assert Counter(parts) == dict.fromkeys(records.items(), 3)


async def test_an_activation_that_is_lost_is_computed_anew() -> None:
    bench = await Bench(1).ready()
    engine = Engine(*bench.chain.stages)

    async def lose(number: int, place: int) -> None:
        if (number, place) == (1, 1):
            await bench.root.remove(["j/activations/000/0"])

    engine.before = lose
    report = await bench.run(stages=engine.fed)
    await bench.check_all_done()
    assert bench.chain.computed[0, 10.0] == 2
    assert (report["retries"], report["failed_records"]) == (1, [])


@pytest.mark.parametrize("deaths", [1, 9])
async def test_a_record_that_a_process_ended_over_is_tried_again_and_set_aside_when_it_always_does(deaths: int) -> None:
    bench = await Bench(2).ready()
    engine = Engine(*bench.chain.stages)
    # The first numbers after the description's: both records', or the only one that is tried again.
    engine.deaths.update({1 + n: 1 for n in range(deaths)})
    report = await bench.run(workers=1, tries=4, stages=engine.fed)
    if deaths == 1:
        await bench.check_all_done()
        assert (bench.pauses_s, report["retries"]) == ([1.0], 1)
    else:
        assert [failed["record"] for failed in report["failed_records"]] == ["000.record", "001.record"]
        assert report["failed_records"][0]["error"] == "StageUnavailable"
        assert "stage 0: its process ended over this record" in report["failed_records"][0]["message"]
        assert bench.pauses_s == [1.0, 2.0, 4.0] * 2


async def test_an_engine_that_ends_ends_the_job_which_can_be_gone_on_with() -> None:
    bench = await Bench(4).ready()
    engine = Engine(*bench.chain.stages)

    async def end(number: int, place: int) -> None:
        if (number, place) == (3, 1):
            engine.fed.ended("the cluster is gone")

    engine.before = end
    with pytest.raises(ExecutorLost, match="the cluster is gone"):
        await bench.run(workers=1, stages=engine.fed)
    assert len(await bench.jobs.done()) == 2
    assert not await bench.root.keys("j/failed/")
    await bench.run()
    await bench.check_all_done()
    assert set(bench.chain.computed.values()) == {1}


async def test_what_is_wrong_with_a_stage_is_raised_before_any_work() -> None:
    bench = await Bench(1).ready()
    first, _, last = bench.chain.stages
    engine = Engine(first, MemoryTooSmall("give it 64 MB or more"), last)
    with pytest.raises(MemoryTooSmall, match="give it 64 MB or more"):
        await bench.run(stages=engine.fed)


async def test_an_engine_that_has_no_room_is_not_ready() -> None:
    class Full(Engine):
        async def put(self, number: int, journey: bytes) -> None:
            pass

    stages = FedStages(Full(), 1, start_timeout_s=0.01)
    with pytest.raises(NotReady, match=r"not every stage was started within 0\.01 s"):
        await stages.describe(0)


async def test_a_feed_is_read_again_from_the_begin_and_waits_for_what_is_to_come() -> None:
    feed = Feed()
    await feed.put(7, b"seven")
    await feed.put(3, b"three")
    await feed.forget(7)
    # As many as before, whatever is over: a reader that begins again must find each where it was.
    assert [await feed.read(place) for place in (0, 1)] == [(7, b""), (3, b"three")]
    coming = [asyncio.create_task(feed.read(place)) for place in (2, 3)]
    await asyncio.sleep(0)
    await feed.put(8, b"eight")
    assert await coming[0] == (8, b"eight")
    await feed.close()
    assert await coming[1] is None


async def test_a_feed_counts_how_often_a_part_was_begun() -> None:
    feed = Feed()
    for number in (1, 2):
        await feed.put(number, b"")
    begun = [await feed.begin(*each, b"") for each in ((1, 0), (1, 1), (1, 0), (2, 0))]
    assert begun == [1, 1, 2, 1]


async def test_a_part_of_a_journey_that_is_over_is_not_begun() -> None:
    feed = Feed()
    await feed.put(1, b"")
    assert await feed.begin(1, 0, b"") == 1
    await feed.forget(1)
    assert await feed.begin(1, 1, b"") == 0


async def test_a_feed_tells_how_far_a_journey_is() -> None:
    feed = Feed()
    await feed.put(1, b"at first")
    news = [asyncio.create_task(feed.news(1, stage)) for stage in (0, 1, 2)]
    await feed.begin(1, 0, b"at first")
    await asyncio.sleep(0)
    assert not any(each.done() for each in news)
    await feed.begin(1, 2, b"past two")
    assert [await each for each in news[:2]] == [b"past two"] * 2
    await feed.forget(1)
    assert await news[2] == b""
