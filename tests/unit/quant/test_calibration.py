"""Observing and choosing scales."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quant.affine import QParams, dequantise, quantise
from quant.algorithms import algorithm_names, weight_algorithm_names
from quant.calibration import (
    BEST,
    CLIPPING_GAIN_DB,
    Calibrated,
    Granularity,
    calibrate,
    choose_weights,
    decode_weights,
    run_decoded,
)
from quant.engine import Engine
from quant.errors import AlgorithmNotFound, EmptyCalibration, NonFiniteValue
from quant.graph import INPUT, Graph, Layer
from quant.observations import Observations, observe, weighted_layers
from quant.operations import Conv2d, Pad, Padding, Pair, Softmax
from quant.precision import Mode, Precision, uniform_plan
from quant.reference import compare
from quant.statistics import sqnr_db
from tests.unit.quant.elements_read import ElementsRead
from tests.unit.quant.whole_ranges import whole_ranges


@pytest.fixture(scope="module")
def observed(graph: Graph, pictures: list[Tensor]) -> Observations:
    return observe(graph, pictures)


@pytest.fixture(scope="module")
def best(graph: Graph, observed: Observations) -> Calibrated:
    return calibrate(graph.layers, observed)


@pytest.fixture(scope="module")
def by_minmax(graph: Graph, observed: Observations) -> Calibrated:
    return calibrate(graph.layers, observed, "minmax")


def test_no_pictures_are_refused(graph: Graph) -> None:
    with pytest.raises(EmptyCalibration):
        observe(graph, [])


def test_nan_in_a_picture_is_refused_and_named(graph: Graph, pictures: list[Tensor]) -> None:
    bad = pictures[2].clone()
    bad[0, 0, 3, 3] = float("nan")
    with pytest.raises(NonFiniteValue, match="input"):
        observe(graph, [pictures[0], bad])


def test_unknown_algorithm_is_refused_with_all_that_can_be_asked_for(graph: Graph, observed: Observations) -> None:
    with pytest.raises(AlgorithmNotFound, match=r"there are: best, kl, log2-paper, minmax, mse, percentile, pow2$"):
        calibrate(graph.layers, observed, "entropy")
    with pytest.raises(AlgorithmNotFound, match=r"no algorithm is called 'bets'; did you mean 'best'\? there are"):
        calibrate(graph.layers, observed, "bets")


def test_ranges_are_exact_over_all_pictures(graph: Graph, pictures: list[Tensor], observed: Observations) -> None:
    reached = [dict(graph.values(picture))["expand"] for picture in pictures]
    histogram = observed.histograms["expand"].histogram()
    assert histogram.low.item() == pytest.approx(float(torch.stack(reached).min()))
    assert observed.pictures == 4
    assert histogram.total.item() == 4 * reached[0].numel()


def test_values_that_join_in_a_concatenation_share_their_scale(best: Calibrated) -> None:
    values = best.calibration.values
    assert len({values[name] for name in ("shortcut", "pool", "up", "deep", "join")}) == 1
    assert values["raw"] != values["join"]
    assert "head" not in values


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("algorithm", [*algorithm_names(), BEST])
def test_every_algorithm_calibrates_every_layer(
    graph: Graph, observed: Observations, algorithm: str, granularity: Granularity
) -> None:
    reported: list[str] = []
    found = calibrate(graph.layers, observed, algorithm, granularity, on_layer=reported.append)
    assert reported == [layer.name for layer in weighted_layers(graph)] == list(found.weights)
    for name, choice in found.weights.items():
        assert [candidate.algorithm for candidate in choice.candidates] == weight_algorithm_names()
        scale = found.calibration.weights[name].scale
        if granularity is Granularity.TENSOR:
            assert len(set(scale.tolist())) == 1
        elif algorithm in ("minmax", "mse"):
            assert len(set(scale.tolist())) == len(scale)
        if algorithm != BEST:
            assert choice.algorithm == ("minmax" if algorithm == "kl" else algorithm)
    for choice in found.values.values():
        assert [candidate.algorithm for candidate in choice.candidates] == algorithm_names()
        assert algorithm in (BEST, choice.algorithm)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_values_of_any_size_calibrate(size: float) -> None:
    layer = Layer("only", Conv2d(torch.full((1, 1, 1, 1), size), torch.zeros(1)), (INPUT,))
    observed = observe(Graph((1, 4, 4), (layer,), ("only",)), [torch.full((1, 1, 4, 4), -1.0), torch.ones(1, 1, 4, 4)])
    for choice in calibrate((layer,), observed).values.values():
        assert all(math.isfinite(candidate.kl_nats) for candidate in choice.candidates)


def test_kl_loses_the_least_of_a_distribution_in_its_own_column(best: Calibrated) -> None:
    for choice in best.values.values():
        kl_nats = {candidate.algorithm: candidate.kl_nats for candidate in choice.candidates}
        assert kl_nats["kl"] == min(kl_nats.values())
        assert len(set(kl_nats.values())) > 1


def test_best_has_the_highest_output_sqnr_of_all_and_says_by_how_much(best: Calibrated) -> None:
    for choice in best.weights.values():
        highest = max(candidate.output_sqnr_db for candidate in choice.candidates)
        assert choice.chosen.output_sqnr_db == highest > 25
        assert f"{highest:.1f} dB" in choice.reason


def test_a_value_is_clipped_only_for_a_decibel(graph: Graph, best: Calibrated) -> None:
    assert list(best.values) == [name for name in graph.shapes if name in best.values]
    for choice in best.values.values():
        highest = max(candidate.output_sqnr_db for candidate in choice.candidates)
        near = [each for each in choice.candidates if each.output_sqnr_db > highest - CLIPPING_GAIN_DB]
        assert choice.chosen in near
        assert choice.chosen.clipped_fraction == min(each.clipped_fraction for each in near)
        assert f"{choice.chosen.output_sqnr_db:.1f} dB" in choice.reason


def test_a_value_is_judged_by_the_last_picture_too(graph: Graph, pictures: list[Tensor]) -> None:
    """The loudest comes late: its few elements decide, though samples are of the first pictures alone."""
    loud = [*(picture * 0.1 for picture in (*pictures, *pictures)), pictures[0] * 5]
    qparams = calibrate(graph.layers, observe(graph, loud)).calibration.values["expand"]
    value = torch.cat([dict(graph.values(picture))["expand"] for picture in loud])
    assert sqnr_db(value, dequantise(quantise(value, qparams), qparams)) > 30


def test_seven_bit_weights_stay_within_63(graph: Graph, observed: Observations) -> None:
    found = calibrate(graph.layers, observed, bits=7)
    reach = [int(integers.codes.abs().max()) for integers in found.calibration.weights.values()]
    assert max(reach) == 63


def test_paper_truncates_where_the_others_round(graph: Graph, observed: Observations) -> None:
    paper = calibrate(graph.layers, observed, "log2-paper", Granularity.TENSOR).calibration
    for layer in weighted_layers(graph):
        integers = paper.weights[layer.name]
        assert isinstance(layer.operation, Conv2d)
        wanted = (layer.operation.weight / integers.scale[0]).trunc().clamp(-127, 127)
        assert torch.equal(integers.codes.float(), wanted)


def test_output_sqnr_is_that_of_the_layer_run_in_integers(graph: Graph) -> None:
    layer, x = graph.layer("expand"), torch.rand(1, 8, 16, 16)
    integers, choice = choose_weights(layer, QParams.of_range(0, 1), x)
    assert isinstance(layer.operation, Conv2d)
    coded = (x * 255).round() / 255
    found = run_decoded(layer.operation, decode_weights(integers), integers, coded)
    wanted = layer.operation.run(x)
    noise_db = 20 * torch.log10(wanted.norm() / (found - wanted).norm())
    assert choice.chosen.output_sqnr_db == pytest.approx(float(noise_db), abs=0.1)


def test_minmax_clips_nothing(by_minmax: Calibrated) -> None:
    assert {choice.chosen.clipped_fraction for choice in by_minmax.weights.values()} == {0}
    # rounding the zero point may move an end by half a code
    assert all(choice.chosen.clipped_fraction < 0.01 for choice in by_minmax.values.values())


def test_minmax_spreads_the_codes_over_all_that_was_seen(
    graph: Graph, pictures: list[Tensor], by_minmax: Calibrated
) -> None:
    found, wanted = by_minmax.calibration, whole_ranges(graph, *pictures)
    assert found.values == wanted.values
    for name, integers in wanted.weights.items():
        assert torch.equal(found.weights[name].codes, integers.codes)
        assert torch.equal(found.weights[name].scale, integers.scale)
        assert torch.equal(found.weights[name].bias, integers.bias)


def test_clipped_share_counts_what_lies_beyond_the_last_code() -> None:
    weight = torch.full((1, 1000, 1, 1), 0.01)
    weight[0, :10] = 4.0
    layer = Layer("only", Conv2d(weight, torch.zeros(1)), (INPUT,))
    _, choice = choose_weights(layer, QParams.of_range(0, 1), torch.rand(2, 1000, 1, 1))
    clipped = {candidate.algorithm: candidate.clipped_fraction for candidate in choice.candidates}
    assert clipped["minmax"] == 0
    assert clipped["log2-paper"] == pytest.approx(0.01, abs=1e-3)


PAIRS_OF = {size: st.tuples(st.integers(1, size), st.integers(1, size)) for size in (2, 3, 9)}


@settings(max_examples=40, deadline=None)
@given(
    channels=st.sampled_from([1, 3, 512, 1821, 4096]),
    kernel=PAIRS_OF[9],
    stride=PAIRS_OF[3],
    dilation=PAIRS_OF[2],
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    beyond=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    zeros=st.tuples(*[st.integers(0, 2)] * 4),
)
def test_every_geometry_calibrates_and_is_exact(
    channels: int, kernel: Pair, stride: Pair, dilation: Pair, padding: Pair, beyond: Pair, zeros: Padding
) -> None:
    """Weights are chosen from crops of the layer's input: each crop must give it an output to choose by."""
    generator = torch.Generator().manual_seed(channels)
    weight = torch.randn(2, channels, *kernel, generator=generator) / (channels * kernel[0] * kernel[1]) ** 0.5
    conv = Conv2d(weight, torch.zeros(2), stride, padding, dilation)
    high, across = (max(1, conv.window[axis] - 2 * padding[axis]) + beyond[axis] for axis in range(2))
    layers = (Layer("zeros", Pad(zeros), (INPUT,)), Layer("conv", conv, ("zeros",)))
    graph = Graph((channels, high, across), layers, ("conv",))
    x = torch.rand(1, channels, high, across, generator=generator)
    integers = dict.fromkeys(("zeros", "conv"), Precision.INT8)
    engine = Engine(graph, integers, calibrate(layers, observe(graph, [x])).calibration)
    found = compare(engine.layer("conv"), Pad(zeros).run(x))
    assert found.wrong_accumulators == found.wrong_codes == 0


def test_observing_runs_the_graph_once_and_reads_its_values_about_once_more() -> None:
    generator = torch.Generator().manual_seed(0)
    layers, before = [], INPUT
    for index in range(8):
        conv = Conv2d(torch.randn(16, 16 if index else 3, 3, 3, generator=generator) * 0.12, torch.zeros(16))
        layers.append(Layer(f"conv_{index}", conv, (before,)))
        before = f"conv_{index}"
    graph = Graph((3, 192, 192), tuple(layers), (before,))
    pictures = [torch.rand(1, 3, 192, 192, generator=generator) for _ in range(16)]
    with torch.inference_mode(), ElementsRead() as running:
        for picture in pictures:
            graph.run(picture)
    with ElementsRead() as observing:
        observe(graph, pictures)
    convolution = "aten.conv2d.default"
    assert observing.by_operator[convolution] == running.by_operator[convolution] > 0
    values = 16 * 192 * 192 * (3 + 8 * 16)
    assert values / 2 < observing.total - running.total < 1.3 * values


def test_a_value_made_in_float_has_a_scale_where_integers_read_it() -> None:
    layers = (
        Layer("scores", Softmax(), (INPUT,)),
        Layer("after", Conv2d(torch.randn(2, 3, 1, 1), torch.zeros(2)), ("scores",)),
    )
    graph = Graph((3, 4, 4), layers, ("after",))
    x = torch.randn(1, 3, 4, 4)
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibrate(graph.layers, observe(graph, [x])).calibration)
    assert sqnr_db(graph.run(x)["after"], engine.run(x)["after"]) > 30


def test_residual_of_a_convolution_is_no_input_to_its_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (Conv2d(torch.randn(4, n, 1, 1, generator=generator), torch.zeros(4)) for n in (3, 4))
    layers = (Layer("a", first, (INPUT,)), Layer("b", second, ("a",)), Layer("c", second, ("b", "a")))
    x = torch.rand(1, 3, 8, 8, generator=generator)
    graph = Graph((3, 8, 8), layers, ("c",))
    observed = observe(graph, [x])
    values = dict(graph.values(x))
    # Of another memory format, so another order of summation: equal but for the last bits.
    torch.testing.assert_close(observed.inputs["c"], values["b"])
    assert not torch.allclose(observed.inputs["c"], values["a"], rtol=0.1)
    assert calibrate(layers, observed).weights["c"].chosen.output_sqnr_db > 25
