"""Split a model into stages: modules that, one after the other, run the very operators the whole runs."""

from collections.abc import Sequence
from itertools import pairwise

from torch.fx import Graph, GraphModule, Node

from services.zoo.cuts import Cut, CutGraph, check_order, is_size, operators_of


def split(graph: CutGraph, cuts: Sequence[Cut]) -> list[GraphModule]:
    """Split at `cuts`, which come in the order of the layers.

    Returns:
        One module more than there are cuts, each [N, ...] -> [N, ...], with the weights of its own layers only.
    Raises:
        InvalidInput: cuts out of order, or one twice.
    """
    check_order(cuts)
    positions = [cut.position for cut in cuts]
    operators = operators_of(graph.module)
    bounds = [0, *(position + 1 for position in positions), len(operators)]
    (picture,) = graph.module.graph.find_nodes(op="placeholder")
    given = [picture, *(operators[position] for position in positions)]
    (output,) = graph.module.graph.output_node().all_input_nodes
    wanted = [*given[1:], output]
    return [
        _Stage(graph.module, entry, operators[start:end], leaves).module()
        for entry, (start, end), leaves in zip(given, pairwise(bounds), wanted, strict=True)
    ]


class _Stage:
    """One stage on its way to a module."""

    def __init__(self, whole: GraphModule, entry: Node, operators: Sequence[Node], leaves: Node):
        self._whole = whole
        self._operators = operators
        self._leaves = leaves
        self._graph = Graph()
        self._input = self._graph.placeholder("values")
        self._copies: dict[Node, Node] = {entry: self._input}

    def module(self) -> GraphModule:
        for node in self._operators:
            self._copy(node)
        self._graph.output(self._copies[self._leaves])
        # Only what the graph names is taken from the whole.
        return GraphModule(self._whole, self._graph).eval()

    def _copy(self, node: Node) -> Node:
        if node not in self._copies:
            for each in node.all_input_nodes:
                if each.op == "get_attr" or is_size(each):
                    self._copy(each)
            self._copies[node] = self._graph.node_copy(node, self._here)
        return self._copies[node]

    def _here(self, node: Node) -> Node:
        """The copy of a node; a value that is not of this stage is only asked for its length, which all share."""
        return self._copies.get(node, self._input)
