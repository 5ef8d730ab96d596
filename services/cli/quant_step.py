"""The terminal stepper of `strata quant step`: a command loop that reads a terminal or a script."""

import cmd
from inspect import cleandoc
from pathlib import Path
from typing import IO

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from quant.affine import as_float
from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.errors import QuantError
from quant.operations import Weighted
from quant.precision import Precision
from quant.stepping import Stepper, Visit
from services.cli.quant_tables import box_lines, class_lines, db_text
from services.edge.errors import InvalidInput, StrataError
from services.edge.whole_number import read_whole_number
from services.workbench.answers import boxes, top_classes
from services.workbench.drawing import draw_grey, plot_histogram
from services.workbench.integers import Integers
from services.workbench.model import Model
from services.workbench.storing import keep_variant
from services.zoo.detection import Size

_MOST_STEPS = 10_000
_SHORT = "do_EOF", "do_b", "do_n", "do_q"
_WITHOUT_ARGUMENT = {"layers", "statistics", "sums", "rerun", "undo", "quit", "q"}
_EDITS = ("weights", "codes", "bias", "scale", "range", "precision")


class StepperLoop(cmd.Cmd):
    """Commands are the `do_` methods; a script stops at its first fault, a person may try again.

    Args:
        integers: those that the stepper was opened with.
        console: without markup: names may hold brackets.
        commands: None reads the terminal, with completion and history.
    """

    intro = "Type `help` for the commands, Tab completes, Ctrl-D ends."

    def __init__(
        self, model: Model, integers: Integers, stepper: Stepper, console: Console, commands: IO[str] | None = None
    ) -> None:
        super().__init__(stdin=commands)
        self._model, self._integers, self._stepper, self._console = model, integers, stepper, console
        self._opened = stepper.variant
        self._interactive = commands is None
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
        """layers: all layers, with shape, precision and scale; * marks where you stand."""
        table = Table("", "#", "layer", "operation", "shape", "precision", "scale", "zero point")
        for name in self._stepper.layers:
            info = self._stepper.info(name)
            scale = [f"{info.qparams.scale:.4g}", str(info.qparams.zero_point)] if info.qparams else ["", ""]
            mark = "*" if name == self._stepper.layer else ""
            shape = "x".join(map(str, info.shape))
            table.add_row(mark, str(info.index), name, info.operation, shape, info.precision.value, *scale)
        self._console.print(table)

    def do_next(self, argument: str) -> None:
        """next [COUNT]: run the next layer, or the next COUNT."""
        for _ in range(_whole(argument or "1")):
            self._show(self._stepper.next())

    def do_back(self, argument: str) -> None:
        """back [COUNT]: return to the layer before, or COUNT layers back."""
        for _ in range(_whole(argument or "1")):
            self._show(self._stepper.back())

    def do_to(self, layer: str) -> None:
        """to LAYER: run up to a layer, or jump back to it; `to end` is the last one."""
        if not layer:
            raise InvalidInput("to which layer? `layers` lists them")
        self._show(self._stepper.jump(self._stepper.layers[-1] if layer == "end" else layer))

    def complete_to(self, text: str, *_: object) -> list[str]:
        return [name for name in (*self._stepper.layers, "end") if name.startswith(text)]

    def do_info(self, layer: str) -> None:
        """info [LAYER]: what a layer is; by default the one you stand at."""
        info = self._stepper.info(layer or self._here())
        self._console.print(f"{info.index} {info.layer}: {info.operation} of {', '.join(info.inputs)}")
        self._console.print(f"  shape {list(info.shape)}, {info.parameters} parameters, runs in {info.precision.value}")
        self._console.print(f"  codes: {info.qparams or 'none, float32'}")

    complete_info = complete_to

    def do_statistics(self, _: str) -> None:
        """statistics: of the value you stand at."""
        self._show(self._stepper.jump(self._here()))

    def do_sums(self, _: str) -> None:
        """sums: the exact integer sums of the layer, before scale and bias."""
        sums = self._stepper.accumulators(self._here())
        if sums is None:
            raise InvalidInput(f"layer {self._here()!r} has no integer sums; it runs without an integer product")
        self._console.print(f"sums {int(sums.min())} .. {int(sums.max())}, {sums.numel()} of them")

    def do_histogram(self, path: str) -> None:
        """histogram [FILE.png]: of the value you stand at, as a picture or as bars."""
        edges, counts = self._stepper.histogram(self._here())
        if path:
            plot_histogram(self._here(), edges, counts, Path(path))
            self._console.print(f"wrote {path}")
            return
        step = max(1, len(counts) // 32)
        bars = [int(counts[at : at + step].sum()) for at in range(0, len(counts), step)]
        most = max(1, *bars)
        for at, bar in enumerate(bars):
            self._console.print(f"{float(edges[at * step]):>10.4g} {'█' * (40 * bar // most):<40} {bar}")

    def do_maps(self, path: str) -> None:
        """maps FILE.png: the value's channels as one grey picture, row by row, each over its own range."""
        if not path:
            raise InvalidInput("maps needs a file to write, as in `maps maps.png`")
        draw_grey(self._stepper.feature_maps(self._here()), Path(path))
        self._console.print(f"wrote {path}")

    def do_edit(self, line: str) -> None:
        """edit weights|codes|bias PLACE VALUE..., edit scale CHANNEL VALUE, edit range LOW HIGH, edit precision WORD.

        PLACE is `all`, or indices as 3 or 3,0,1,1; one VALUE fills the place, or there
        is one for each number in it, rows first. The layer you stand at runs again, and
        its difference from before is shown. `edit precision` takes float, hybrid or int8.
        """
        self._stepper.edit(self._read_edit(line.split()))
        self.do_compare("")

    def complete_edit(self, text: str, *_: object) -> list[str]:
        return [kind for kind in _EDITS if kind.startswith(text)]

    def do_rerun(self, _: str) -> None:
        """rerun: run the model to its end with all edits, and show its answer; you stay where you are."""
        outputs = {name: as_float(self._stepper.value(name)) for name in self._model.graph.outputs}
        if self._model.detects:
            frame = Size(*self._model.graph.input_shape[1:])
            lines = box_lines(self._model, boxes(self._model, outputs, frame))
        else:
            lines = class_lines(top_classes(self._model, outputs))
        self._console.print("\n".join(lines))

    def do_compare(self, branch: str) -> None:
        """compare [BRANCH]: this value against that before the last edit, or against another branch's."""
        found = self._stepper.compare(self._here(), branch or None)
        self._console.print(
            f"{self._here()}: {found.changed_fraction:.2%} of the elements differ, by {found.largest:.4g} at most; "
            f"{db_text(found.sqnr_db, ' dB')}",
            highlight=False,
        )

    def do_undo(self, _: str) -> None:
        """undo: take the last edit back, and show the value you stand at."""
        self._stepper.undo()
        self.do_statistics("")

    def do_branch(self, name: str) -> None:
        """branch [NAME]: start a branch here and stand on it; without a name, list the branches."""
        if name:
            self._stepper.branch(name)
        for each in self._stepper.branches:
            self._console.print(f"{'*' if each == self._stepper.branch_name else ' '} {each}")

    def do_switch(self, name: str) -> None:
        """switch BRANCH: stand on another branch."""
        self._stepper.switch(name)

    def complete_switch(self, text: str, *_: object) -> list[str]:
        return [name for name in self._stepper.branches if name.startswith(text)]

    def do_keep(self, file: str) -> None:
        """keep FILE.strata: write the edited model, and its integers beside it."""
        if not file:
            raise InvalidInput("keep needs a file to write, as in `keep edited.strata`")
        variant = self._stepper.variant
        keep_variant(self._model, self._integers, self._opened, variant, Path(file))
        self._console.print(f"kept {file}")
        if self._integers.auto_plan:
            self._console.print("the plan of auto is not kept: `strata quant calibrate --auto` measures it again")

    def do_quit(self, _: str) -> bool:
        """quit: end; unkept edits are lost."""
        return True

    def do_EOF(self, _: str) -> bool:
        """Ctrl-D: end."""
        return True

    do_n, do_b, do_q = do_next, do_back, do_quit

    def _here(self) -> str:
        if self._stepper.layer is None:
            raise InvalidInput("you stand before the first layer; `next` runs it")
        return self._stepper.layer

    def _show(self, visit: Visit) -> None:
        found = visit.statistics
        clipped = "" if found.clipped is None else f", {found.clipped} clipped"
        self._console.print(
            f"{visit.index} {visit.layer}: {found.low:.4g} .. {found.high:.4g}, mean {found.mean:.4g}, "
            f"std {found.std:.4g}, {found.zero_fraction:.1%} zero{clipped}, {db_text(visit.sqnr_db, ' dB')}",
            highlight=False,
        )

    def _set_prompt(self) -> None:
        branch = "" if self._stepper.branch_name == "main" else f"{self._stepper.branch_name} "
        self.prompt = f"{branch}{self._stepper.layer or 'start'}> " if self._interactive else ""

    def _read_edit(self, words: list[str]) -> Edit:
        here = self._here()
        try:
            match words:
                case ["weights" | "codes" | "bias" as kind, place, *values]:
                    return self._read_tensor_edit(here, kind, place, values)
                case ["scale", channel, scale]:
                    return EditScale(here, int(channel), float(scale))
                case ["range", low, high]:
                    return EditRange(here, float(low), float(high))
                case ["precision", precision]:
                    if precision not in set(Precision):
                        raise InvalidInput(f"edit precision: {precision!r} is none of {', '.join(Precision)}")
                    return EditPrecision(here, Precision(precision))
        except ValueError as error:
            if isinstance(error, QuantError):
                raise
            raise InvalidInput(f"edit {' '.join(words)}: {error}; see `help edit`") from error
        raise InvalidInput(f"edit {' '.join(words)}: no such edit; see `help edit`")

    def _read_tensor_edit(self, layer: str, kind: str, place: str, values: list[str]) -> Edit:
        at = () if place == "all" else tuple(map(int, place.split(",")))
        try:
            numbers = torch.tensor([int(value) if kind == "codes" else float(value) for value in values])
        except RuntimeError as error:
            raise InvalidInput(f"edit {kind}: {error}; see `help edit`") from error  # beyond 64 bits
        kinds: dict[str, type[EditWeights] | type[EditCodes] | type[EditBias]] = {
            "weights": EditWeights,
            "codes": EditCodes,
            "bias": EditBias,
        }
        return kinds[kind](layer, numbers[0] if len(values) == 1 else self._shaped(layer, kind, at, numbers), at)

    def _shaped(self, layer: str, kind: str, at: tuple[int, ...], numbers: Tensor) -> Tensor:
        """The numbers in the shape of the place, where they fill it; the edit itself refuses all others."""
        operation = self._stepper.variant.graph.layer(layer).operation
        if isinstance(operation, Weighted):
            shape = (operation.bias if kind == "bias" else operation.weight).shape[len(at) :]
            if shape.numel() == len(numbers):
                return numbers.reshape(shape)
        return numbers


def _whole(text: str) -> int:
    return read_whole_number(text, _MOST_STEPS)
