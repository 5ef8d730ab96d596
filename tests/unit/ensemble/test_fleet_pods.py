"""Simulated pods by hand: from zero and back, room, turns, spares; and queues whose means are known."""

from collections.abc import Sequence

import numpy as np
import pytest
import simpy

from services.ensemble.fleet.autoscaler import TICK_S
from services.ensemble.fleet.pods import GOING_S, ModelPods, Scale
from services.ensemble.fleet.room import Room
from services.ensemble.fleet.spares import Spares

ONE = Scale(start_s=3.0, least=1, most=1)


class Sent:
    """A call, with when it was answered."""

    def __init__(self, env: simpy.Environment, service_s: float):
        self.env = env
        self.service_s = service_s
        self.wanted = True
        self.sent_s = env.now
        self.at_s = float("inf")
        self.cold = False

    def answered(self, cold: bool) -> None:
        self.at_s, self.cold = self.env.now, cold


def run(env: simpy.Environment, models: Sequence[ModelPods], until_s: float, spares: Spares | None = None) -> None:
    """Run with a tick of the autoscaler every two seconds."""
    while env.now + TICK_S <= until_s:
        env.run(env.now + TICK_S)
        for model in models:
            model.tick()
        if spares:
            spares.let_go_of_rested()


def calls(env: simpy.Environment, pods: ModelPods, service_s: float, count: int) -> list[Sent]:
    sent = [Sent(env, service_s) for _ in range(count)]
    for each in sent:
        pods.send(each)
    return sent


def test_from_zero_the_start_and_then_one_call_after_the_other_and_back_to_zero() -> None:
    env = simpy.Environment()
    room = Room(env, 4)
    pods = ModelPods(env, room, Scale(start_s=3.0, window_s=60.0))
    sent = calls(env, pods, 0.5, 2)
    run(env, [pods], 200.0)
    assert [(each.at_s, each.cold) for each in sent] == [(3.5, True), (4.0, False)]
    # The two were under way until 4 s. When these two ticks have left the window, at 64 s, the pod goes, for 30 s.
    assert room.pod_s == 64.0 + GOING_S
    assert (pods.starts, pods.cpu_s, room.held, pods.runs) == (1, 3.0 + 1.0, 0, False)
    late = calls(env, pods, 0.5, 1)
    run(env, [pods], 210.0)
    assert late[0].at_s == 200.0 + 3.5


def test_a_pod_without_room_waits_until_another_has_gone() -> None:
    env = simpy.Environment()
    room = Room(env, 1)
    first, second = (ModelPods(env, room, Scale(start_s=3.0, window_s=60.0)) for _ in range(2))
    calls(env, first, 0.5, 1)
    waits = calls(env, second, 0.5, 1)
    run(env, [first, second], 120.0)
    # The first's only call ended in the second tick, at 3.5 s.
    assert waits[0].at_s == 64.0 + GOING_S + 3.0 + 0.5
    assert (room.most, room.most_waiting) == (1, 1)


def test_a_pod_that_nobody_wants_any_longer_gives_up_waiting_for_room() -> None:
    env = simpy.Environment()
    room = Room(env, 1)
    first, second = (ModelPods(env, room, Scale(start_s=3.0, window_s=6.0)) for _ in range(2))
    calls(env, first, 80.0, 1)
    (gone,) = calls(env, second, 0.5, 1)
    gone.wanted = False
    second.ended()
    run(env, [first, second], 160.0)
    assert (second.starts, room.held) == (0, 0)


def test_ready_pods_are_called_in_turns() -> None:
    env = simpy.Environment()
    pods = ModelPods(env, Room(env, 2), Scale(start_s=3.0, least=2, most=2))
    pods.begin_with(2, 0.0)
    sent = calls(env, pods, 1.0, 4)
    run(env, [pods], 10.0)
    assert [each.at_s for each in sent] == [1.0, 1.0, 2.0, 2.0]


def test_what_nobody_waits_for_is_not_computed() -> None:
    env = simpy.Environment()
    pods = ModelPods(env, Room(env, 1), ONE)
    pods.begin_with(1, 0.0)
    first, second, third = calls(env, pods, 1.0, 3)
    second.wanted = False
    pods.ended()
    run(env, [pods], 10.0)
    assert (first.at_s, second.at_s, third.at_s) == (1.0, float("inf"), 2.0)
    assert pods.cpu_s == 2.0


def test_a_load_starts_more_pods_and_what_comes_later_meets_them() -> None:
    env = simpy.Environment()
    pods = ModelPods(env, Room(env, 8), Scale(start_s=3.0, most=4))
    pods.begin_with(1, 0.0)
    calls(env, pods, 10.0, 6)
    run(env, [pods], 2.0)  # six under way, two a pod
    run(env, [pods], 6.0)
    assert pods.starts == 2
    (later,) = calls(env, pods, 1.0, 1)
    run(env, [pods], 8.0)
    assert later.at_s == 7.0


def test_a_spare_pod_answers_until_the_model_has_started_and_is_one_models_at_a_time() -> None:
    env = simpy.Environment()
    room = Room(env, 4)
    spares = Spares(env, 1, load_s=0.45)
    first, second = (ModelPods(env, room, Scale(start_s=3.0), spares.claim) for _ in range(2))
    (lent,) = calls(env, first, 0.1, 1)
    (own,) = calls(env, second, 0.1, 1)
    run(env, [first, second], 6.0, spares)
    assert (lent.at_s, own.at_s) == pytest.approx((0.6, 3.1))
    (after,) = calls(env, first, 0.1, 1)
    run(env, [first, second], 34.0, spares)
    assert after.cold  # by its own pod
    third = ModelPods(env, room, Scale(start_s=3.0), spares.claim)
    (rested,) = calls(env, third, 0.1, 1)
    run(env, [first, second, third], 36.0, spares)
    assert rested.at_s == pytest.approx(34.6)


def exponential(pods: int, rate: float, count: int) -> tuple[ModelPods, list[Sent]]:
    """Poisson arrivals before pods that take 1 s on average, exponentially distributed."""
    chance = np.random.default_rng(0)
    env = simpy.Environment()
    model = ModelPods(env, Room(env, pods), Scale(start_s=3.0, least=pods, most=pods))
    model.begin_with(pods, 0.0)
    sent = []
    for rest_s, service_s in zip(chance.exponential(1 / rate, count), chance.exponential(1.0, count), strict=True):
        env.run(env.now + rest_s)
        sent.append(Sent(env, service_s))
        model.send(sent[-1])
    env.run()
    return model, sent


@pytest.mark.parametrize(
    ("pods", "rate", "expected_s"),
    [
        (1, 0.5, 2.0),  # M/M/1: 1 / (1 - rate)
        # In turns each of two pods has Erlang's arrivals, E2/M/1: 1 / (1 - x), where x = (rate / (rate + 1 - x))².
        (2, 1.0, 1.618034),
    ],
)
def test_waiting_is_as_queueing_theory_has_it(pods: int, rate: float, expected_s: float) -> None:
    model, sent = exponential(pods, rate, 12_000)
    times_s = [each.at_s - each.sent_s for each in sent]
    assert np.mean(times_s) == pytest.approx(expected_s, rel=0.04)
    # Little's law, exactly: calls under way, over time, are the sum of what each took.
    assert model.call_s == pytest.approx(sum(times_s))
    assert model.cpu_s == pytest.approx(sum(each.service_s for each in sent))
