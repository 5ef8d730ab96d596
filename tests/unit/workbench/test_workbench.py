"""The sessions of many owners, over a store in memory."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from io import BytesIO

import pytest
import torch
from PIL import Image

from quant.edits import EditWeights
from quant.precision import Mode
from quant.scales import Calibration
from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    OtherModel,
    SessionFileGone,
    SessionNotFound,
    StoreUnavailable,
    TooLarge,
)
from services.workbench.engine_model import EngineModel
from services.workbench.events import Edited, Event, Moved
from services.workbench.long_work import Listener, Step, listen
from services.workbench.model_codec import encode_model
from services.workbench.open_sessions import Opened, OpenSessions, SessionKey
from services.workbench.pictures import EncodedPicture, decode_picture
from services.workbench.session import Session
from services.workbench.session_log import NamedModel, Opening, SessionLog
from services.workbench.shared_models import SharedModels
from services.workbench.workbench import CalibratedSession, CalibrationRequest, Workbench, WorkbenchLimits
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers
from tests.unit.workbench.conftest import make_model

OWNER, OTHER = "owner-of-the-first-sessions", "owner-of-the-other-sessions"
SMALL = NamedModel("small")


def picture() -> EncodedPicture:
    written = BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(written, "png")
    return EncodedPicture("noise.png", written.getvalue())


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return open_store(f"memory://{request.node.name}")


@pytest.fixture
def start(model: EngineModel, store: ObjectStore, pool: Executor) -> Callable[..., Workbench]:
    """A workbench as a process that just started, over the same store each time."""

    def make(limits: WorkbenchLimits | None = None, opened: EngineModel = model) -> Workbench:
        return Workbench(store, lambda _: opened, pool, lambda: 0.0, limits or WorkbenchLimits())

    return make


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for each in content:
        yield each


def step(session: Session) -> tuple[int, Event]:
    visit = session.step()
    return visit.index, Moved(visit.layer)


def louder(session: Session) -> tuple[None, Event]:
    edit = EditWeights(session.info().layer, torch.tensor(0.5), (3,))
    session.edit(edit)
    return None, Edited(edit)


async def test_what_was_acknowledged_outlives_the_process(start: Callable[..., Workbench]) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.INT8)
    await bench.change(key, step)
    await bench.change(key, louder)
    await bench.change(key, step)
    before = await bench.ask(key, lambda session: session.value())
    again = start()
    assert torch.equal(await again.ask(key, lambda session: session.value()), before)
    assert await again.ask(key, lambda session: (session.layer, session.edits)) == ("norm", 1)


async def test_many_at_once_never_meet(start: Callable[..., Workbench]) -> None:
    bench = start(WorkbenchLimits(open_sessions=3))
    keys = [await bench.open(f"owner-number-{each:08}", SMALL, None, picture(), Mode.FLOAT) for each in range(8)]

    async def walk(key: SessionKey, steps: int) -> list[int]:
        return [await bench.change(key, step) for _ in range(steps)]

    walks = await asyncio.gather(*(walk(key, steps) for steps, key in enumerate(keys, 1)))
    assert walks == [list(range(steps)) for steps in range(1, 9)]


async def test_callers_of_one_session_take_turns(start: Callable[..., Workbench]) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    assert sorted(await asyncio.gather(*(bench.change(key, step) for _ in range(5)))) == list(range(5))


async def test_who_waits_for_a_session_that_leaves_memory_has_it_alone_all_the_same(model: EngineModel) -> None:
    opening = Opening(SMALL, "digest", None, False, "it", Mode.FLOAT)

    async def load(_: SessionKey) -> Opened:
        session = Session(model, Integers(), Mode.FLOAT, decode_picture(picture().data, "it"))
        return Opened(session, SessionLog(opening))

    sessions = OpenSessions(load, limit=1)
    key, other, inside, most = SessionKey(OWNER, "one"), SessionKey(OWNER, "other"), 0, 0

    async def have(after: int) -> None:
        nonlocal inside, most
        for _ in range(after):
            await asyncio.sleep(0)
        async with sessions.hold(key):
            inside += 1
            most = max(most, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1

    async with sessions.hold(other):
        await asyncio.gather(*(have(after) for after in range(12)))
    assert most == 1


async def test_anothers_session_is_not_found(start: Callable[..., Workbench]) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    for other in (SessionKey(OTHER, key.session), SessionKey(OWNER, "x" * 24), SessionKey(OWNER, "../" + key.session)):
        with pytest.raises(SessionNotFound):
            await bench.ask(other, lambda session: session.layer)
    await bench.close(key)
    with pytest.raises(SessionNotFound):
        await bench.ask(key, lambda session: session.layer)


async def test_a_change_that_is_not_kept_did_not_happen(
    start: Callable[..., Workbench], store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    await bench.change(key, step)

    async def refuse(_: object, __: str, ___: bytes) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", refuse)
        with pytest.raises(StoreUnavailable):
            await bench.change(key, step)
    assert await bench.ask(key, lambda session: session.layer) == "stem"


def refuse_writes(patch: pytest.MonkeyPatch, end: str) -> None:
    """Have the store refuse the keys that end so."""
    write = ObjectStore.write

    async def refuse(store: ObjectStore, key: str, content: bytes) -> None:
        if key.endswith(end):
            raise StoreUnavailable("away")
        await write(store, key, content)

    patch.setattr(ObjectStore, "write", refuse)


@pytest.mark.parametrize("end", ["picture", "log.json"])
async def test_a_session_that_cannot_be_kept_leaves_nothing(
    start: Callable[..., Workbench], store: ObjectStore, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    refuse_writes(monkeypatch, end)
    with pytest.raises(StoreUnavailable):
        await start().open(OWNER, SMALL, None, picture(), Mode.INT8)
    assert await store.keys() == []


async def test_a_session_whose_caller_left_as_it_opened_is_closed(
    model: EngineModel, store: ObjectStore, pool: Executor
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(_: NamedModel) -> EngineModel:
        began.set()
        go_on.wait(10)
        return model

    bench = Workbench(store, slow, pool, lambda: 0.0, WorkbenchLimits())
    leaving = asyncio.create_task(bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT))
    await asyncio.to_thread(began.wait, 10)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    go_on.set()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left
    async with asyncio.timeout(10):
        await asyncio.wait(left)
    assert store.use.writes == 2
    assert await store.keys() == []


@pytest.mark.parametrize("lost", ["picture", "log.json"])
async def test_a_session_that_cannot_be_read_any_more_can_be_closed(
    start: Callable[..., Workbench], store: ObjectStore, lost: str
) -> None:
    key = await start().open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    (damaged,) = [each for each in await store.keys() if each.endswith(lost)]
    if lost == "picture":
        await store.remove([damaged])
    else:
        await store.write(damaged, b"{}")
    with pytest.raises((SessionNotFound, DamagedFile)):
        await start().ask(key, lambda session: session.layer)
    await start().close(key)
    assert await store.keys() == []


async def test_of_a_variant_that_is_not_kept_whole_nothing_stays(
    start: Callable[..., Workbench], store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.INT8)
    before = await store.keys()
    monkeypatch.setattr("services.workbench.owner_store.new_id", iter(("i" * 24, "m" * 24)).__next__)
    refuse_writes(monkeypatch, "m" * 24)
    with pytest.raises(StoreUnavailable):
        await bench.save(key, "mine")
    assert await store.keys() == before


async def test_who_leaves_as_a_session_begins_anew_finds_it_begun(
    start: Callable[..., Workbench], store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    write, writing, go_on = ObjectStore.write, asyncio.Event(), asyncio.Event()

    async def slow(store: ObjectStore, name: str, content: bytes) -> None:
        if name.endswith("log.json"):
            writing.set()
            await go_on.wait()
        await write(store, name, content)

    monkeypatch.setattr(ObjectStore, "write", slow)
    leaving = asyncio.create_task(calibrate(bench, key))
    await writing.wait()
    leaving.cancel()
    next_caller = asyncio.create_task(bench.ask(key, is_calibrated))
    await asyncio.sleep(0.01)
    assert not next_caller.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await next_caller
    assert await start().ask(key, is_calibrated)
    assert len(await files(store)) == 1


def is_calibrated(session: Session) -> bool:
    return bool(session.integers.calibration.values)


async def test_a_caller_who_leaves_loses_nothing(start: Callable[..., Workbench]) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    began, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> tuple[int, Event]:
        began.set()
        go_on.wait(10)
        return step(session)

    call = asyncio.create_task(bench.change(key, slow))
    while not began.is_set():
        await asyncio.sleep(0.01)
    call.cancel()
    go_on.set()
    assert await bench.ask(key, lambda session: session.layer) == "stem"
    assert await start().ask(key, lambda session: session.layer) == "stem"


async def test_a_session_that_is_closed_under_work_ends_it_and_leaves_nothing(
    start: Callable[..., Workbench], store: ObjectStore
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.INT8)
    began, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> tuple[int, Event]:
        began.set()
        go_on.wait(10)
        return step(session)

    working = asyncio.create_task(bench.change(key, slow))
    await asyncio.to_thread(began.wait, 10)
    waiting, closing = asyncio.create_task(bench.change(key, step)), asyncio.create_task(bench.close(key))
    await asyncio.sleep(0.01)
    go_on.set()
    for call in (working, waiting):
        with pytest.raises(SessionNotFound, match="open"):
            await call
    await closing
    assert await store.keys() == []


async def test_a_cross_of_a_session_that_is_closed_stops(start: Callable[..., Workbench]) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.INT8)
    rows = bench.cross(key, None, None)
    await anext(rows)
    closing = asyncio.create_task(bench.close(key))

    async def hear_the_others() -> None:
        async for _ in rows:
            await asyncio.sleep(0)

    with pytest.raises(SessionNotFound):
        await hear_the_others()
    await closing


async def calibrate(bench: Workbench, key: SessionKey, algorithm: str = "minmax") -> str:
    """The id of the file that it answers with."""
    *_, found = [each async for each in bench.calibrate(key, CalibrationRequest(algorithm), [picture()])]
    assert isinstance(found, CalibratedSession)
    return found.integer_file


async def files(store: ObjectStore) -> list[str]:
    return [key.rpartition("/")[2] for key in await store.keys() if "/files/" in key]


@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.INT8], ids=["of-none", "of-the-picture"])
async def test_integers_that_a_session_made_go_when_others_come_and_with_it(
    start: Callable[..., Workbench], store: ObjectStore, mode: Mode
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), mode)
    assert len(await files(store)) == (mode is Mode.INT8)
    for algorithm in ("minmax", "pow2"):
        made = await calibrate(bench, key, algorithm)
        assert await files(store) == [made]
    await start().close(key)
    assert await store.keys() == []


async def test_integers_that_another_session_was_opened_with_are_left_to_it(
    start: Callable[..., Workbench], store: ObjectStore
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    made = await calibrate(bench, key)
    other = await bench.open(OWNER, SMALL, made, picture(), Mode.INT8)
    await calibrate(bench, key)
    await bench.close(key)
    assert await files(store) == [made]
    assert await start().change(other, step) == 0


async def test_what_was_uploaded_or_saved_stays_when_its_session_goes(
    start: Callable[..., Workbench], store: ObjectStore
) -> None:
    bench = start()
    key = await bench.open(OWNER, SMALL, None, picture(), Mode.INT8)
    kept = await bench.save(key, "mine")
    assert kept.integer_file is not None
    second = await bench.open(OWNER, kept.model_file, kept.integer_file, picture(), Mode.INT8)
    await calibrate(bench, second)
    for each in (key, second):
        await bench.close(each)
    assert set(await files(store)) == {kept.model_file, kept.integer_file}


async def test_a_model_that_changed_meanwhile_is_refused(
    start: Callable[..., Workbench], other_model: EngineModel
) -> None:
    key = await start().open(OWNER, SMALL, None, picture(), Mode.FLOAT)
    with pytest.raises(OtherModel, match="open a new one"):
        await start(opened=other_model).ask(key, lambda session: session.layer)


async def test_a_file_over_the_limit_leaves_nothing(start: Callable[..., Workbench], store: ObjectStore) -> None:
    sent = [b"x" * 10] * 3
    with pytest.raises(TooLarge, match="25 bytes"):
        await start(WorkbenchLimits(upload_bytes=25)).upload(OWNER, pieces(*sent))
    assert await store.keys() == []
    _, size_bytes = await start(WorkbenchLimits(upload_bytes=30)).upload(OWNER, pieces(*sent))
    assert size_bytes == 30


async def test_a_file_that_was_removed_opens_no_session_and_one_that_has_read_it_goes_on(
    start: Callable[..., Workbench], store: ObjectStore, model: EngineModel
) -> None:
    bench = start()
    file, _ = await bench.upload(OWNER, pieces(encode_model(model)))
    key = await bench.open(OWNER, file, None, picture(), Mode.FLOAT)
    await bench.remove_file(OWNER, file)
    assert await bench.change(key, step) == 0
    with pytest.raises(ArtifactNotFound, match=file):
        await bench.open(OWNER, file, None, picture(), Mode.FLOAT)
    again = start()
    with pytest.raises(SessionFileGone, match=r"the model .* upload it again"):
        await again.ask(key, lambda session: session.layer)
    await again.close(key)
    assert await store.keys() == []


async def test_a_session_whose_files_were_removed_opens_as_it_was_left_once_they_are_there_again(
    start: Callable[..., Workbench], model: EngineModel, calibration: Calibration
) -> None:
    bench, contents = start(), (encode_model(model), encode_integers(model, Integers(calibration)))

    async def sent(*contents: bytes) -> list[str]:
        return [(await bench.upload(OWNER, pieces(content)))[0] for content in contents]

    first = await sent(*contents)
    key = await bench.open(OWNER, first[0], first[1], picture(), Mode.INT8)
    await bench.change(key, step)
    await bench.change(key, louder)
    before = await bench.ask(key, lambda session: session.value())
    for file in first:
        await bench.remove_file(OWNER, file)
    # Files that differ do not stand for them.
    others = await sent(encode_model(make_model(seed=2)), encode_integers(model, Integers(calibration, isa="another")))
    await bench.open(OWNER, others[0], None, picture(), Mode.FLOAT)
    await bench.open(OWNER, SMALL, others[1], picture(), Mode.INT8)
    for what, content in zip(("model", "integers"), contents, strict=True):
        with pytest.raises(SessionFileGone, match=rf"the {what} .* upload it again"):
            await start().ask(key, lambda session: session.layer)
        (again,) = await sent(content)
        model_file, integer_file = (again, None) if what == "model" else (SMALL, again)
        await bench.open(OWNER, model_file, integer_file, picture(), Mode.FLOAT)
    back = start()
    assert torch.equal(await back.ask(key, lambda session: session.value()), before)
    assert await back.ask(key, lambda session: (session.layer, session.edits)) == ("stem", 1)
    await back.change(key, step)
    assert await start().ask(key, lambda session: session.layer) == "norm"


async def test_a_file_is_removed_by_its_owner_alone_and_once(
    start: Callable[..., Workbench], store: ObjectStore
) -> None:
    bench = start()
    file, _ = await bench.upload(OWNER, pieces(b"content"))
    for owner, named in ((OTHER, file), (OWNER, "x" * 24), (OWNER, f"../files/{file}"), (OWNER, "")):
        with pytest.raises(ArtifactNotFound):
            await bench.remove_file(owner, named)
    assert len(await store.keys()) == 1
    await bench.remove_file(OWNER, file)
    assert await store.keys() == []
    with pytest.raises(ArtifactNotFound):
        await bench.remove_file(OWNER, file)


async def test_a_model_is_loaded_once_for_all_who_want_it(model: EngineModel) -> None:
    loads = 0

    async def load() -> EngineModel:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.01)
        return model

    shared = SharedModels(1)
    assert await asyncio.gather(*(shared.get("it", load) for _ in range(4))) == [model] * 4
    await shared.get("another", load)
    await shared.get("it", load)
    assert loads == 3  # the first was let go for the second


async def test_a_load_that_failed_is_tried_again(model: EngineModel) -> None:
    answers: list[Exception | EngineModel] = [StoreUnavailable("away"), model]

    async def load() -> EngineModel:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = SharedModels(1)
    with pytest.raises(StoreUnavailable):
        await shared.get("it", load)
    assert await shared.get("it", load) is model


async def test_long_work_stops_when_nobody_listens(pool: Executor) -> None:
    ended = threading.Event()

    def work(listener: Listener[int]) -> None:
        try:
            for number in range(10_000_000):
                listener.give(number)
        finally:
            ended.set()

    heard = listen(work, pool)
    assert await anext(heard) == 0
    await heard.aclose()
    assert ended.is_set()


async def test_long_work_hands_over_its_steps_its_items_and_its_fault(pool: Executor) -> None:
    def work(listener: Listener[str]) -> None:
        listener("looking", 1, 2)
        listener.give("found")
        raise TooLarge("enough")

    heard = listen(work, pool)
    assert [await anext(heard), await anext(heard)] == [Step("looking", 1, 2), "found"]
    with pytest.raises(TooLarge):
        await anext(heard)
