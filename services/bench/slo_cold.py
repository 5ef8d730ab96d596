"""Starts from zero on Knative: each model over hello world, and an ensemble over what its members take alone."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TypeAlias

from services.bench.clients import BlockingFrontDoorClient
from services.bench.cluster import Cluster, least_start_s
from services.bench.cluster_figures import FULL, HELLO, HELLOS, RELEASE, Images, cold_subjects, hello_s, install_hellos
from services.bench.local_figures import large_picture
from services.bench.rounds import Spread, interleave, ratio, with_spread
from services.edge.progress import Progress

Figures: TypeAlias = dict[str, float]

_ENSEMBLE, _SLOWEST, _TOGETHER = "full", "slowest", "hellos"
_SPARE = f"{RELEASE}-spare"
_CONTAINER = "model"


def cold_starts(cluster: Cluster, images: Images, rounds: int, progress: Progress) -> Iterator[Figures]:
    """Time hello world, each full-size model, their ensemble, and as many hello worlds from zero, in turns."""
    subjects = cold_subjects(cluster, images)
    install_hellos(cluster, images, HELLOS)
    cpu_s: dict[str, list[float]] = {model: [] for model in FULL}

    def alone_s(model: str) -> float:
        took_s = subjects[model]()
        cpu_s[model].append(cluster.cpu_seconds(model, _CONTAINER))
        return took_s

    door = BlockingFrontDoorClient(cluster.front_door(RELEASE))
    took_s = interleave(
        {
            HELLO: subjects[HELLO],
            **{model: partial(alone_s, model) for model in FULL},
            _ENSEMBLE: partial(_ensemble_s, cluster, door, _ENSEMBLE),
            _TOGETHER: partial(hello_s, cluster, HELLOS),
        },
        rounds,
        progress,
    )
    for name, spread in took_s.items():
        yield with_spread(f"cold_s.{name}", spread)
    alone = {model: took_s[model] for model in FULL}
    yield over_hello(alone, took_s[HELLO])
    spent = {model: Spread(tuple(values)) for model, values in cpu_s.items()}
    yield over_least(took_s[_ENSEMBLE], alone, spent, cluster.cores())
    yield with_spread("cold_chain.hello", ratio(took_s[_TOGETHER], took_s[HELLO]))


def with_spare(cluster: Cluster, images: Images, rounds: int, progress: Progress) -> Iterator[Figures]:
    """Time hello world and the slowest model from zero, in turns, where a spare pod answers while it starts."""
    subjects = cold_subjects(cluster, images, {"spare": {"enabled": True, "restS": 5}})
    cluster.kubectl("rollout", "status", "deployment", _SPARE, "--timeout=120s")
    idle_gb = cluster.held_bytes(_SPARE) / 1e9
    door = BlockingFrontDoorClient(cluster.front_door(RELEASE))
    took_s = interleave(
        {HELLO: subjects[HELLO], _SPARE: partial(_ensemble_s, cluster, door, _SLOWEST)}, rounds, progress
    )
    yield {
        **with_spread("cold_ratio.pool", ratio(took_s[_SPARE], took_s[HELLO])),
        **with_spread("cold_ratio.pool.s", took_s[_SPARE]),
        "cold_ratio.pool.idle_gb": idle_gb,
    }


def over_hello(models: Mapping[str, Spread], hello: Spread) -> Figures:
    """The worst model's start over hello world's, and each model's beside it; divided round by round."""
    ratios = {model: ratio(took_s, hello) for model, took_s in models.items()}
    found: Figures = {"cold_ratio": max(each.median for each in ratios.values())}
    for model, each in ratios.items():
        found |= with_spread(f"cold_ratio.{model}", each)
    return found


def over_least(ensemble: Spread, alone: Mapping[str, Spread], cpu_s: Mapping[str, Spread], cores: float) -> Figures:
    """An ensemble's start over the larger of its slowest member's alone, and all members' CPU time over the cores."""
    slowest_s, work_s = least_start_s(alone, cpu_s, cores)
    return {
        **with_spread("cold_chain.ensemble", ensemble.over(max(slowest_s, work_s))),
        "cold_chain.ensemble.slowest_s": slowest_s,
        "cold_chain.ensemble.work_s": work_s,
        **{f"cold_cpu_s.{model}": spread.median for model, spread in cpu_s.items()},
    }


def _ensemble_s(cluster: Cluster, door: BlockingFrontDoorClient, ensemble: str) -> float:
    for model in FULL:
        cluster.wait_for_zero(model)
    return door.predict(ensemble, [large_picture()]).latency_ms / 1e3
