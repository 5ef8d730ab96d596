"""`strata pipeline run --plan`: what a plan says of a run, and the run beside what was expected of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.edge.errors import InvalidInput
from services.edge.receipts import Tariff
from services.pipeline.comparison import compare
from services.pipeline.plan_file import PlanFile

if TYPE_CHECKING:
    from services.zoo.stage_compile import Cutting


@dataclass(frozen=True)
class Planned:
    """A plan and the file it comes from."""

    path: Path
    file: PlanFile

    @property
    def workers(self) -> int:
        return self.file.plan.batch.workers

    @property
    def runtime(self) -> str:
        return self.file.runtime

    @property
    def memory_bytes(self) -> Mapping[str, int]:
        """Of each stage, by its name."""
        return {stage.name: stage.memory_bytes for stage in self.file.plan.profile.stages}

    def cutting(self) -> "Cutting":
        """How the model is cut."""
        from services.zoo.stage_compile import Cutting

        return Cutting(self.file.layers, self.file.names, self.file.stages)

    def check(self, model: str, chain: str = "") -> None:
        """Refuse another model, or the same with other weights or cuts. Raises OtherChain."""
        self.file.check(self.path, model, chain)

    def compare(self, report: Mapping[str, Any], workers: int | None, tariff: Tariff) -> dict[str, Any]:
        """What was expected of the job of this report, and what it was."""
        return compare(self.file.plan.profile, report, workers or self.workers, self.file.cpus, tariff)


def read_planned(path: Path, stages: int | None, at: str) -> Planned:
    """Read a plan for a run.

    Raises:
        InvalidDeclaration: not a plan.
        InvalidInput: other cuts are asked for beside it.
    """
    if stages or at:
        raise InvalidInput("--plan says where to cut; leave out --stages and --at")
    return Planned(path, PlanFile.read(path))
