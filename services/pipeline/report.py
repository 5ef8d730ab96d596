"""What a job did and what it took: the sums over its records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.edge.receipts import NOTHING, Allocation, Receipt, Tariff, Usage, price, write_line


@dataclass
class StageTotal:
    """What one stage took, over all records; `peak_bytes` of its largest process.

    Attributes:
        seconds: that records were with it: of each call from its begin to its answer.
    """

    usage: Usage = field(default_factory=Usage)
    allocation: Allocation = NOTHING
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
            # Jobs that an earlier version began have neither of these.
            total.allocation += Allocation(**part.get("allocation", {}))
            total.seconds += part.get("seconds", 0.0)
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

    Money is that of the usage, but for each `allocation`'s, which is that of all that stages spent and held, idle time
    and starts included. What the driver's own process holds is in neither; its requests of the store are in both.

    Args:
        loss: what activations in fewer bits lose, as `measure_loss` returns it; its use is paid for too.
    """
    lines = {name: write_line(name, each.usage, each.allocation, tariff) for name, each in totals.stages.items()}
    stages = [
        {
            "stage": name,
            **vars(total.usage),
            "seconds": total.seconds,
            "peak_bytes": total.peak_bytes,
            "cold_starts": total.cold_starts,
            "money": lines[name].money,
            "allocation": {**vars(total.allocation), "money": lines[name].allocation_money},
        }
        for name, total in totals.stages.items()
    ]
    drive = write_line("driver", driver, NOTHING, tariff)
    said = loss or {"usage": {}}
    sample = write_line("loss", Usage(**said["usage"]), Allocation(**said.get("allocation", {})), tariff)
    total = Receipt((*lines.values(), drive, sample), tariff).total
    return {
        "records": totals.records,
        "pictures": totals.pictures,
        "failed_pictures": totals.failed_pictures,
        "failed_records": list(failed),
        "time_s": time_s,
        "stages": stages,
        "driver": {**vars(driver), "money": drive.money},
        "loss": {**loss, "money": sample.money} if loss else None,
        "money": total.money,
        "allocation": {**vars(total.allocation), "money": total.allocation_money},
        "tariff": vars(tariff),
    }
