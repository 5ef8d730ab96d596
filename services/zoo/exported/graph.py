"""Torch models as graphs: torch.export's program, functionalised, operator by operator, then folded.

`graph_of_program` also takes a `.pt2` file's program (torch.export.load).
"""

from operator import getitem

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from quant.folding import fold
from quant.graph import INPUT, Graph
from services.edge.errors import Unsupported
from services.zoo.exported.arithmetic import ARITHMETIC
from services.zoo.exported.builder import LayerBuilder
from services.zoo.exported.nodes import arguments_of, dtype_name, operator_name, place, tensor_of
from services.zoo.exported.operators import DROPOUTS, EVALUATE, OPERATORS
from services.zoo.exported.shapes import SHAPES
from services.zoo.quiet import quiet

_HANDLERS = {**OPERATORS, **ARITHMETIC, **SHAPES}


def is_operator(name: str) -> bool:
    """Is it one of torch's operators that there is a counterpart for?"""
    return name in _HANDLERS


def graph_of(model: nn.Module, example: Tensor) -> Graph:
    """The model in evaluation mode as a graph, batch norms and activations folded in.

    Args:
        example: [N, C, H, W], float32; the graph is for its C, H and W, and for any N.
    Raises:
        Unsupported: the model uses an operator there is no operation for; names operator and place.
    """
    return graph_of_program(torch.export.export(model.eval(), (example,)))


def graph_of_program(program: ExportedProgram) -> Graph:
    """As `graph_of`, from an exported program.

    Raises:
        Unsupported: also where the program takes anything but one float32 picture, answers one picture by looking at
            others, keeps a state, or draws random numbers.
    """
    return fold(_translate(_functional(program)))


def _functional(program: ExportedProgram) -> ExportedProgram:
    """The program without writes in place: what is written through a view becomes a new value for all who read it.

    That takes seconds for a large network, so a program whose writes no one else can see stays as it is.
    """
    if not all(map(_writes_unseen, program.graph.nodes)):
        _take_out_dropouts(program)
        with quiet():
            program = program.run_decompositions({})
    mutated = program.graph_signature.buffers_to_mutate
    if mutated:
        raise Unsupported(f"the program changes its buffer {next(iter(mutated.values()))!r} at each call; {EVALUATE}")
    return program


def _take_out_dropouts(program: ExportedProgram) -> None:
    """In evaluation a dropout gives back the tensor it took; functionalised it would give a copy."""
    for node in list(program.graph.nodes):
        if operator_name(node) in DROPOUTS and not arguments_of(node, (None, 0.5, True))[2]:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
    program.graph_module.recompile()


def _writes_unseen(node: Node) -> bool:
    """True unless the node writes into memory that an input, a view or a later reader shares."""
    if not _writes(node):
        return True
    written = node.args[0]
    return isinstance(written, Node) and len(written.users) == 1 and _owns_its_memory(written)


def _owns_its_memory(node: Node) -> bool:
    """True where the value is new, or written in place into a new one that has no other reader."""
    if _writes(node):
        return _writes_unseen(node)
    schema = getattr(node.target, "_schema", None)
    return (
        schema is not None and all(each.alias_info is None for each in schema.returns) and schema.name not in _PASSING
    )


_PASSING = {"aten::dropout", "aten::feature_dropout", "aten::contiguous", "aten::reshape", "aten::flatten", "aten::to"}
"""Operators that may give back the very tensor they took, though their schema does not say so."""


def _writes(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.is_mutable


def _translate(program: ExportedProgram) -> Graph:
    build = LayerBuilder()
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes}
    shape = _take_input(build, [nodes[name] for name in signature.user_inputs if name in nodes])
    stored = {**program.state_dict, **program.constants}
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    sources |= signature.inputs_to_lifted_tensor_constants
    for node in program.graph.nodes:
        if node.name in sources:
            build.set_constant(node, stored[sources[node.name]].detach(), sources[node.name])
        elif node.op == "call_function":
            _translate_node(build, node)
    output = build.read(_only_output(program, nodes))
    if output == INPUT:
        raise Unsupported("the program answers its input as it is")
    return Graph(shape, tuple(build.layers.values()), (output,))


def _take_input(build: LayerBuilder, inputs: list[Node]) -> tuple[int, int, int]:
    shapes = [list(tensor_of(node).shape) for node in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4:
        raise Unsupported(f"inputs {shapes}: a program must take one picture, [N, C, H, W]")
    _demand_float32(inputs[0])
    build.set_input(inputs[0])
    C, H, W = build.shape(inputs[0])
    return C, H, W


def _only_output(program: ExportedProgram, nodes: dict[str, Node]) -> Node:
    names = program.graph_signature.user_outputs
    if len(names) != 1 or not program.call_spec.out_spec.is_leaf():
        answered = f"{len(names)} outputs" if len(names) != 1 else "its output in a list or dictionary"
        raise Unsupported(f"the program answers {answered}; export a module whose forward returns one tensor")
    if names[0] not in nodes:
        raise Unsupported(f"the program answers {names[0]!r} for every picture")
    return nodes[str(names[0])]


def _translate_node(build: LayerBuilder, node: Node) -> None:
    name = operator_name(node)
    computed = node.meta.get("val")
    if node.target is getitem:
        source, index = node.args
        assert isinstance(source, Node)
        assert isinstance(index, int)
        build.set_value(node, build.part(source, index))
    elif not isinstance(computed, Tensor | tuple | list):
        return  # a size, or a check of one: handlers read sizes off the values
    elif name not in _HANDLERS and _draws(node):
        raise Unsupported(f"{place(node)} draws random numbers; {EVALUATE}")
    elif not _draws(node) and all(map(build.is_constant, node.all_input_nodes)):
        build.set_constant(node, _fold(build, node), build.origin(node))
    elif name not in _HANDLERS:
        raise Unsupported(f"no operation for torch's {name!r}, at {place(node)} in the exported program")
    else:
        if isinstance(computed, Tensor):
            _demand_float32(node)
        build.set_value(node, _HANDLERS[name](build, node))


def _demand_float32(node: Node) -> None:
    tensor = tensor_of(node)
    if tensor.dtype != torch.float32:
        raise Unsupported(f"{place(node)} is {dtype_name(tensor)}; export the module in float32: module.float()")


def _draws(node: Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _fold(build: LayerBuilder, node: Node) -> Tensor:
    arguments, keywords = map_arg((node.args, node.kwargs), build.constant)
    with torch.no_grad():
        folded: Tensor = node.target(*arguments, **keywords)  # type: ignore[operator]
    return folded
