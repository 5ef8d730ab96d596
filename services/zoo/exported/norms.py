"""Batch norms of an exported program folded into the convolutions before them: the same function in fewer operators.

What writes the program in another form takes each operator apart, shape by shape: one that is gone before saves that.
"""

import copy

from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from services.zoo.exported.nodes import arguments_of, operator_name
from services.zoo.quiet import quiet


def fold_norms(program: ExportedProgram) -> ExportedProgram:
    """Copy a program without the norms that alone read a convolution; weights that stay as they are, both share.

    A norm stays whose weights, or its convolution's, have another reader or are computed.
    """
    with quiet():
        folded = copy.deepcopy(program, {id(weight): weight for weight in program.state_dict.values()})
    for node in list(folded.graph.nodes):
        if _calls(node, "batch_norm") and _calls(node.args[0], "conv2d"):
            _fold_norm(folded, node, node.args[0])
    folded.graph_module.recompile()
    return folded


def _calls(node: object, operator: str) -> bool:
    return isinstance(node, Node) and node.op == "call_function" and operator_name(node) == operator


def _fold_norm(program: ExportedProgram, norm: Node, convolution: Node) -> None:
    signature, state = program.graph_signature, program.state_dict
    names = signature.inputs_to_parameters | signature.inputs_to_buffers
    _, gain, offset, mean, variance, training, _, eps = arguments_of(norm, (None,) * 8)
    _, weight, bias = arguments_of(convolution, (None,) * 3)
    needed = (weight, gain, offset, mean, variance, *([] if bias is None else [bias]))
    if training or not all(isinstance(node, Node) and names.get(node.name) in state for node in needed):
        return
    if any(len(node.users) > 1 for node in (convolution, weight, offset)):
        return

    def stored(node: Node) -> Tensor:
        exact: Tensor = state[names[node.name]].detach().double()
        return exact

    scale = stored(gain) / (stored(variance) + eps).sqrt()
    shift = stored(offset) + ((0 if bias is None else stored(bias)) - stored(mean)) * scale
    state[names[weight.name]] = _like(state[names[weight.name]], stored(weight) * scale.view(-1, 1, 1, 1))
    # The norm's offset becomes the bias: it stands before the convolution, which may have none of its own.
    state[names[offset.name]] = _like(state[names[offset.name]], shift)
    convolution.args = (*convolution.args[:2], offset, *convolution.args[3:])
    norm.replace_all_uses_with(convolution)
    signature.replace_all_uses(norm.name, convolution.name)
    program.graph.erase_node(norm)


def _like(before: Tensor, values: Tensor) -> Tensor:
    """New values as what stood there: a parameter stays one."""
    narrow = values.to(before.dtype)
    return nn.Parameter(narrow) if isinstance(before, nn.Parameter) else narrow
