"""What every algorithm promises, and log2-paper against the program it comes from."""

import ast
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import quant.algorithms
from quant.algorithms import ValueSample, algorithm_named, algorithm_names, weight_algorithm_names
from quant.algorithms.base import ACTIVATION, WEIGHT, WEIGHT_7_BIT, Algorithm, Grid, Scales
from quant.algorithms.log2_paper import Log2Paper
from quant.errors import AlgorithmNotFound, NonFiniteValue
from quant.histogram import RunningHistogram, histogram_of_rows
from tests.unit.quant.elements_read import ElementsRead

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/algorithms/yolo2_light.json").read_text())
NAMES = ["kl", "log2-paper", "minmax", "mse", "percentile", "pow2"]
WEIGHT_NAMES = [name for name in NAMES if name != "kl"]


def weights(rows: int = 64, columns: int = 1152, seed: int = 0) -> Tensor:
    """Normal weights whose rows differ in size by up to 1000."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.logspace(-3, 0, rows)[:, None]
    return torch.randn(rows, columns, generator=generator) * size


def activation_sample(values: Tensor) -> ValueSample:
    running = RunningHistogram()
    running.add(values)
    return ValueSample(running.histogram())


def sqnr_db(values: Tensor, scales: Scales, grid: Grid) -> Tensor:
    scale, zero_point = scales.scale[:, None], scales.zero_point[:, None]
    codes = values / scale
    codes = codes.trunc() if scales.rounding == "truncate" else codes.round()
    back = ((codes + zero_point).clamp(grid.lowest, grid.highest) - zero_point) * scale
    return 10 * torch.log10((values**2).sum(1) / ((back - values) ** 2).sum(1))


def golden_values(case: dict[str, Any]) -> Tensor:
    generator = np.random.default_rng(case["seed"])
    values = getattr(generator, str(case["kind"]))(size=case["size"]) * case["scale"] + case["shift"]
    values = torch.from_numpy(values.astype(np.float32))
    return torch.where(values > 0, values, values * 0.1) if case.get("leaky") else values


def test_all_six_algorithms_are_found_five_of_them_for_weights_and_each_says_what_it_is_for() -> None:
    assert algorithm_names() == NAMES
    assert weight_algorithm_names() == WEIGHT_NAMES
    assert len({algorithm_named(name).purpose for name in NAMES} - {""}) == len(NAMES)


def test_unknown_algorithm_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(AlgorithmNotFound, match="percentile"):
        algorithm_named("entropy")


def test_new_algorithm_needs_no_edit_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        from quant.algorithms import Algorithm, Grid, ValueSample, Scales

        class Half(Algorithm):
            name = "half"

            def choose(self, sample: ValueSample, grid: Grid) -> Scales:
                return grid.scales(sample.histogram.low / 2, sample.histogram.high / 2)
    """
    (tmp_path / "half_of_it.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Algorithm, "registered", dict(Algorithm.registered))
    __import__("half_of_it")
    sample = ValueSample(histogram_of_rows(weights()))
    halved = algorithm_named("half").choose(sample, WEIGHT).scale
    assert torch.equal(halved * 2, algorithm_named("minmax").choose(sample, WEIGHT).scale)


def test_every_algorithm_is_a_class_of_at_most_fifty_lines() -> None:
    folder = Path(quant.algorithms.__file__).parent
    lengths = {
        node.name: node.end_lineno - node.lineno + 1
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.end_lineno and path.stem != "base"
    }
    assert len(lengths) == len(NAMES)
    assert max(lengths.values()) <= 50


@pytest.mark.parametrize("case", [c for c in GOLDEN["cases"] if c["part"] == "weights"], ids=lambda c: str(c["seed"]))
def test_log2_paper_weights_equal_yolo2_light_bit_for_bit(case: dict[str, Any]) -> None:
    values = golden_values(case)[None]
    scales = Log2Paper().choose(ValueSample(histogram_of_rows(values), values), WEIGHT)
    assert scales.rounding == "truncate"
    assert 1 / scales.scale.item() == case["multiplier"]


def test_log2_paper_has_one_scale_a_layer_so_that_a_channel_of_negative_weights_keeps_its_signal() -> None:
    values = weights(8, 9)
    values[3] = -values[3].abs()
    scales = Log2Paper().choose(ValueSample(histogram_of_rows(values), values), WEIGHT)
    together = Log2Paper().choose(ValueSample(histogram_of_rows(values.reshape(1, -1)), values.reshape(1, -1)), WEIGHT)
    assert scales.scale.tolist() == [together.scale.item()] * 8


@pytest.mark.parametrize(
    "case", [c for c in GOLDEN["cases"] if c["part"] == "activations"], ids=lambda c: str(c["seed"])
)
def test_log2_paper_activations_equal_yolo2_light(case: dict[str, Any]) -> None:
    scales = Log2Paper().choose(activation_sample(golden_values(case)), ACTIVATION)
    assert 1 / scales.scale.item() == pytest.approx(case["multiplier"], rel=case["relative_tolerance"])
    assert scales.zero_point.item() == 128


@pytest.mark.parametrize("name", WEIGHT_NAMES)
@pytest.mark.parametrize("grid", [WEIGHT, WEIGHT_7_BIT])
def test_all_zero_channel_gets_a_positive_scale_and_leaves_the_others_alone(name: str, grid: Grid) -> None:
    some = weights(8, 100)
    with_zero = torch.cat((some[:4], torch.zeros(1, 100), some[4:]))
    chosen = algorithm_named(name).choose(ValueSample(histogram_of_rows(with_zero), with_zero), grid)
    alone = algorithm_named(name).choose(ValueSample(histogram_of_rows(some), some), grid)
    assert bool((chosen.scale > 0).all())
    assert torch.isfinite(chosen.scale).all()
    kept = torch.cat((chosen.scale[:4], chosen.scale[5:]))
    assert torch.allclose(kept, alone.scale, rtol=1e-12)


@pytest.mark.parametrize(("name", "least_db"), [("minmax", 35), ("mse", 38), ("percentile", 35), ("pow2", 33)])
def test_weights_per_channel_keep_their_signal(name: str, least_db: float) -> None:
    values = weights()
    scales = algorithm_named(name).choose(ValueSample(histogram_of_rows(values), values), WEIGHT)
    assert sqnr_db(values, scales, WEIGHT).median() >= least_db


def test_mse_is_within_a_tenth_of_a_decibel_of_an_exhaustive_search() -> None:
    values = weights(16, 4608)
    chosen = algorithm_named("mse").choose(ValueSample(histogram_of_rows(values)), WEIGHT)
    reach = values.abs().amax(1)
    best = torch.full((16,), -torch.inf)
    for fraction in torch.linspace(0.2, 1.0, 401):
        best = torch.maximum(best, sqnr_db(values, WEIGHT.scales(-reach * fraction, reach * fraction), WEIGHT))
    shortfall = best - sqnr_db(values, chosen, WEIGHT)
    assert shortfall.mean() < 0.1
    assert shortfall.max() < 0.5


def test_pow2_scales_are_powers_of_two_and_at_most_6_db_below_kl() -> None:
    generator = torch.Generator().manual_seed(1)
    for values in (torch.randn(50_000, generator=generator), torch.randn(50_000, generator=generator).relu()):
        sample = activation_sample(values)
        pow2, kl = (algorithm_named(name).choose(sample, ACTIVATION) for name in ("pow2", "kl"))
        assert float(pow2.scale.log2()) == round(float(pow2.scale.log2()))
        row = values[None]
        assert float(sqnr_db(row, kl, ACTIVATION) - sqnr_db(row, pow2, ACTIVATION)) <= 6


@pytest.mark.parametrize("name", ["kl", "minmax", "mse", "percentile", "pow2"])
def test_activation_after_relu_uses_all_levels_from_zero_point_zero(name: str) -> None:
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(2)).relu()
    scales = algorithm_named(name).choose(activation_sample(values), ACTIVATION)
    assert scales.zero_point.item() == 0
    assert sqnr_db(values[None], scales, ACTIVATION).item() > 33


@pytest.mark.parametrize("name", ["kl", "minmax", "mse", "percentile", "pow2"])
def test_leaky_activation_spends_few_codes_below_zero(name: str) -> None:
    values = torch.nn.functional.leaky_relu(torch.randn(50_000, generator=torch.Generator().manual_seed(3)), 0.1)
    scales = algorithm_named(name).choose(activation_sample(values), ACTIVATION)
    assert 0 < scales.zero_point.item() < 70
    assert sqnr_db(values[None], scales, ACTIVATION).item() > 33


def test_outlier_is_clipped_by_percentile_mse_and_kl_but_not_by_minmax() -> None:
    values = torch.randn(100_000, generator=torch.Generator().manual_seed(4)).relu()
    values[0] = 100.0
    sample = activation_sample(values)
    scale = {name: algorithm_named(name).choose(sample, ACTIVATION).scale.item() for name in NAMES}
    assert scale["minmax"] == pytest.approx(100 / 255)
    assert max(scale["percentile"], scale["kl"]) < 17 / 255
    assert scale["mse"] < scale["minmax"]


def test_nan_weight_is_refused_with_its_channel() -> None:
    values = weights(4, 10)
    values[2, 3] = float("nan")
    with pytest.raises(NonFiniteValue, match="row 2"):
        histogram_of_rows(values)


def test_all_algorithms_over_channels_of_yolov3s_largest_layer_read_each_weight_a_hundred_times_at_most() -> None:
    values = torch.randn(128, 4608, generator=torch.Generator().manual_seed(5)) * 0.02
    with ElementsRead() as reading:
        sample = ValueSample(histogram_of_rows(values), values)
        for name in WEIGHT_NAMES:
            algorithm_named(name).choose(sample, WEIGHT)
    assert values.numel() < reading.total < 100 * values.numel()
