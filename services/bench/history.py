"""The runs of one area, newest first: a JSON object a line, each with its figures and where they come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from services.edge.whole_files import write_whole


@dataclass(frozen=True)
class BenchRun:
    """Figures of one day and one machine.

    Attributes:
        date: the day, as YYYY-MM-DD.
        isa: the widest instructions that oneDNN used.
        versions: of Python and of each package that matters.
        remark: what a reader must know beside the numbers; written by hand.
    """

    date: str
    machine: str
    isa: str
    versions: Mapping[str, str]
    figures: Mapping[str, float]
    remark: str = ""

    @property
    def name(self) -> str:
        """A column's heading."""
        return f"{self.date} {self.versions.get('strata', '')} {self.isa}".replace("  ", " ")


def runs_of(page: Path) -> Path:
    """The file of runs beside a page."""
    return page.with_suffix(".runs.jsonl")


def read_runs(path: Path) -> list[BenchRun]:
    """Read the runs, newest first; none where there is no file."""
    if not path.is_file():
        return []
    return [BenchRun(**json.loads(line)) for line in path.read_text().splitlines()]


def keep(path: Path, run: BenchRun, continues: bool) -> list[BenchRun]:
    """Put a run before the others, and return them all.

    Args:
        continues: it goes on from the newest run with these instructions and versions, and takes its place.
    """
    before = read_runs(path)
    same = (each for each in before if (each.isa, each.versions) == (run.isa, run.versions))
    if continues and (last := next(same, None)):
        before.remove(last)
    runs = [run, *before]
    write_whole({path: "".join(json.dumps(asdict(each)) + "\n" for each in runs).encode()})
    return runs


def newest_of_each_isa(runs: Sequence[BenchRun]) -> list[BenchRun]:
    """The newest run of every instruction set, newest first."""
    return [run for number, run in enumerate(runs) if run.isa not in {each.isa for each in runs[:number]}]
