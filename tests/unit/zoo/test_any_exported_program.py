"""Random small modules: the graph answers as the module does, or the program is refused; it never answers otherwise."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from services.edge.errors import Unsupported
from services.zoo.exported.graph import graph_of_program

C, SIDE = 4, 6


class Walk(nn.Module):
    """Each step reads two of the values so far and makes another; the answer is all of them, side by side."""

    calls: Tensor

    def __init__(self, steps: Sequence[tuple[str, int, int]]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.conv, self.norm = nn.Conv2d(3, C, 3, padding=1), nn.Conv2d(C, C, 1), nn.BatchNorm2d(C)
        self.gain, self.kernel = nn.Parameter(torch.empty(C, 1, 1)), nn.Parameter(torch.empty(C, C, 1, 1))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)
        self.register_buffer("calls", torch.zeros(1))
        self._steps = steps

    def forward(self, picture: Tensor) -> Tensor:
        values = [self.first(picture)]
        for name, one, other in self._steps:
            values.append(STEPS[name](self, values[one % len(values)], values[other % len(values)]))
        return torch.cat([value.flatten(1) for value in values], 1)


Step: TypeAlias = Callable[[Walk, Tensor, Tensor], Tensor]


def written(x: Tensor, part: Tensor) -> Tensor:
    """The whole value, after a write into a part of it."""
    part.relu_()
    return x


STEPS: dict[str, Step] = {
    "convolution": lambda walk, x, _: walk.conv(x),
    "normalised": lambda walk, x, _: walk.norm(walk.conv(x)),
    "activation": lambda _, x, __: F.silu(x),
    "in place": lambda _, x, __: x.relu_(),
    "in place on a copy": lambda _, x, __: x.clone().relu_(),
    "in place on a convolution": lambda walk, x, _: walk.conv(x).relu_(),
    "into first channels": lambda _, x, __: written(x, x[:, :2]),
    "into last channels": lambda _, x, __: written(x, x[:, 3:]),
    "into pixels": lambda _, x, __: written(x, x[:, :, 1:]),
    "into a picture": lambda _, x, __: written(x, x[:1]),
    "into a flat view": lambda _, x, __: written(x, x.flatten(1)),
    "into a dropout": lambda _, x, __: written(x, F.dropout(x, 0.5, training=False)),
    "into a dropout's channels": lambda _, x, __: written(x, F.dropout(x, 0.5, training=False)[:, 1:3]),
    "into a detached value": lambda _, x, __: written(x, x.detach()),
    "into a contiguous value": lambda _, x, __: written(x, x.contiguous()),
    "into the whole": lambda _, x, __: written(x, x[:]),
    "over another": lambda _, x, y: x.copy_(y),
    "sum in place": lambda _, x, y: x.add_(y),
    "sum": lambda _, x, y: x + y,
    "sum of channels": lambda _, x, y: torch.cat([x[:, :2] + y[:, 2:], y[:, :2]], 1),
    "product": lambda _, x, y: x * y,
    "gate": lambda _, x, y: x * y.mean((2, 3), keepdim=True).sigmoid(),
    "scale": lambda walk, x, _: walk.gain * x,
    "scale that is computed": lambda walk, x, _: x * torch.sigmoid(walk.gain) + walk.gain.relu().sum(),
    "weights that are computed": lambda walk, x, _: F.conv2d(x, walk.kernel.clamp(min=-1) * 0.5),
    "arithmetic": lambda _, x, __: 1 - x / 2 + 0.25,
    "halves": lambda _, x, __: torch.cat(x.chunk(2, 1)[::-1], 1),
    "cut": lambda _, x, __: F.pad(x[:, :, 1:, :-1], (0, 1, 1, 0)),
    "pool": lambda _, x, __: F.max_pool2d(x, 3, 1, padding=1),
    "by the size": lambda _, x, __: x.view(x.size(0), x.shape[1], *x.shape[2:]),
    "other picture": lambda _, x, __: x.flip(0),
    "first picture": lambda _, x, __: x + x[0],
    "average picture": lambda _, x, __: x - x.mean(0, keepdim=True),
    "state": lambda walk, x, _: x * walk.calls.add_(1),
    "statistics of the batch": lambda _, x, __: F.batch_norm(x, None, None, training=True),
}


walks = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # torch's own
@settings(max_examples=25, deadline=None)
@given(walks, st.sampled_from([None, 1, 2]), st.booleans())
@example([("into first channels", 0, 0)], None, False)
@example([("into a dropout", 0, 0)], None, False)
@example([("first picture", 0, 0)], 2, False)
def test_the_graph_answers_as_the_module_or_there_is_none(
    steps: list[tuple[str, int, int]], fixed_pictures: int | None, decomposed: bool
) -> None:
    # torch's own decomposition takes a dropout in evaluation for a copy, so the program is another than the module
    assume(not (decomposed and any("dropout" in name for name, *_ in steps)))
    module = Walk(steps).eval()
    batch = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    dynamic = ({0: torch.export.Dim("N", min=1)},) if fixed_pictures is None else None
    try:
        program = torch.export.export(module, (batch[: fixed_pictures or 2].clone(),), dynamic_shapes=dynamic)
    except Exception:
        return  # a step that torch itself does not export
    if decomposed:
        program = program.run_decompositions()
    try:
        graph = graph_of_program(program)
    except Unsupported:
        return
    taken = batch[:fixed_pictures]
    with torch.inference_mode():
        alone = torch.cat([Walk(steps).eval()(picture[None].clone()) for picture in taken])
        [found] = graph.run(taken.clone()).values()
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["into first channels", "into last channels", "into a dropout", "into the whole", "scale", "halves", "by the size"],
)
def test_what_the_graph_can_compute_is_not_refused(name: str) -> None:
    batch = torch.export.Dim("N", min=1)
    module = Walk([(name, 0, 0), ("convolution", 0, 0)]).eval()
    program = torch.export.export(module, (torch.zeros(2, 3, SIDE, SIDE),), dynamic_shapes=({0: batch},))
    assert len(graph_of_program(program).layers) > 1
