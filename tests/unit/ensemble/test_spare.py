"""Who answers for a member: itself where it runs, a spare pod while it starts, itself again where there is none."""

import asyncio

import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.errors import MemberUnavailable
from services.edge.receipts import Usage
from services.ensemble.fan_out import ChunkReply
from services.ensemble.preparation import Images
from services.ensemble.spare import WithSpare

PICTURE = np.zeros((1, 3, 2, 4), np.float32)


class Member:
    """One that sleeps until it has been woken and `up` is set, beside a spare pod; notes who answers."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.cannot_start = False
        self.spare_is_taken = False
        self.spare_is_done = asyncio.Event()
        self.spare_is_done.set()
        self.woken = 0
        self.asked: list[str] = []
        self.now_s = 0.0

    async def start(self, model: str, deadline: Deadline) -> None:
        self.woken += 1
        await self.up.wait()
        if self.cannot_start:
            raise MemberUnavailable("its pod does not start")

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        await self.up.wait()
        return self._answer("itself")

    async def spare(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        if self.spare_is_taken:
            raise MemberUnavailable("it is another member's")
        await self.spare_is_done.wait()
        return self._answer("spare")

    def _answer(self, who: str) -> ChunkReply:
        self.asked.append(who)
        return ChunkReply(np.zeros((1, 5), np.float32), Usage(), 1.0, False)


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
def infer(member: Member) -> WithSpare:
    return WithSpare(member.infer, member.start, member.spare, lambda: member.now_s)


async def test_a_spare_pod_answers_until_the_member_has_started(member: Member, infer: WithSpare) -> None:
    for _ in range(2):
        await infer("m", PICTURE, Deadline())
    assert (member.asked, member.woken) == (["spare", "spare"], 1)
    member.up.set()
    await asyncio.sleep(0)
    await infer("m", PICTURE, Deadline())
    assert member.asked[2:] == ["itself"]


async def test_a_member_that_was_asked_lately_is_not_asked_whether_it_runs(member: Member, infer: WithSpare) -> None:
    member.up.set()
    for now_s, woken in ((0.0, 1), (4.0, 1), (8.0, 1), (13.0, 2)):
        member.now_s = now_s
        await infer("m", PICTURE, Deadline())
        assert member.woken == woken
    assert set(member.asked) == {"itself"}


async def test_one_waits_for_the_start_where_the_spare_pod_is_anothers(member: Member, infer: WithSpare) -> None:
    member.spare_is_taken = True
    await _answers_itself_once_it_has_started(member, infer)


async def test_a_spare_pod_that_says_nothing_is_left_once_the_member_has_started(
    member: Member, infer: WithSpare
) -> None:
    member.spare_is_done.clear()
    await _answers_itself_once_it_has_started(member, infer)


async def test_the_spare_pod_is_waited_for_where_the_member_does_not_start(member: Member, infer: WithSpare) -> None:
    member.spare_is_done.clear()
    member.cannot_start = True
    answer = asyncio.create_task(infer("m", PICTURE, Deadline()))
    await asyncio.sleep(0.1)
    member.up.set()
    await asyncio.sleep(0.01)
    member.spare_is_done.set()
    await answer
    assert member.asked == ["spare"]


async def _answers_itself_once_it_has_started(member: Member, infer: WithSpare) -> None:
    answer = asyncio.create_task(infer("m", PICTURE, Deadline()))
    await asyncio.sleep(0.1)
    assert not answer.done()
    member.up.set()
    await answer
    assert member.asked == ["itself"]
