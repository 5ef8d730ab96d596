"""The figures of `strata bench slo` on Knative: what is installed, and what is made of what was measured there."""

import json
from typing import Any

import pytest

from services.bench.cluster_figures import Images
from services.bench.echo import METHOD, SERVICE, Hop, rested_s
from services.bench.floor import SCORES_BYTES, running_hop
from services.bench.floor_knative import bare_hops
from services.bench.rounds import Spread
from services.bench.slo_cold import over_hello, over_least
from services.bench.slo_idle import Look, gigabyte_seconds, look_at, pod_seconds
from services.edge.grpc_channel import open_blocking_channel


def test_a_start_is_held_to_hello_worlds_of_its_own_round() -> None:
    found = over_hello({"slow": Spread((2.0, 6.0)), "fast": Spread((1.0, 3.0))}, Spread((1.0, 3.0)))
    assert found["cold_ratio"] == found["cold_ratio.slow"] == 2.0
    assert found["cold_ratio.fast"] == found["cold_ratio.fast.high"] == 1.0


@pytest.mark.parametrize(("cores", "expected"), [(4.0, 6.0 / 4.0), (1.0, 6.0 / 5.0)])
def test_an_ensemble_takes_as_long_as_its_slowest_member_or_all_their_work(cores: float, expected: float) -> None:
    alone = {"slow": Spread((4.0,)), "fast": Spread((2.0,))}
    spent = {"slow": Spread((3.0,)), "fast": Spread((2.0,))}
    found = over_least(Spread((6.0,)), alone, spent, cores)
    assert found["cold_chain.ensemble"] == pytest.approx(expected)
    assert found["cold_chain.ensemble.work_s"] == 5.0 / cores


def test_a_pod_counts_from_the_look_before_it_was_seen_to_that_it_was_last_seen_at() -> None:
    looks = [
        Look(5.0, {"new": None}, {}),  # it came in between, and kubelet has not measured it
        Look(10.0, {"new": 2e9}, {}),
        Look(15.0, {"new": 4e9, "never measured": None}, {}),
        Look(25.0, {}, {}),
    ]
    assert gigabyte_seconds(looks) == pytest.approx(5 * 3 + 5 * 2 + 5 * (4 + 3))
    assert pod_seconds(looks) == 5 + 5 + 2 * 5
    assert gigabyte_seconds([Look(5.0, {}, {"front": 1e9})]) == 0


def test_pods_of_members_are_told_from_what_stays_and_from_what_has_ended() -> None:
    def pod(name: str, phase: str, **labels: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": labels}, "status": {"phase": phase}}

    pods = [
        pod("member", "Pending", **{"serving.knative.dev/service": "fashion"}),
        pod("front", "Running", app="ensemble"),
        pod("hook", "Succeeded"),
    ]
    assert look_at(7.0, pods, {"front": 8e8, "hook": 1e6}) == Look(7.0, {"member": None}, {"front": 8e8})


def test_the_first_bare_hop_knows_the_others_by_the_names_that_they_have_in_the_cluster() -> None:
    config, *members, first, service = bare_hops(Images("model:1", "ensemble:1", "hello:1"), "bench", 400)
    assert set(config["data"]) == {"echo.py", "echo_ray.py"}
    asked = json.loads(first["spec"]["template"]["spec"]["containers"][0]["command"][-1])
    assert asked["members"] == [f"{each['metadata']['name']}.bench.svc.cluster.local:80" for each in members]
    assert asked["reply_bytes"] == 400
    (port,) = service["spec"]["ports"]
    assert asked["address"].endswith(f":{port['targetPort']}")
    assert service["spec"]["selector"] == first["spec"]["template"]["metadata"]["labels"]
    for member, rest_s in zip(members, (0.1, 0.06, 0.04), strict=True):
        (container,) = member["spec"]["template"]["spec"]["containers"]
        hop = Hop(**json.loads(container["command"][-1]))
        assert (hop.rest_s, hop.reply_bytes) == (rest_s, SCORES_BYTES)
        assert hop.address == f"0.0.0.0:{container['ports'][0]['containerPort']}"
        assert container["image"] == "model:1"


def test_bare_hops_answer_so_many_bytes_after_the_longest_rest() -> None:
    with (
        running_hop(Hop(40, 0.02)) as slow,
        running_hop(Hop(40)) as fast,
        running_hop(Hop(100, members=(slow, fast), member_bytes=10)) as first,
        open_blocking_channel(first) as channel,
    ):
        call: Any = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        reply = call(b"asked", timeout=10)
    assert len(reply) == 100
    assert 0.02 <= rested_s(reply) < 1
