"""The terminal stepper of `strata quant step`: a command loop that reads a terminal or a script."""

import cmd
from inspect import cleandoc
from pathlib import Path
from typing import IO

from rich.console import Console

from quant.decibels import decibel_text
from quant.errors import QuantError
from quant.stepping import MAIN_BRANCH, Difference, Visit
from services.cli.quant_edits import EDITS, read_edit, read_place
from services.cli.quant_layers import card_lines, layer_table, number_lines
from services.cli.quant_tables import finding_lines
from services.edge.errors import InvalidInput, StrataError
from services.edge.whole_number import read_whole_number
from services.workbench.client import RemoteSession
from services.workbench.files import MODEL_SUFFIX, check_place, write_model, write_picture
from services.workbench.layer_card import TensorPart
from services.workbench.plots import plot_histogram
from services.workbench.session import Session

_MOST_STEPS = 10_000
_SHORT = "do_EOF", "do_b", "do_n", "do_q"
_WITHOUT_ARGUMENT = {"layers", "statistics", "sums", "rerun", "undo", "quit", "q"}


class StepperLoop(cmd.Cmd):
    """Commands are the `do_` methods; a script stops at its first fault, a person may try again.

    Args:
        console: without markup: names may hold brackets.
        commands: None reads the terminal, with completion and history.
        threshold: the least score of a box that `rerun` shows, 0..1.
    """

    intro = "Type `help` for the commands, Tab completes, Ctrl-D ends."

    def __init__(
        self,
        session: Session | RemoteSession,
        console: Console,
        commands: IO[str] | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(stdin=commands)
        self._session, self._console = session, console
        self._interactive, self._threshold = commands is None, threshold
        self.use_rawinput = self._interactive
        if not self._interactive:
            self.intro = ""
        self._set_prompt()

    def onecmd(self, line: str) -> bool:
        try:
            command, argument, _ = self.parseline(line)
            if argument and command in _WITHOUT_ARGUMENT:
                raise InvalidInput(f"{command} takes nothing after it, not {argument!r}")
            return bool(super().onecmd(line))
        except (StrataError, QuantError) as error:
            if not self._interactive:
                raise
            self._console.print(f"{type(error).__name__}: {error}", style="red")
            return False
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            self._console.print("stopped; you stand where you stood")
            return False

    def postcmd(self, stop: bool, line: str) -> bool:  # noqa: ARG002 - cmd's signature
        self._set_prompt()
        return stop

    def cmdloop(self, intro: str | None = None) -> None:
        """Read and run commands to the end; Ctrl-C leaves the line that is being typed, and no more."""
        while True:
            try:
                return super().cmdloop(intro)
            except KeyboardInterrupt:
                if not self._interactive:
                    raise
                self._console.print("\nCtrl-D ends; edits that were not kept are lost then")
                intro = ""

    def emptyline(self) -> bool:
        return False

    def do_help(self, command: str) -> None:
        """help [COMMAND]: all commands, a line each, or one of them in full."""
        if command:
            wanted = getattr(self, f"do_{command}", None)
            if wanted is None:
                self.default(command)
            self._console.print(cleandoc(wanted.__doc__ or ""))
            return
        for name in sorted(vars(StepperLoop)):
            if name.startswith("do_") and name not in _SHORT:
                self._console.print(getattr(self, name).__doc__.partition("\n")[0])

    def default(self, line: str) -> None:
        raise InvalidInput(f"no command {line.split()[0]!r}; `help` lists them")

    def do_layers(self, _: str) -> None:
        """layers: all layers, with what they read, shape, precision and scale; * marks where you stand."""
        self._console.print(layer_table(self._session.infos(), self._session.layer))

    def do_next(self, argument: str) -> None:
        """next [COUNT]: run the next layer, or the next COUNT."""
        for _ in range(_whole(argument or "1")):
            self._show(self._session.step())

    def do_back(self, argument: str) -> None:
        """back [COUNT]: return to the layer before, or COUNT layers back."""
        for _ in range(_whole(argument or "1")):
            self._show(self._session.back())

    def do_to(self, layer: str) -> None:
        """to LAYER: run up to a layer, or jump back to it; `to end` is the last one."""
        if not layer:
            raise InvalidInput("to which layer? `layers` lists them")
        self._show(self._session.jump(self._session.layers[-1] if layer == "end" else layer))

    def complete_to(self, text: str, *_: object) -> list[str]:
        return [name for name in (*self._session.layers, "end") if name.startswith(text)]

    def do_info(self, layer: str) -> None:
        """info [LAYER]: what a layer is, and its weights in figures; by default the one you stand at."""
        self._print(card_lines(self._session.card(layer or None)))

    complete_info = complete_to

    def do_statistics(self, _: str) -> None:
        """statistics: of the value you stand at."""
        self._show(self._session.look())

    def do_sums(self, _: str) -> None:
        """sums: the exact integer sums of the layer, before scale and bias."""
        low, high, count = self._session.sum_range()
        self._console.print(f"sums {low} .. {high}, {count} of them")

    def do_show(self, line: str) -> None:
        """show weights|bias|codes|scales|value|sums [PLACE]: the numbers of the layer you stand at.

        PLACE is one or more indices, as in `edit`; of many numbers the first are shown.
        """
        part, place = read_place(line.split())
        self._print(number_lines(part, place, self._session.tensor(part)))

    def complete_show(self, text: str, *_: object) -> list[str]:
        return [part.value for part in TensorPart if part.startswith(text)]

    def do_histogram(self, path: str) -> None:
        """histogram [FILE.png]: of the value you stand at, as a picture or as bars."""
        edges, counts = self._session.histogram()
        if path:
            write_picture(Path(path), plot_histogram(self._session.layer or "", edges, counts))
            self._console.print(f"wrote {path}")
            return
        step = max(1, len(counts) // 32)
        bars = [int(counts[at : at + step].sum()) for at in range(0, len(counts), step)]
        most = max(1, *bars)
        for at, bar in enumerate(bars):
            self._console.print(f"{float(edges[at * step]):>10.4g} {'█' * (40 * bar // most):<40} {bar}")

    def do_maps(self, path: str) -> None:
        """maps FILE.png: the value's channels as one grey picture, row by row, each over its own range.

        Of a vector, a square a channel, over the range of all.
        """
        if not path:
            raise InvalidInput("maps needs a file to write, as in `maps maps.png`")
        write_picture(Path(path), self._session.drawn_maps())
        self._console.print(f"wrote {path}")

    def do_edit(self, line: str) -> None:
        """edit weights|codes|bias PLACE VALUE..., edit scale CHANNEL VALUE, edit range LOW HIGH, edit precision WORD.

        PLACE is `all`, or indices as 3 or 3,0,1,1; one VALUE fills the place, or there
        is one for each number in it, rows first. The layer you stand at runs again, and
        its difference from before is shown. `edit precision` takes float, hybrid or int8.
        """
        found = self._session.edit(read_edit(line.split(), self._session.info().layer))
        self._show_difference(found.difference)
        if found.unread:
            self._console.print(f"nothing that runs has changed: {found.unread}")

    def complete_edit(self, text: str, *_: object) -> list[str]:
        return [kind for kind in EDITS if kind.startswith(text)]

    def do_rerun(self, _: str) -> None:
        """rerun: run the model to its end with all edits, and show its answer; you stay where you are."""
        found = self._session.rerun(threshold=self._threshold)
        self._print(finding_lines(self._session.model, found))

    def do_compare(self, branch: str) -> None:
        """compare [BRANCH]: this value against that before the last edit, or against another branch's."""
        self._show_difference(self._session.compare(branch or None))

    def do_undo(self, _: str) -> None:
        """undo: take the last edit back, and show the value you stand at."""
        self._session.undo()
        self._show(self._session.look())

    def do_branch(self, name: str) -> None:
        """branch [NAME]: start a branch here and stand on it; without a name, list the branches."""
        if name:
            self._session.branch(name)
        for each in self._session.branches:
            self._console.print(f"{'*' if each == self._session.branch_name else ' '} {each}")

    def do_switch(self, name: str) -> None:
        """switch BRANCH: stand on another branch."""
        self._session.switch(name)

    def complete_switch(self, text: str, *_: object) -> list[str]:
        return [name for name in self._session.branches if name.startswith(text)]

    def do_keep(self, file: str) -> None:
        """keep FILE.strata: write the edited model, and its integers beside it."""
        if not file:
            raise InvalidInput("keep needs a file to write, as in `keep edited.strata`")
        path = Path(file)
        check_place(path, "a model's file", MODEL_SUFFIX)
        write_model(path, *self._session.keep(path.stem))
        self._console.print(f"kept {file}")
        if self._session.loses_auto_plan:
            self._console.print("the plan of auto is not kept: `strata quant calibrate --auto` measures it again")

    def do_quit(self, _: str) -> bool:
        """quit: end; unkept edits are lost."""
        return True

    def do_EOF(self, _: str) -> bool:
        """Ctrl-D: end."""
        return True

    do_n, do_b, do_q = do_next, do_back, do_quit

    def _print(self, lines: list[str]) -> None:
        self._console.print("\n".join(lines), highlight=False, soft_wrap=True)

    def _show(self, visit: Visit) -> None:
        found = visit.statistics
        clipped = "" if found.clipped is None else f", {found.clipped} clipped"
        self._console.print(
            f"{visit.index} {visit.layer}: {found.low:.4g} .. {found.high:.4g}, mean {found.mean:.4g}, "
            f"std {found.std:.4g}, {found.zero_fraction:.1%} zero{clipped}, {decibel_text(visit.sqnr_db, ' dB')}",
            highlight=False,
        )

    def _show_difference(self, found: Difference) -> None:
        self._console.print(
            f"{self._session.layer}: {found.changed_fraction:.2%} of the elements differ, by {found.largest:.4g} at "
            f"most; {decibel_text(found.sqnr_db, ' dB')}",
            highlight=False,
        )

    def _set_prompt(self) -> None:
        branch = "" if self._session.branch_name == MAIN_BRANCH else f"{self._session.branch_name} "
        self.prompt = f"{branch}{self._session.layer or 'start'}> " if self._interactive else ""


def _whole(text: str) -> int:
    return read_whole_number(text, _MOST_STEPS)
