"""Where a model can be cut into stages: after a layer whose output is the one value that what follows needs.

The graph is torch.export's; a layer here is one operator of it. A residual edge is a second value that crosses a cut,
so there is none between where a branch begins and where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from services.edge.errors import InvalidInput
from services.edge.suggestion import did_you_mean


@dataclass(frozen=True)
class ProgramLayer:
    """One operator.

    Attributes:
        name: the module's path, or the operator's name below that of the module it is called in; unique.
        modules: the paths of the modules it lies in, outermost first.
        weights: names of the tensors it is the first to use.
    """

    name: str
    modules: tuple[str, ...]
    weights: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """A legal cut.

    Attributes:
        layer: the last layer before it.
        position: that layer's, counted from 0.
        shape: of one picture's value that crosses, without the batch axis.
        is_added: a later layer adds the value to another one, as where a residual block begins.
    """

    layer: str
    position: int
    shape: tuple[int, ...]
    is_added: bool = False

    @property
    def size_bytes(self) -> int:
        """Of one picture's value, float32."""
        return 4 * torch.Size(self.shape).numel()


@dataclass(frozen=True)
class CutPlaces:
    """A model's layers in the order they run, and every legal cut between them.

    Attributes:
        crossing: what crosses after each layer: the names of the layers whose outputs are still needed.
    """

    layers: tuple[ProgramLayer, ...]
    cuts: tuple[Cut, ...]
    crossing: tuple[tuple[str, ...], ...]

    def cut_at(self, name: str) -> Cut:
        """Find the cut after a layer, or after the last layer of a module.

        Raises:
            InvalidInput: no such layer; the model's end; or a place where more than one value crosses: names them, and
                the nearest legal cuts.
        """
        positions = [n for n, layer in enumerate(self.layers) if name == layer.name]
        positions = positions or [n for n, layer in enumerate(self.layers) if name in layer.modules]
        if not positions:
            known = sorted({layer.name for layer in self.layers} | {m for layer in self.layers for m in layer.modules})
            raise InvalidInput(f"no layer '{name}' to cut at{did_you_mean(name, known)}")
        position = positions[-1]
        for cut in self.cuts:
            if cut.position == position:
                return cut
        raise InvalidInput(self._why_not(name, position))

    def cuts_at(self, names: Sequence[str]) -> tuple[Cut, ...]:
        """Find several. Raises InvalidInput: as `cut_at`, or they are not in the order of the layers, each once."""
        cuts = tuple(map(self.cut_at, names))
        check_order(cuts)
        return cuts

    def _why_not(self, name: str, position: int) -> str:
        before = [cut.layer for cut in self.cuts if cut.position < position][-1:]
        after = [cut.layer for cut in self.cuts if cut.position > position][:1]
        nearest = " and ".join(before + after) or "none"
        if position == len(self.layers) - 1:
            return f"a cut at '{name}': it is the model's last layer; the last cut is at {nearest}"
        crossing = self.crossing[position]
        if len(crossing) > 1:
            what = f"{len(crossing)} values cross there, of {', '.join(crossing)}: it lies beside a residual edge"
        else:
            what = "what crosses there is not one float32 value a picture"
        return f"a cut at '{name}': {what}; the nearest legal cuts are at {nearest}"


@dataclass(frozen=True)
class CutGraph(CutPlaces):
    """The same of a module, with the graph that is cut."""

    module: GraphModule


def find_cuts(module: nn.Module, size: tuple[int, int]) -> CutGraph:
    """Export a model and find its legal cuts.

    Args:
        module: in evaluation mode, [N, 3, H, W] -> [N, K].
        size: (H, W) of its pictures.
    """
    from services.zoo.writers import export

    graph_module = export(module, np.zeros((2, 3, *size), np.float32)).module()
    assert isinstance(graph_module, GraphModule)
    operators = operators_of(graph_module)
    layers = _name_layers(operators)
    by_node = {node: layer.name for node, layer in zip(operators, layers, strict=True)}
    (picture,) = graph_module.graph.find_nodes(op="placeholder")
    by_node[picture] = "the picture"
    crossing = crossing_values(operators, picture)
    cuts = []
    for position, values in enumerate(crossing[:-1]):
        # The same value may cross in several places, where layers in between have no reader.
        if len(values) == 1 and values[0] is operators[position] and _is_one_a_picture(values[0], picture):
            shape, is_added = tuple(values[0].meta["val"].shape[1:]), any(map(_adds, values[0].users))
            cuts.append(Cut(layers[position].name, position, shape, is_added))
    names = tuple(tuple(by_node[value] for value in values) for values in crossing)
    return CutGraph(layers, tuple(cuts), names, graph_module)


def check_order(cuts: Sequence[Cut]) -> None:
    """Raises InvalidInput: they are not in the order of the layers, or one is there twice."""
    positions = [cut.position for cut in cuts]
    if positions != sorted(set(positions)):
        named = ", ".join(cut.layer for cut in cuts)
        raise InvalidInput(f"cuts at {named}: name each once, in the order of the layers")


def picture_size(program: ExportedProgram) -> tuple[int, int]:
    """Read (H, W) of the pictures that a program takes. Raises InvalidInput: it takes something else."""
    names = program.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
        taken = ", ".join(str(list(shape)) for shape in shapes)
        raise InvalidInput(f"the program takes {taken}; a stage's model takes one tensor of pictures, [N, 3, H, W]")
    return int(shapes[0][2]), int(shapes[0][3])


def operators_of(module: GraphModule) -> list[Node]:
    """List the operators that compute tensors, in the order they run; sizes are computed anew where they are needed."""
    return [node for node in module.graph.nodes if node.op == "call_function" and not is_size(node)]


def is_size(node: Node) -> bool:
    """Tell whether a node computes a number from the batch's length alone."""
    return isinstance(node.meta.get("val"), torch.SymInt | int)


def crossing_values(operators: Sequence[Node], picture: Node) -> list[list[Node]]:
    """Find, after each operator, the values that later ones still need."""
    place = {picture: -1, **{node: n for n, node in enumerate(operators)}}
    last_use = {value: max((_last_use(user, place) for user in value.users), default=-1) for value in place}
    return [
        [value for value, at in place.items() if at <= position < last_use[value]] for position in range(len(operators))
    ]


def _last_use(user: Node, place: dict[Node, int]) -> int:
    """Where a user runs; the program's output comes after all; sizes need no value."""
    if user.op == "output":
        return len(place)
    return place.get(user, -1)


def _is_one_a_picture(value: Node, picture: Node) -> bool:
    found: Any = value.meta.get("val")
    if not isinstance(found, torch.Tensor) or found.dtype != torch.float32 or found.dim() == 0:
        return False
    return str(found.shape[0]) == str(picture.meta["val"].shape[0])


def _adds(node: Node) -> bool:
    return str(getattr(node.target, "_opname", "")).rstrip("_") == "add"


def _name_layers(operators: Sequence[Node]) -> tuple[ProgramLayer, ...]:
    paths = [_modules_of(node) for node in operators]
    inner = {path for modules in paths for path in modules[:-1]}  # modules that call others
    used: set[str] = set()
    seen: set[str] = set()
    layers = []
    for node, modules in zip(operators, paths, strict=True):
        operator = str(getattr(node.target, "_opname", node.name)).rstrip("_")
        path = modules[-1] if modules else ""
        base = path if path and path not in inner else f"{path}.{operator}".lstrip(".")
        name, count = base, 1
        while name in used:
            count += 1
            name = f"{base}_{count}"
        used.add(name)
        weights = [str(each.target) for each in node.all_input_nodes if each.op == "get_attr"]
        layers.append(ProgramLayer(name, modules, tuple(each for each in weights if each not in seen)))
        seen.update(weights)
    return tuple(layers)


def _modules_of(node: Node) -> tuple[str, ...]:
    """The paths of the modules that a node lies in, outermost first, without the model itself."""
    stack = (node.meta.get("nn_module_stack") or {}).values()
    return tuple(str(path).split("@")[0] for path, _ in stack if path)
