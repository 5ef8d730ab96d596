"""What a job was expected to come to, beside what it was."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from services.edge.receipts import GIB, Tariff, Usage, add, price
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Expectation, Place, simulate


def compare(
    profile: ChainProfile, report: Mapping[str, Any], workers: int, cpus: int, tariff: Tariff
) -> dict[str, dict[str, float]]:
    """Simulate the job that a report is of, whatever its size, by stages just started; sum up what it took likewise.

    Returns:
        `expected` and `was`: each of an `Expectation`.
    """
    per_record = -(-report["pictures"] // report["records"])
    expected = simulate(profile, Batch(report["pictures"], per_record, workers), Place(cpus, fresh=True), tariff)
    return {"expected": asdict(expected), "was": asdict(_was(profile, report, tariff))}


def _was(profile: ChainProfile, report: Mapping[str, Any], tariff: Tariff) -> Expectation:
    memory_bytes = {stage.name: stage.memory_bytes for stage in profile.stages}
    gb_seconds = sum(memory_bytes[row["stage"]] / GIB * row["seconds"] for row in report["stages"])
    usage = add(_usage(row) for row in [*report["stages"], report["driver"]])
    starts = sum(row["cold_starts"] for row in report["stages"])
    return Expectation(report["time_s"], gb_seconds, starts, price(replace(usage, gb_seconds=gb_seconds), tariff))


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(**{field.name: row[field.name] for field in fields(Usage)})
