"""One model in a process: readiness, one pass at a time, chunks, the queue's bound, cost."""

import asyncio
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from services.edge.errors import Internal, NotAPicture, NotReady, QueueFull
from services.edge.meter import Reading
from services.model import computing
from services.model.computing import Forward
from services.model.domain import Images, InferAnswer, InferRequest
from services.model.ledger import Ledger
from services.model.tensors import Tensor
from services.model.usecases import Model
from services.zoo.manifest import Batching, Manifest


class Engine:
    """Answers each item's mean, five times; can be held, counts what runs at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.batches: list[int] = []
        self.running = 0
        self.most_at_once = 0

    def __call__(self, images: Images) -> Images:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.go.wait(5)
        self.batches.append(len(images))
        self.running -= 1
        return np.repeat(images.mean((1, 2, 3))[:, None], 5, axis=1)


class Meter:
    """Each reading is 1 s of wall time and 2 s of CPU time after the one before."""

    def __init__(self) -> None:
        self.readings = 0

    def __call__(self) -> Reading:
        self.readings += 1
        return Reading(self.readings, 2 * self.readings, 100 * self.readings)


def read_picture(data: bytes) -> Images:
    if data == b"broken":
        raise NotAPicture("a broken picture")
    return np.full((3, 2, 4), len(data), np.float32)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def model_of(manifest: Manifest, engine: Forward, max_queue: int = 8, largest: int = 1) -> Model:
    ledger = Ledger(Reading(0, 0, 0), one_thread=False)
    meter = Meter()
    manifest = replace(manifest, batching=Batching(largest))
    return Model(
        manifest, lambda: engine, read_picture, max_batch=1000, max_queue=max_queue, read_meter=meter, ledger=ledger
    )


@pytest.fixture
async def model(manifest: Manifest, engine: Engine) -> Model:
    made = model_of(manifest, engine)
    await made.load()
    return made


def images(n: int) -> InferRequest:
    values = np.repeat(np.arange(n, dtype=np.float32), 24).reshape(n, 3, 2, 4)
    return InferRequest("tiny", "", "id", (Tensor.of("image", values),))


def pictures(*data: bytes) -> InferRequest:
    return InferRequest("tiny", "", "", (Tensor.from_elements("picture", [len(data)], list(data)),))


async def test_it_is_ready_only_after_a_pass_has_worked(manifest: Manifest, engine: Engine) -> None:
    model = model_of(manifest, engine)
    with pytest.raises(NotReady, match="is loading"):
        await model.infer(images(1))
    engine.go.clear()
    loading = asyncio.create_task(model.load())
    await asyncio.sleep(0.01)
    before = model.ready
    engine.go.set()
    await loading
    assert (before, model.ready) == (False, True)
    assert engine.batches == [1]


async def test_it_is_never_ready_when_the_pass_fails(manifest: Manifest) -> None:
    def broken(images: Images) -> Images:
        raise ValueError("no such operator")

    model = model_of(manifest, broken)
    with pytest.raises(ValueError, match="no such operator"):
        await model.load()
    assert not model.ready


async def test_chunks_give_the_same_scores_in_the_same_order(
    model: Model, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "chunk_length", lambda item_bytes: 4 * 4 * 24 // item_bytes)
    answer = await model.infer(images(10))
    assert engine.batches[1:] == [4, 4, 2]
    np.testing.assert_array_equal(np.asarray(answer.outputs[0].values)[:, 0], np.arange(10))
    assert answer.outputs[0].shape == (10, 5)
    assert (answer.id, answer.version) == ("id", "v1")


async def test_pictures_are_read_in_order_and_a_broken_one_is_named(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "chunk_length", lambda item_bytes: 2 * 4 * 24 // item_bytes)
    answer = await model.infer(pictures(b"x", b"xx", b"xxx"))
    np.testing.assert_array_equal(np.asarray(answer.outputs[0].values)[:, 0], [1, 2, 3])
    with pytest.raises(NotAPicture, match="picture 3: a broken picture"):
        await model.infer(pictures(b"x", b"x", b"x", b"broken"))


async def test_passes_run_one_at_a_time_and_the_loop_stays_free(model: Model, engine: Engine) -> None:
    engine.go.clear()
    running = [asyncio.create_task(model.infer(images(1))) for _ in range(4)]
    await asyncio.sleep(0.02)
    engine.go.set()
    await asyncio.gather(*running)
    assert engine.most_at_once == 1


async def test_a_full_queue_refuses_and_recovers(manifest: Manifest, engine: Engine) -> None:
    model = model_of(manifest, engine, max_queue=2)
    await model.load()
    engine.go.clear()
    waiting = [asyncio.create_task(model.infer(images(1))) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFull, match="2 requests"):
        await model.infer(images(1))
    engine.go.set()
    await asyncio.gather(*waiting)
    await model.infer(images(1))


async def test_work_that_nobody_waits_for_any_more_is_counted_as_waste(model: Model, engine: Engine) -> None:
    engine.go.clear()
    running, waiting = (asyncio.create_task(model.infer(images(1))) for _ in range(2))
    while not engine.running:
        await asyncio.sleep(0.001)
    for task in (running, waiting):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    engine.go.set()
    while not model.totals.wasted:
        await asyncio.sleep(0.001)
    await model.infer(images(1))
    # What ran took 2 s of the CPU, and 2 s to be read; what waited never did.
    assert (model.totals.wasted, model.totals.wasted_cpu_s) == (1, 4)
    assert model.totals.answered == 1


async def test_a_request_cancelled_while_it_waits_never_runs(model: Model, engine: Engine) -> None:
    engine.go.clear()
    first, second = (asyncio.create_task(model.infer(images(n))) for n in (2, 3))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0)
    engine.go.set()
    await first
    await model.infer(images(1))
    assert engine.batches == [1, 2, 1]


async def test_the_cost_spans_the_pass_and_the_work_around_it_and_only_the_first_request_is_cold(model: Model) -> None:
    first = (await model.infer(images(1))).cost
    second = (await model.infer(images(1))).cost
    # Read as it comes, before and after the pass: each 2 s of the CPU after the one before.
    assert (first.compute_ms, first.cpu_seconds, first.cold, first.cold_cpu_seconds) == (1000, 4, True, 2)
    assert (second.compute_ms, second.cpu_seconds, second.cold, second.cold_cpu_seconds) == (1000, 6, False, 0)
    assert first.allocated_cpu_seconds + second.allocated_cpu_seconds == 12


async def test_what_a_request_came_with_is_freed_before_its_pass_is_paid_for(
    manifest: Manifest, engine: Engine
) -> None:
    watched: list[weakref.ref[object]] = []
    held: list[bool] = []
    meter = Meter()
    ledger = Ledger(Reading(0, 0, 0), one_thread=False)

    def read() -> Reading:
        held.append(any(each() is not None for each in watched))
        return meter()

    model = Model(manifest, lambda: engine, read_picture, max_batch=8, max_queue=8, read_meter=read, ledger=ledger)
    await model.load()
    request = images(2)
    watched.append(weakref.ref(request.inputs[0].values))
    held.clear()
    answering = model.infer(request)
    del request
    await answering
    assert held == [True, True, False]  # as it arrives, before its pass, and after


async def test_what_failed_or_was_wasted_is_said_as_unclaimed_with_the_next_answer(model: Model) -> None:
    with pytest.raises(NotAPicture):
        await model.infer(pictures(b"broken"))
    cost = (await model.infer(images(1))).cost
    after = (await model.infer(images(1))).cost
    assert cost.unclaimed_cpu_seconds == 6  # the start too: nobody else claims it
    assert (after.unclaimed_cpu_seconds, after.unclaimed_gb_seconds) == (0, 0)


async def test_scores_that_are_not_finite_are_no_answer(manifest: Manifest) -> None:
    model = model_of(manifest, lambda images: np.full((len(images), 5), np.nan, np.float32))
    await model.load()
    with pytest.raises(Internal, match="not finite"):
        await model.infer(images(2))
    assert (model.totals.answered, model.totals.failed) == (0, 1)


async def test_totals_count_answers_and_failures(model: Model) -> None:
    await model.infer(images(1))
    with pytest.raises(NotAPicture):
        await model.infer(pictures(b"broken"))
    totals = model.totals
    assert (totals.answered, totals.failed, totals.compute_s, totals.cpu_s) == (1, 1, 1.0, 4.0)


async def asked_while_one_runs(
    model: Model, engine: Engine, *requests: InferRequest
) -> list[InferAnswer | BaseException]:
    """The answers of requests that wait together behind one of a single picture."""
    engine.go.clear()
    first = asyncio.create_task(model.infer(images(1)))
    while not engine.running:
        await asyncio.sleep(0.001)
    waiting = [asyncio.create_task(model.infer(each)) for each in requests]
    await asyncio.sleep(0)
    engine.go.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_requests_that_wait_together_run_together_and_each_has_its_own_scores_and_share(
    manifest: Manifest, engine: Engine
) -> None:
    model = model_of(manifest, engine, largest=4)
    await model.load()
    one, three = await asked_while_one_runs(model, engine, images(1), images(3))
    assert engine.batches[1:] == [1, 4]
    assert isinstance(one, InferAnswer)
    assert isinstance(three, InferAnswer)
    np.testing.assert_array_equal(np.asarray(one.outputs[0].values)[:, 0], [0])
    np.testing.assert_array_equal(np.asarray(three.outputs[0].values)[:, 0], [0, 1, 2])
    assert 3 * one.cost.resident_bytes == three.cost.resident_bytes
    assert 3 * one.cost.allocated_gb_seconds == pytest.approx(three.cost.allocated_gb_seconds)
    assert (model.totals.answered, model.totals.passes) == (3, 2)
    assert {(each.cost.pass_number, each.cost.pass_pictures, each.cost.pass_largest) for each in (one, three)} == {
        (2, 4, 4)
    }


async def test_a_broken_picture_fails_its_own_request_alone(manifest: Manifest, engine: Engine) -> None:
    model = model_of(manifest, engine, largest=4)
    await model.load()
    broken, whole, tensor = await asked_while_one_runs(model, engine, pictures(b"broken"), pictures(b"xx"), images(1))
    assert isinstance(broken, NotAPicture)
    assert isinstance(whole, InferAnswer)
    assert isinstance(tensor, InferAnswer)
    assert engine.batches[1:] == [1, 2]
    np.testing.assert_array_equal(np.asarray(whole.outputs[0].values)[:, 0], [2])
