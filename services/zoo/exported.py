"""Torch models as graphs: torch.export's program, operator by operator, then folded.

`graph_of_program` also takes a `.pt2` file's program (torch.export.load).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from quant.folding import fold
from quant.graph import INPUT, Graph, Layer
from quant.operations import Flatten, GlobalAvgPool, Operation
from services.edge.errors import Unsupported
from services.zoo.torch_operators import HANDLERS, node_of, operator_name, shape_of


def graph_of(model: nn.Module, example: Tensor) -> Graph:
    """The model in evaluation mode as a graph, batch norms and activations folded in.

    Args:
        example: [N, C, H, W], float32; the graph is for its C, H and W, and for any N.
    Raises:
        Unsupported: the model uses an operator there is no operation for; names operator and place.
    """
    return graph_of_program(torch.export.export(model.eval(), (example,)))


def graph_of_program(program: ExportedProgram) -> Graph:
    """As `graph_of`, from an exported program."""
    return fold(_Translation(program).graph())


_NO_OPERATION = {"dropout", "feature_dropout", "alias", "contiguous", "clone", "detach_"}


class _Translation:
    """One program on its way to layers."""

    def __init__(self, program: ExportedProgram) -> None:
        self._nodes = list(program.graph.nodes)
        signature = program.graph_signature
        stored = {**program.state_dict, **program.constants}
        sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        sources |= signature.inputs_to_lifted_tensor_constants
        self._weight_names = sources
        self._weights: dict[str, Tensor] = {node: stored[name].detach() for node, name in sources.items()}
        self._layers: dict[str, Layer] = {}
        self._values: dict[Node, str] = {}
        self._input_shape: tuple[int, ...] = ()

    def graph(self) -> Graph:
        outputs: tuple[str, ...] = ()
        for node in self._nodes:
            if node.op == "placeholder" and node.name not in self._weights:
                self._take_input(node)
            elif node.op == "call_function":
                self._translate(node)
            elif node.op == "output":
                outputs = tuple(self._values[value] for value in node.args[0])
        C, H, W = self._input_shape
        return Graph((C, H, W), tuple(self._layers.values()), outputs)

    def _take_input(self, node: Node) -> None:
        shape = shape_of(node)
        if self._input_shape or len(shape) != 4:
            raise Unsupported(f"input {node.name!r} {list(shape)}: a program must take one picture, [N, C, H, W]")
        self._values[node] = INPUT
        self._input_shape = shape[1:]

    def _translate(self, node: Node) -> None:
        name = operator_name(node)
        if name in _NO_OPERATION:
            self._values[node] = self._values[node_of(node.args[0])]
            return
        handler = HANDLERS.get(name)
        if handler is None:
            raise Unsupported(f"no operation for torch's {name!r}, at {node.name!r} in the exported program")
        operation, inputs = handler(self._weight, node)
        if operation is None:
            self._values[node] = self._values[inputs[0]]
            return
        value = self._add(self._layer_name(node), operation, tuple(self._values[value] for value in inputs))
        if isinstance(operation, GlobalAvgPool) and len(shape_of(node)) == 2:  # a mean that drops the axes
            value = self._add(f"{value}_flat", Flatten(), (value,))
        self._values[node] = value

    def _add(self, name: str, operation: Operation, inputs: tuple[str, ...]) -> str:
        self._layers[name] = Layer(name, operation, inputs)
        return name

    def _weight(self, argument: Any) -> Tensor:
        return self._weights[node_of(argument).name]

    def _layer_name(self, node: Node) -> str:
        """The module's path where the operator has weights, else the program's own name."""
        weights = [arg.name for arg in node.args if isinstance(arg, Node) and arg.name in self._weights]
        name = self._weight_names[weights[0]].rpartition(".")[0] if weights else node.name
        name = name or node.name
        unique, count = name, 1
        while unique in self._layers:
            count += 1
            unique = f"{name}_{count}"
        return unique
