"""One run of `strata bench`: what it goes on from, what it finds, and where that is shown and kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console

from quant.cpu import this_cpu
from services.bench import document
from services.bench.history import BenchRun, keep, runs_of
from services.bench.report import Bars, Page, draw, plot, write_report
from services.edge.onednn import isa_cap


@dataclass(frozen=True)
class FigureOutputs:
    """Where figures go: a JSON file, a Markdown page with its plot; `merge` goes on from what they have."""

    json: Path | None
    report: Path | None
    merge: bool


class BenchRecord:
    """The figures of one area, those held to a bar first; a run that is stopped keeps what it has measured.

    Raises:
        InvalidInput: the JSON file to go on from has the figures of another instruction set.
    """

    def __init__(self, area: str, packages: Sequence[str], bars: Bars, outputs: FigureOutputs):
        isa = this_cpu(isa_cap()).isa
        self.figures: dict[str, float] = {}
        self._area = area
        self._bars = bars
        self._outputs = outputs
        self._provenance = document.provenance(isa, packages)
        if outputs.json and outputs.merge:
            self.figures = document.begun(outputs.json, isa)

    def extend(self, found: Iterable[Mapping[str, float]]) -> None:
        """Add figures as they come, and write each before the next is measured."""
        for figures in found:
            self.add(figures)

    def add(self, found: Mapping[str, float]) -> None:
        """Add figures, or put them in place of those that have their keys, and write the JSON file."""
        together = {**self.figures, **found}
        held = {key: together[key] for key in self._held if key in together}
        self.figures = {**held, **together}
        if self._outputs.json:
            document.write(self._outputs.json, self.figures, self._provenance)

    def finish(self, page: Callable[[dict[str, float]], Page]) -> None:
        """Print the table; write the page, its history and its plot.

        Args:
            page: what the page says beside these figures.
        """
        Console().print(document.table(f"strata bench {self._area}", self.figures, self._held))
        if self._outputs.report:
            self._publish(self._outputs.report, page(self.figures))
        console = Console(stderr=True)
        for path in filter(None, (self._outputs.json, self._outputs.report)):
            console.print(f"wrote {path}", markup=False)

    @property
    def _held(self) -> Mapping[str, str]:
        return self._bars(self._provenance["isa"])

    def _publish(self, path: Path, page: Page) -> None:
        run = BenchRun(date.today().isoformat(), figures=self.figures, **self._provenance)
        runs = keep(runs_of(path), run, self._outputs.merge)
        write_report(path, page, runs, self._bars)
        plot(path.with_suffix(".png"), self.figures, page.plots)
        draw(path, self.figures, page.drawings)
