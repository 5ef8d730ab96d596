"""What a chain of stages takes, as a straight line over the pictures of a record, from records that were measured."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

from services.artifacts.store import requests_to_write
from services.edge.errors import InvalidInput
from services.edge.receipts import Usage

STAGE_READS = 2
"""Requests of a stage for one record: what it has to do, and whether that is done already."""
DRIVER_READS = 1
DRIVER_WRITES = 2
"""Requests of the driver for one record: the last stage's scores; the predictions, and that the record is done."""


@dataclass(frozen=True)
class StageProfile:
    """One stage on one thread, with nothing else on the machine.

    Attributes:
        record_s, picture_s: a record of n pictures takes record_s + n × picture_s, its store included.
        start_s: from nothing to a process that is ready.
        first_s: by how much its first record takes longer: libraries are imported at the first picture.
        memory_bytes: what it is given: its floor and a tenth where that was measured, else the most it held.
        input_bytes, output_bytes: of one picture, in the store.
    """

    name: str
    record_s: float
    picture_s: float
    start_s: float
    first_s: float
    memory_bytes: int
    input_bytes: float
    output_bytes: float

    def compute_s(self, pictures: int) -> float:
        """How long a record takes."""
        return self.record_s + pictures * self.picture_s

    def usage(self, pictures: int) -> Usage:
        """What one record asks of the store."""
        writes = requests_to_write(round(pictures * self.output_bytes))
        return Usage(requests=1, store_reads=STAGE_READS, store_writes=writes)


@dataclass(frozen=True)
class ChainProfile:
    """A chain of stages.

    Attributes:
        chain: digest of the model and its cuts.
        layers: the cuts; the last layer of each stage but the last.
        driver_s: what the driver takes for a record, during which the record is at no stage.
        slowdown: how much longer everything takes where all `cpus` are busy.
        cpus: of the machine that was measured.
        largest: pictures of the largest record that was measured.
    """

    model: str
    chain: str
    runtime: str
    layers: tuple[str, ...]
    stages: tuple[StageProfile, ...]
    driver_s: float
    slowdown: float
    cpus: int
    largest: int

    def to_json(self) -> dict[str, Any]:
        """Write it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises InvalidInput: something else."""
        try:
            stages = tuple(StageProfile(**each) for each in content["stages"])
            return cls(**{**content, "stages": stages, "layers": tuple(content["layers"])})
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"not the profile of a chain of stages: {error}; measure it anew") from error


def fit_line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Fit what n pictures take, in s: least squares over the medians of each n, neither part below 0.

    Args:
        points: (n, s), of at least two different n.
    Returns:
        for a record, and for each picture.
    Raises:
        InvalidInput: all of one n.
    """
    by_count: dict[int, list[float]] = defaultdict(list)
    for count, time_s in points:
        by_count[count].append(time_s)
    if len(by_count) < 2:
        raise InvalidInput("records of one size say nothing of others; measure two sizes")
    medians = {count: median(times) for count, times in by_count.items()}
    mean_n = sum(medians) / len(medians)
    mean_s = sum(medians.values()) / len(medians)
    slope = sum((n - mean_n) * (s - mean_s) for n, s in medians.items()) / sum((n - mean_n) ** 2 for n in medians)
    if slope <= 0:
        return mean_s, 0.0
    if slope * mean_n > mean_s:
        return 0.0, sum(n * s for n, s in medians.items()) / sum(n * n for n in medians)
    return mean_s - slope * mean_n, slope


def stage_points(passages: Sequence[Mapping[str, Any]], stage: str) -> list[tuple[int, float]]:
    """List (pictures, seconds) of the records whose passage through a stage was computed by a running process."""
    return [
        (passage["pictures"], part["seconds"])
        for passage in passages
        if not (part := passage["stages"][stage])["cold"] and part["seconds"] > 0
    ]


def bytes_a_picture(passages: Sequence[Mapping[str, Any]], stage: str, direction: str) -> float:
    """What a stage reads (`bytes_in`) or writes (`bytes_out`) for one picture, on average."""
    pictures = sum(passage["pictures"] for passage in passages)
    size_bytes = sum(passage["stages"][stage]["usage"][direction] for passage in passages)
    return float(size_bytes / pictures)
