"""Members asked at once and in turn, slow, broken and late, with real pictures' tensors and no network."""

import asyncio
import gc
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.errors import DeadlineExceeded, MemberUnavailable, NotAPicture, PictureTooLarge
from services.edge.receipts import Usage
from services.ensemble.domain import EnsembleMode, MemberState
from services.ensemble.fan_out import ChunkReply, MemberRun, fan_out
from services.ensemble.preparation import CallLimits, Images, Preparation
from services.zoo.chunks import CHUNK_BYTES
from services.zoo.manifest import InputSpec

SPEC = InputSpec((4, 4), 4, (0, 0, 0), (1, 1, 1), "bilinear")
SOON_S = 1.0
"""A deadline that is waited for, and that what takes no time keeps on a slow machine too."""
OTHER_SPEC = InputSpec((8, 8), 8, (0, 0, 0), (1, 1, 1), "bilinear")


def prepare(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
    """A picture is its own brightness; b"bad" is none."""
    if picture == b"bad":
        raise NotAPicture("broken")
    for spec in specs:
        yield np.full((3, *spec.size), float(picture), np.float32)


def preparation(pictures: Sequence[bytes], specs: Sequence[InputSpec] = (SPEC,), **options: Any) -> Preparation[bytes]:
    return Preparation(pictures, specs, prepare, ThreadPoolExecutor(2), **options)


class Models:
    """Models that answer [n, 2] = (brightness, 0) after their delay, or raise."""

    def __init__(self, delays_s: dict[str, float], errors: dict[str, Exception] | None = None):
        self.delays_s = delays_s
        self.errors = errors or {}
        self.calls: list[str] = []
        self.running = self.most_running = 0
        self.cancelled: list[str] = []

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        self.calls.append(model)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.delays_s[model])
        except asyncio.CancelledError:
            self.cancelled.append(model)
            raise
        finally:
            self.running -= 1
        if model in self.errors:
            raise self.errors[model]
        scores = np.stack([images[:, 0, 0, 0], np.zeros(len(images), np.float32)], axis=1)
        return ChunkReply(scores, Usage(1), 1.0, False)


def runs(*models: str, spec: InputSpec = SPEC) -> list[MemberRun]:
    return [MemberRun(model, spec) for model in models]


def states(members: list[MemberRun]) -> list[str]:
    return [run.state.value for run in members]


@pytest.mark.parametrize(("mode", "at_once"), [(EnsembleMode.PARALLEL, 2), (EnsembleMode.SERIAL, 1)])
async def test_members_run_all_at_once_or_in_turn(mode: EnsembleMode, at_once: int) -> None:
    models, members = Models({"a": 0.02, "b": 0.01}), runs("a", "b")
    await fan_out(members, preparation([b"1"]), models.infer, mode, Deadline())
    assert (models.calls, models.most_running) == (["a", "b"], at_once)
    assert states(members) == ["answered", "answered"]


async def test_at_the_deadline_the_late_are_cancelled_and_missing() -> None:
    models, members = Models({"fast": 0.0, "slow": 9.0}), runs("slow", "fast")
    await fan_out(members, preparation([b"1"]), models.infer, EnsembleMode.PARALLEL, Deadline.after(SOON_S))
    assert states(members) == ["missing", "answered"]
    assert models.cancelled == ["slow"]
    assert models.running == 0


async def test_in_turn_those_after_the_deadline_are_not_started() -> None:
    models, members = Models({"a": 0.0, "slow": 9.0, "c": 0.0}), runs("a", "slow", "c")
    await fan_out(members, preparation([b"1"]), models.infer, EnsembleMode.SERIAL, Deadline.after(SOON_S))
    assert states(members) == ["answered", "missing", "missing"]
    assert models.calls == ["a", "slow"]
    assert members[2].latency_ms == 0


async def test_a_broken_member_costs_itself_only() -> None:
    models = Models({"a": 0.0, "broken": 0.0}, {"broken": MemberUnavailable("gone")})
    members = runs("broken", "a")
    await fan_out(members, preparation([b"1"]), models.infer, EnsembleMode.PARALLEL, Deadline())
    assert states(members) == ["failed", "answered"]
    assert members[0].error == "gone"


@pytest.mark.parametrize("mode", EnsembleMode)
async def test_a_member_that_breaks_takes_no_picture_from_others_with_its_input(mode: EnsembleMode) -> None:
    broke = threading.Event()

    def slow(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        if float(picture) >= 64:
            broke.wait(5)
        return prepare(picture, specs)

    async def infer(model: str, images: Images, deadline: Deadline) -> ChunkReply:
        if model == "broken":
            asyncio.get_running_loop().call_later(0.02, broke.set)
        return await models.infer(model, images, deadline)

    models = Models({"a": 0.0, "broken": 0.0}, {"broken": MemberUnavailable("gone")})
    members, pictures = runs("broken", "a"), [b"%d" % n for n in range(200)]
    with ThreadPoolExecutor(2) as pool:
        await fan_out(members, Preparation(pictures, [SPEC], slow, pool), infer, mode, Deadline())
    assert states(members) == ["failed", "answered"]
    assert members[1].scores[:, 0].tolist() == list(range(200))


async def test_a_member_whose_call_was_broken_off_has_failed() -> None:
    async def infer(model: str, images: Images, deadline: Deadline) -> ChunkReply:
        if images[0, 0, 0, 0] >= 64:
            raise asyncio.CancelledError  # as gRPC does when its channel is closed
        return ChunkReply(np.zeros((len(images), 2), np.float32), Usage(1), 1.0, False)

    (member,) = members = runs("a")
    pictures = [b"%d" % n for n in range(100)]
    await fan_out(members, preparation(pictures), infer, EnsembleMode.PARALLEL, Deadline())
    assert (member.state, member.error) == (MemberState.FAILED, "a call to it was broken off")


async def test_once_it_returns_no_more_pictures_are_prepared() -> None:
    prepared, ended = [], threading.Event()

    def slow(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        prepared.append(picture)
        ended.wait(5)
        return prepare(picture, specs)

    models, members, deadline = Models({"a": 0.0}), runs("a"), Deadline.after(SOON_S)
    with ThreadPoolExecutor(1) as pool:
        pictures = Preparation([b"1"] * 100, [SPEC], slow, pool)
        await fan_out(members, pictures, models.infer, EnsembleMode.PARALLEL, deadline)
        ended.set()
    assert states(members) == ["missing"]
    assert len(prepared) == 1


async def test_a_member_that_says_its_time_is_up_is_missing() -> None:
    models, members = Models({"a": 0.0}, {"a": DeadlineExceeded("late")}), runs("a")
    await fan_out(members, preparation([b"1"]), models.infer, EnsembleMode.PARALLEL, Deadline())
    assert states(members) == ["missing"]


async def test_a_fault_of_ours_is_not_a_members() -> None:
    models = Models({"a": 0.0, "b": 9.0}, {"a": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        await fan_out(runs("a", "b"), preparation([b"1"]), models.infer, EnsembleMode.PARALLEL, Deadline())
    assert models.running == 0


async def test_a_broken_picture_ends_the_request_and_is_named_by_its_place() -> None:
    models = Models({"a": 0.0, "slow": 9.0})
    pictures = [b"1"] * 70 + [b"bad"]
    with pytest.raises(NotAPicture, match="picture 70: broken"):
        await fan_out(runs("a", "slow"), preparation(pictures), models.infer, EnsembleMode.PARALLEL, Deadline())
    assert models.running == 0


async def test_a_picture_found_broken_after_the_deadline_is_no_error_to_log(caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def slow(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        ended.wait(5)
        return prepare(picture, specs)

    models, members, deadline = Models({"a": 0.0}), runs("a"), Deadline.after(0.05)
    with ThreadPoolExecutor(1) as pool:
        pictures = Preparation([b"bad"], [SPEC], slow, pool)
        await fan_out(members, pictures, models.infer, EnsembleMode.PARALLEL, deadline)
        ended.set()
    await asyncio.sleep(0.05)
    del pictures
    gc.collect()
    assert states(members) == ["missing"]
    assert caplog.messages == []


async def test_a_caller_who_leaves_takes_the_members_calls_along() -> None:
    models = Models({"a": 9.0})
    request = asyncio.create_task(
        fan_out(runs("a"), preparation([b"1"]), models.infer, EnsembleMode.PARALLEL, Deadline())
    )
    while not models.running:
        await asyncio.sleep(0.01)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (models.cancelled, models.running) == (["a"], 0)


async def test_a_big_batch_goes_in_chunks_and_its_scores_come_back_in_order() -> None:
    models, members = Models({"a": 0.0}), runs("a")
    await fan_out(
        members, preparation([b"%d" % n for n in range(200)]), models.infer, EnsembleMode.PARALLEL, Deadline()
    )
    assert members[0].scores[:, 0].tolist() == list(range(200))
    assert len(models.calls) == 4


async def test_two_chunks_are_under_way_and_never_more() -> None:
    models, seen = Models({"a": 0.01}), []

    async def infer(model: str, images: Images, deadline: Deadline) -> ChunkReply:
        seen.append(models.running + 1)
        return await models.infer(model, images, deadline)

    await fan_out(runs("a"), preparation([b"1"] * 500), infer, EnsembleMode.PARALLEL, Deadline())
    assert max(seen) == 2


async def test_members_with_different_inputs_each_get_their_own_from_one_decoding() -> None:
    decoded = []

    def counting(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        decoded.append(picture)
        return prepare(picture, specs)

    prepared = Preparation([b"1", b"2"], [SPEC, OTHER_SPEC, SPEC], counting, ThreadPoolExecutor(2))
    first, second = await asyncio.gather(prepared.chunk(SPEC, 0), prepared.chunk(OTHER_SPEC, 0))
    assert (first.shape, second.shape) == ((2, 3, 4, 4), (2, 3, 8, 8))
    assert sorted(decoded) == [b"1", b"2"]


async def test_the_chunk_that_was_asked_for_last_is_kept_longest() -> None:
    decoded = []

    def counting(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        decoded.append(int(picture))
        return prepare(picture, specs)

    pictures = [b"%d" % n for n in range(3)]
    with ThreadPoolExecutor(1) as pool:
        prepared = Preparation(pictures, [SPEC], counting, pool, [CallLimits(max_batch=1)], may_keep_bytes=lambda: 1)
        for index in (0, 1, 0, 2, 0, 1):
            await prepared.chunk(SPEC, index)
    assert decoded == [0, 1, 2, 1]


async def test_a_picture_that_one_input_cannot_take_is_still_prepared_for_another() -> None:
    def fitting_one(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        yield from prepare(picture, specs[:1])
        raise PictureTooLarge("too narrow")

    with ThreadPoolExecutor(1) as pool:
        prepared = Preparation([b"1"], [SPEC, OTHER_SPEC], fitting_one, pool)
        prepared.want(OTHER_SPEC)
        assert (await prepared.chunk(SPEC, 0)).shape == (1, 3, 4, 4)
        with pytest.raises(PictureTooLarge, match="picture 0: too narrow"):
            await asyncio.wait_for(prepared.chunk(OTHER_SPEC, 0), 30)


async def test_a_member_far_behind_gets_its_chunk_made_again() -> None:
    prepared = preparation([b"%d" % n for n in range(300)], may_keep_bytes=lambda: 1)
    for index in range(prepared.chunks):
        await prepared.chunk(SPEC, index)
    again = await prepared.chunk(SPEC, 0)
    assert again[:, 0, 0, 0].tolist() == list(range(64))


@pytest.mark.parametrize(
    ("limits", "length"),
    [
        ([CallLimits()], 64),
        ([CallLimits(max_batch=100), CallLimits(max_batch=16)], 16),
        ([CallLimits(), CallLimits(max_message_bytes=2048)], 5),  # 1 KiB of envelope, and 192 bytes a picture
        ([CallLimits(max_message_bytes=1)], 1),
        ([CallLimits(max_batch=10**6)], CHUNK_BYTES // (3 * 4 * 4 * 4)),
    ],
)
async def test_chunks_suit_the_member_that_takes_least(limits: list[CallLimits], length: int) -> None:
    prepared = preparation([b"1"] * length + [b"1"], limits=limits)
    assert prepared.chunks == 2
    if length <= 64:
        assert len(await prepared.chunk(SPEC, 0)) == length


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (np.zeros((2, 3), np.float32), r"shape \[2, 3\] for 1 pictures"),
        (np.zeros(3, np.float32), r"shape \[3\]"),
        (np.zeros((1, 0), np.float32), r"shape \[1, 0\]"),
        (np.array([[np.nan, 1]], np.float32), "not finite"),
    ],
)
async def test_scores_that_are_none_are_the_members_failure(scores: Images, said: str) -> None:
    async def infer(model: str, images: Images, deadline: Deadline) -> ChunkReply:
        return ChunkReply(scores, Usage(1), 0.0, False)

    (member,) = members = runs("a")
    await fan_out(members, preparation([b"1"]), infer, EnsembleMode.PARALLEL, Deadline())
    assert member.state is MemberState.FAILED
    assert re.search(said, member.error)


async def test_a_member_that_waits_for_its_turn_has_no_tensors_and_keeps_no_other_waiting() -> None:
    prepared: list[int] = []
    turns = {"free": asyncio.Semaphore(), "busy": asyncio.Semaphore(0)}

    def counting(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
        prepared.append(len(specs))
        yield from prepare(picture, specs)

    asked = [*runs("free"), *runs("busy", spec=OTHER_SPEC)]
    with ThreadPoolExecutor(1) as pool:
        made = Preparation([b"1"], [SPEC, OTHER_SPEC], counting, pool)
        await fan_out(
            asked, made, Models({"free": 0}).infer, EnsembleMode.PARALLEL, Deadline.after(SOON_S), turns.__getitem__
        )
    assert states(asked) == ["answered", "missing"]
    assert "busy with requests" in asked[1].error
    assert prepared == [1]
