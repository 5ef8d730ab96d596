"""What a job did and what it took: the sums over its records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.edge.receipts import Tariff, Usage, price


@dataclass
class StageTotal:
    """What one stage took, over all records; `peak_bytes` of its largest process.

    Attributes:
        seconds: that records were with it: of each call from its begin to its answer.
    """

    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    peak_bytes: int = 0
    cold_starts: int = 0


@dataclass
class JobTotals:
    """What a job came to so far: records, pictures, and each stage's part."""

    stages: dict[str, StageTotal]
    records: int = 0
    pictures: int = 0
    failed_pictures: int = 0

    def add(self, passage: dict[str, Any]) -> None:
        """Add one finished record, as `passage` wrote it."""
        self.records += 1
        self.pictures += passage["pictures"]
        self.failed_pictures += passage["failed_pictures"]
        for name, part in passage["stages"].items():
            total = self.stages[name]
            total.usage += Usage(**part["usage"])
            total.seconds += part.get("seconds", 0.0)  # jobs that an earlier version began have none
            total.peak_bytes = max(total.peak_bytes, part["peak_bytes"])
            total.cold_starts += part["cold"]

    def money(self, tariff: Tariff) -> float:
        """What all stages cost."""
        return sum(price(total.usage, tariff) for total in self.stages.values())


def report(
    totals: JobTotals,
    tariff: Tariff,
    time_s: float,
    driver: Usage,
    failed: Iterable[dict[str, Any]],
    loss: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a job's report: sums over all of its runs, but `time_s` and the driver's part, which are this run's.

    Args:
        loss: what activations in fewer bits lose, as `measure_loss` returns it; its use is paid for too.
    """
    sample = price(Usage(**loss["usage"]), tariff) if loss else 0.0
    stages = [
        {
            "stage": name,
            **vars(total.usage),
            "seconds": total.seconds,
            "peak_bytes": total.peak_bytes,
            "cold_starts": total.cold_starts,
            "money": price(total.usage, tariff),
        }
        for name, total in totals.stages.items()
    ]
    return {
        "records": totals.records,
        "pictures": totals.pictures,
        "failed_pictures": totals.failed_pictures,
        "failed_records": list(failed),
        "time_s": time_s,
        "stages": stages,
        "driver": {**vars(driver), "money": price(driver, tariff)},
        "loss": {**loss, "money": sample} if loss else None,
        "money": totals.money(tariff) + price(driver, tariff) + sample,
        "tariff": vars(tariff),
    }
