"""Legal cuts: exactly one value crosses; the stages together are the model, to the last bit."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from services.edge.errors import InvalidInput
from services.zoo.architectures import build
from services.zoo.catalog import BUILT_IN, Catalog
from services.zoo.costs import Cost, balance, measure, total
from services.zoo.cuts import Cut, CutGraph, find_cuts, picture_size
from services.zoo.split import split
from services.zoo.writers import export

SIZE = (32, 32)
SMALLEST = (64, 64)
"""What every built-in model takes."""


class Block(nn.Module):
    def __init__(self, channels: int, inplace: bool):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(self.relu(self.conv(x))))
        if self.relu.inplace:
            y += x
        else:
            y = y + x
        relu: Tensor = self.relu(y)
        return relu


class Net(nn.Module):
    """A stem, residual blocks, a head that asks for the batch's length."""

    def __init__(self, channels: int, blocks: int, inplace: bool):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, stride=2)
        self.blocks = nn.Sequential(*(Block(channels, inplace) for _ in range(blocks)))
        self.head = nn.Linear(channels * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        y = nn.functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 2)
        scores: Tensor = self.head(y.reshape(n, -1))
        return scores


def chain(graph: CutGraph, cuts: list[Cut], x: Tensor) -> Tensor:
    with torch.inference_mode():
        for stage in split(graph, cuts):
            x = stage(x.clone())
    return x


@pytest.fixture(scope="module")
def graph() -> CutGraph:
    torch.manual_seed(0)
    return find_cuts(Net(4, 2, inplace=True).eval(), SIZE)


@pytest.fixture(scope="module")
def out_of_place() -> CutGraph:
    torch.manual_seed(0)
    return find_cuts(Net(4, 2, inplace=False).eval(), SIZE)


def test_cuts_lie_between_blocks_and_not_inside(out_of_place: CutGraph) -> None:
    cuts = out_of_place.cuts
    assert [cut.layer for cut in cuts if cut.is_added] == ["stem", "blocks.0.relu_2"]
    assert [cut.layer for cut in cuts] == [
        "stem",
        "blocks.0.add",
        "blocks.0.relu_2",
        "blocks.1.add",
        "blocks.1.relu_2",
        "adaptive_avg_pool2d",
        "reshape",
    ]


def test_a_cut_says_what_crosses(graph: CutGraph) -> None:
    cut = graph.cut_at("blocks.0")
    assert (cut.layer, cut.shape, cut.size_bytes) == ("blocks.0.relu_2", (4, 15, 15), 4 * 4 * 15 * 15)


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ("blocks.0.conv", "2 values cross there, of stem, blocks.0.conv: .* residual edge; .* stem and blocks.0.add"),
        ("blocks.0.relu", "residual edge; the nearest legal cuts are at stem and blocks.0.add"),
        ("head", "it is the model's last layer; the last cut is at reshape"),
        ("stemm", r"no layer 'stemm' to cut at; did you mean 'stem'\?"),
    ],
)
def test_an_illegal_cut_is_refused_with_the_nearest_legal_ones(layer: str, what: str, out_of_place: CutGraph) -> None:
    with pytest.raises(InvalidInput, match=what):
        out_of_place.cut_at(layer)


def test_cuts_must_be_in_order(graph: CutGraph) -> None:
    with pytest.raises(
        InvalidInput, match=r"cuts at blocks.1.relu_2, stem: name each once, in the order of the layers"
    ):
        graph.cuts_at(["blocks.1", "stem"])
    assert [cut.layer for cut in graph.cuts_at(["stem", "blocks.1"])] == ["stem", "blocks.1.relu_2"]
    first, second = graph.cuts[:2]
    for cuts in ([second, first], [first, first]):
        with pytest.raises(InvalidInput, match="in the order of the layers"):
            split(graph, cuts)


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_the_chain_of_stages_is_the_model_to_the_last_bit(data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 9)))
    model = Net(data.draw(st.integers(1, 6)), data.draw(st.integers(0, 3)), data.draw(st.booleans())).eval()
    graph = find_cuts(model, SIZE)
    cuts = sorted(data.draw(st.sets(st.sampled_from(graph.cuts))), key=lambda cut: cut.position)
    x = torch.randn(data.draw(st.integers(1, 5)), 3, *SIZE)
    with torch.inference_mode():
        whole = model(x)
    assert torch.equal(chain(graph, cuts, x), whole)


def test_each_stage_holds_its_own_weights_and_no_others(graph: CutGraph) -> None:
    stages = split(graph, list(graph.cuts))
    names = [set(stage.state_dict()) for stage in stages]
    assert all(not one & other for n, one in enumerate(names) for other in names[n + 1 :])
    kept = set().union(*names)
    assert {name for name in graph.module.state_dict() if "num_batches" not in name} == kept


def test_a_model_of_several_values_a_picture_is_cut_only_where_one_row_is_one_picture() -> None:
    class Folded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rows = x.flatten(1).reshape(-1, 3 * 16 * 32)  # two rows a picture
            return rows.relu().reshape(x.shape[0], -1)[:, :5]

    cuts = find_cuts(Folded().eval(), SIZE).cuts
    assert [cut.layer for cut in cuts] == ["flatten", "reshape_2", "slice"]


def test_the_size_of_a_programs_pictures_is_read_from_it() -> None:
    assert picture_size(export(Net(2, 0, inplace=False).eval(), np.zeros((2, 3, 24, 40), np.float32))) == (24, 40)
    with pytest.raises(InvalidInput, match=r"takes one tensor of pictures, \[N, 3, H, W\]"):
        picture_size(export(nn.Linear(4, 2).eval(), np.zeros((2, 4), np.float32)))


def test_costs_are_those_of_the_layers(graph: CutGraph) -> None:
    costs = dict(zip([layer.name for layer in graph.layers], measure(graph, SIZE), strict=True))
    assert costs["stem"].flops == 2 * 4 * 15 * 15 * 27
    assert costs["stem"].weight_bytes == 4 * (4 * 27 + 4)
    assert costs["stem"].moved_bytes == 4 * (3 * 32 * 32 + 4 * 15 * 15)
    assert costs["head"].flops == 2 * 16 * 5
    assert all(cost.time_ms > 0 for cost in costs.values())
    # The second convolution of a block has the same weights as the first: they count once.
    weights = sum(each.nbytes for name, each in graph.module.state_dict().items() if "num_batches" not in name)
    assert total(list(costs.values())).weight_bytes == weights


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_of_balanced_cuts_those_are_chosen_where_least_crosses(graph: CutGraph, data: st.DataObject) -> None:
    costs = [Cost(flops=data.draw(st.integers(1, 100))) for _ in graph.layers]
    stages = data.draw(st.integers(1, 3))

    def worst(cuts: tuple[Cut, ...]) -> float:
        bounds = [0, *(cut.position + 1 for cut in cuts), len(costs)]
        return max(total(costs[start:end]).weight for start, end in pairwise(bounds))

    def crossing(cuts: tuple[Cut, ...]) -> tuple[int, int]:
        return sum(cut.is_added for cut in cuts), sum(cut.size_bytes for cut in cuts)

    every: list[tuple[Cut, ...]] = [()]
    for _ in range(stages - 1):
        every = [(*some, cut) for some in every for cut in graph.cuts if not some or cut.position > some[-1].position]
    found = balance(graph, costs, stages)
    assert len(found) == stages - 1
    alike = [cuts for cuts in every if worst(cuts) <= 1.1 * min(map(worst, every))]
    assert found in alike
    assert crossing(found) == min(map(crossing, alike))


def test_no_stage_ends_before_a_layer_that_is_computed_with_the_one_before(graph: CutGraph) -> None:
    costs = [Cost(flops=0 if layer.name.split(".")[-1].startswith("relu") else 1) for layer in graph.layers]
    most = len(graph.cuts) + 1
    chosen = [{cut.layer for cut in balance(graph, costs, stages)} for stages in range(1, most + 1)]
    fused = {"blocks.0.add", "blocks.1.add"}
    assert [bool(cuts & fused) for cuts in chosen] == [False] * (most - 2) + [True] * 2
    assert chosen[-1] == {cut.layer for cut in graph.cuts}


def test_more_stages_than_cuts_allow_are_refused(graph: CutGraph) -> None:
    costs = [Cost()] * len(graph.layers)
    for stages in (0, len(graph.cuts) + 2):
        with pytest.raises(InvalidInput, match=f"can be cut into 1 to {len(graph.cuts) + 1}"):
            balance(graph, costs, stages)


@pytest.mark.slow
@pytest.mark.parametrize("name", Catalog([BUILT_IN]).names())
def test_every_built_in_model_is_the_chain_of_its_stages(name: str) -> None:
    declared = Catalog([BUILT_IN]).model(name)
    assert declared.architecture
    torch.manual_seed(0)
    model = build(declared.architecture, 10, **declared.parameters).eval()
    graph = find_cuts(model, SMALLEST)  # of the same layers as at the declared size
    x = torch.randn(2, 3, *SMALLEST)
    with torch.inference_mode():
        whole = model(x)
    declared_cuts = [graph.cut_at(layer) for layer in declared.stages.values() if layer]
    for cuts in (list(graph.cuts), list(graph.cuts[1::3]), declared_cuts):
        assert torch.equal(chain(graph, cuts, x), whole), [cut.layer for cut in cuts]


def test_a_saved_program_keeps_its_layers_names(tmp_path: Path) -> None:
    model = Net(4, 2, inplace=False).eval()
    torch.export.save(export(model, np.zeros((2, 3, *SIZE), np.float32)), tmp_path / "net.pt2")
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    assert find_cuts(loaded, SIZE).cut_at("blocks.0").layer == "blocks.0.relu_2"
