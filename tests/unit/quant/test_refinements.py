"""Other codes and biases at the same scales, that meet float's outputs better; held to trying every rounding."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from quant.activation import Activation
from quant.affine import Quantised, as_float, quantise
from quant.calibration import calibrate
from quant.cpu import this_cpu
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Conv2d, Linear, Weighted
from quant.precision import Mode, Precision, supported_plan, uniform_plan
from quant.reconstruction import layer_sample, reconstruct, refined_for
from quant.refinements import AdaRound, BiasCorrection
from quant.scales import Calibration, IntegerWeights, quantise_weights


def layer_of(kind: str, generator: torch.Generator) -> tuple[Weighted, Tensor]:
    """A layer, and inputs whose elements go together, as neighbouring pixels do."""

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    match kind:
        case "linear":
            return Linear(random(4, 6), random(4)), random(200, 1) + 0.3 * random(200, 6) + 1
        case "depthwise":
            together = random(16, 3, 1, 1) + 0.3 * random(16, 3, 8, 8) + 1
            return Conv2d(random(3, 1, 2, 3), random(3), groups=3, padding=(1, 0)), together
    together = random(16, 1, 8, 8) + 0.3 * random(16, 3, 8, 8) + 1
    return Conv2d(random(5, 3, 2, 1), random(5), stride=(2, 1), dilation=(2, 1)), together


def coarse(operation: Weighted) -> IntegerWeights:
    """Codes of 3 bits, so that rounding matters."""
    scale = operation.weight.flatten(1).abs().amax(1) / 3
    return quantise_weights(operation, scale, 1.0 / 64, highest=63)


def plain_error(operation: Weighted, integers: IntegerWeights, x: Tensor, wanted: Tensor) -> Tensor:
    """[O]: the mean squared error of each channel without its mean, which the bias takes off."""
    weight = integers.codes * integers.scale.view(-1, *[1] * (integers.codes.dim() - 1))
    error = (replace(operation, weight=weight).run(x) - wanted).transpose(0, 1).flatten(1)
    return error.var(1, correction=0)


@pytest.mark.parametrize("kind", ["linear", "depthwise", "dilated"])
def test_adaround_comes_near_the_best_of_all_roundings(kind: str) -> None:
    operation, x = layer_of(kind, torch.Generator().manual_seed(3))
    nearest = coarse(operation)
    wanted = operation.run(x)
    found = AdaRound().refine(layer_sample(operation, x, x), nearest)
    assert torch.equal(found.scale, nearest.scale)
    rounded = operation.weight / nearest.scale.view(-1, *[1] * (operation.weight.dim() - 1))
    assert bool(((found.codes >= rounded.floor()) & (found.codes <= rounded.ceil())).all())
    ours, before = (plain_error(operation, each, x, wanted) for each in (found, nearest))
    assert bool((ours <= 1.05 * before).all())
    width = operation.weight[0].numel()
    best = torch.full_like(ours, float("inf"))
    for ups in product((0, 1), repeat=width):
        codes = rounded.floor() + torch.tensor(ups).view(1, *operation.weight.shape[1:])
        tried = replace(nearest, codes=codes.clamp(-63, 63).to(torch.int8))
        best = torch.minimum(best, plain_error(operation, tried, x, wanted))
    assert float(ours.sum()) <= 1.3 * float(best.sum())
    assert float(ours.sum()) < 0.9 * float(before.sum())


def test_fewer_windows_than_weights_leave_the_codes_alone() -> None:
    operation, x = layer_of("linear", torch.Generator().manual_seed(3))
    nearest = coarse(operation)
    assert AdaRound().refine(layer_sample(operation, x[:5], x[:5]), nearest) is nearest
    assert AdaRound().refine(layer_sample(operation, x[:6], x[:6]), nearest) is not nearest


@pytest.mark.parametrize("kind", ["linear", "depthwise", "dilated"])
def test_bias_correction_leaves_no_mean_error(kind: str) -> None:
    operation, x = layer_of(kind, torch.Generator().manual_seed(4))
    sample, integers = layer_sample(operation, x, x), coarse(operation)
    shifted = replace(integers, bias=integers.bias + 7)
    found = BiasCorrection().refine(sample, shifted)
    error = (sample.of_weights(found) - sample.wanted).mean(0)
    assert bool((error.abs() <= 0.51 * integers.x_scale * integers.scale).all())
    assert torch.equal(found.codes, integers.codes)


def test_a_sample_is_the_layers_own_product() -> None:
    for kind in ("linear", "depthwise", "dilated"):
        operation, x = layer_of(kind, torch.Generator().manual_seed(5))
        wanted = layer_sample(operation, x, x).wanted
        expected = operation.run(x).transpose(0, 1).flatten(1).T if x.dim() == 4 else operation.run(x)
        torch.testing.assert_close(wanted, expected, rtol=1e-4, atol=1e-4)


def narrow(graph: Graph, pictures: list[Tensor]) -> Calibration:
    return calibrate(graph.layers, observe(graph, pictures), bits=this_cpu().weight_bits).calibration


def test_a_refined_network_is_nearer_to_float(graph: Graph, pictures: list[Tensor]) -> None:
    before = narrow(graph, pictures)
    after, gains = reconstruct(graph, before, torch.cat(pictures), (AdaRound(), BiasCorrection()))
    assert gains
    assert all(each.gain_db > 0 and each.names for each in gains.values())
    assert after.values == before.values
    wanted = [graph.run(x)["head"] for x in pictures]

    def error(calibration: Calibration) -> float:
        engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
        return sum(float((engine.run(x)["head"] - y).square().mean()) for x, y in zip(pictures, wanted, strict=True))

    assert error(after) < error(before)


def test_a_plan_is_refined_as_its_layers_are_in_it(graph: Graph, pictures: list[Tensor]) -> None:
    """Refined for INT8, `raw` makes up for what the layers before it lose there; in float these lose nothing."""
    together, before = torch.cat(pictures), narrow(graph, pictures)
    for_int8, _ = reconstruct(graph, before, together, (AdaRound(), BiasCorrection()))
    plan = supported_plan(graph, {**uniform_plan(graph, Mode.FLOAT), "raw": Precision.HYBRID})
    found = refined_for(graph, before, plan, together)
    assert list(found) == ["raw"]
    wanted = raw_values(Engine(graph, uniform_plan(graph, Mode.FLOAT)), together)

    def mean_error(weights: IntegerWeights) -> float:
        engine = Engine(graph, plan, replace(before, weights={**before.weights, "raw": weights}))
        return float((raw_values(engine, together) - wanted).mean((0, 2, 3)).abs().max())

    assert mean_error(found["raw"]) < 0.5 * mean_error(for_int8.weights["raw"])


def raw_values(engine: Engine, x: Tensor) -> Tensor:
    return next(as_float(value) for layer, value in engine.values(x) if layer.name == "raw")


def test_the_side_by_side_run_has_the_engines_own_codes(pictures: list[Tensor]) -> None:
    """A layer whose input the engine makes sees, in its sample, what the engine gives it."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    layers = (
        Layer("first", Conv2d(weight, torch.zeros(4), padding=(1, 1), activation=Activation.RELU6), (INPUT,)),
        Layer("second", Conv2d(torch.randn(2, 4, 1, 1, generator=generator), torch.zeros(2)), ("first",)),
    )
    graph = Graph((3, 16, 16), layers, ("second",))
    calibration = narrow(graph, pictures)
    seen: list[Tensor] = []

    class Looking(BiasCorrection):
        def refine(self, sample: object, integers: IntegerWeights) -> IntegerWeights:
            seen.append(sample.columns)  # type: ignore[attr-defined]
            return integers

    reconstruct(graph, calibration, pictures[0], [Looking()])
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
    first = engine.layer("first").run(engine.enter(pictures[0]))
    assert isinstance(first, Quantised)
    ours = quantise(seen[1][0].T.reshape(4, 16, 16), first.qparams)
    apart = (ours.int() - first.codes[0].int()).abs()
    assert int(apart.max()) <= 1
    assert float((apart > 0).float().mean()) < 0.01
