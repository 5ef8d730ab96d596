"""How the models' figures become the table: sums over models, names, order, and going on after a stop."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from typer.testing import CliRunner

from quant.calibration import calibrate
from quant.cpu import Cpu
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Concat, Conv2d, Yolo
from quant.precision import Mode
from services.bench import document
from services.bench import quant as area
from services.bench.quant_correctness import against_reference, crosses_equal_running, steps_equal_running
from services.bench.quant_onnx import moved_by_a_rounding
from services.bench.quant_peers import Eager, eager, peers
from services.bench.quant_speed import auto_figures
from services.bench.quant_subject import Subject
from services.bench.rounds import Spread
from services.cli.bench import app
from services.edge.errors import InvalidInput
from services.edge.progress import no_progress
from services.workbench.engine_model import EngineModel
from services.zoo.integers import Integers


def correctness(right: int = 5, wrong_accumulators: float = 0, least_db: float = 30) -> dict[str, float]:
    modes = {f"matrix.{mode}": float(number < right) for number, mode in enumerate(area.MODES)}
    figures = {"wrong_accumulators": wrong_accumulators, "float_error": 1e-6}
    return modes | figures | {"own_sqnr_db.median": least_db + 5, "own_sqnr_db.min": least_db}


def of_model(name: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{key}.{name}": value for key, value in figures.items()}


def test_every_key_held_to_a_bar_is_a_figure_of_the_whole_or_of_a_known_model() -> None:
    whole = {"matrix", "wrong_accumulators", "darknet_error", "auto.regressions", "map_drop", "top1_drop", "cross_s"}
    whole |= {"own_sqnr_db.median", "own_sqnr_db.min", "step_ms", "jump_ms", "edit_ms", "run_error"}
    whole |= {"pretrained.boxes", "pretrained.boxes.int8", "pretrained.map_drop", "pretrained.top1_agreement"}
    whole |= {"onnx.max_code_error", "onnx.answers", "served.vs_openvino", "served.cold_start"}
    whole |= {"pretrained.top1_agreement.auto"}
    for isa in ("AMX", "VNNI"):
        bars = area.bars(isa)
        assert whole <= bars.keys()
        models = {key.rpartition(".")[2] for key in bars.keys() - whole}
        assert models == {*area.MODELS, "efficientnet-lite0"}
    assert area.bars("AMX-INT8")["speedup.yolov3-tiny"] == ">= 5"
    assert area.bars("AVX512-VNNI")["speedup.yolov3-tiny"] == ">= 2.5"


def test_a_mode_that_fails_is_missing_from_the_matrix() -> None:
    figures: dict[str, float] = {}
    for name in area.MODELS:
        figures |= of_model(name, correctness())
    assert area.summarise(figures)["matrix"] == 70
    figures |= of_model("yolov2", correctness(right=3, wrong_accumulators=7, least_db=12))
    found = area.summarise(figures)
    assert (found["matrix"], found["wrong_accumulators"], found["own_sqnr_db.min"]) == (68, 7, 12)


def test_the_exported_programs_are_judged_by_the_worst_runtime_of_the_worst_model() -> None:
    figures = {"onnx.code_error.onnxruntime": 0.0, "onnx.answers.onnxruntime": 1.0}
    figures |= {"onnx.code_error.openvino": 2.0, "onnx.answers.openvino": 0.875}
    right = dict.fromkeys(figures, 1.0)
    found = area.summarise({**of_model("vgg-16", right), **of_model("alexnet", figures)})
    assert (found["onnx.max_code_error"], found["onnx.answers"]) == (2, 0.875)


def test_trained_networks_are_judged_by_the_worst_of_them() -> None:
    detector = {"pretrained.boxes": 1.0, "pretrained.boxes.int8": 0.96, "pretrained.map_drop": 0.2}
    figures = of_model("yolov3-tiny", detector)
    for name, share in {"efficientnet-lite0": 0.975, "efficientnet-lite1": 0.95, "efficientnet-lite2": 1.0}.items():
        figures |= of_model(name, {"pretrained.top1_agreement": share, "pretrained.top1_agreement.auto": 1.0})
    assert area.summarise(figures) == {
        **detector,
        "pretrained.top1_agreement": 0.95,
        "pretrained.top1_agreement.auto": 1.0,
    }


def test_each_trained_network_is_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails leaves the figures of those before it."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command[3:])
        return subprocess.CompletedProcess(command, 0, '{"pretrained.points_lost.int8": 0.5}\n')

    monkeypatch.setattr(subprocess, "run", run)
    found = list(area.measure(area.MODELS, ["pretrained"], True, None, no_progress))
    assert found == [{f"pretrained.points_lost.int8.{name}": 0.5} for name in area.TRAINED]
    assert ran == [[name, "--quick"] for name in area.TRAINED]


def test_the_papers_table_stands_beside_ours() -> None:
    figures = {key: value for name in area.MODELS for key, value in of_model(name, correctness()).items()}
    figures["matrix.hybrid.yolov3"] = figures["matrix.cross.vgg-16"] = 0.0
    notes = area.notes(figures)
    assert "| normal inference, float and hybrid | yes, yes | yes, no | yes, yes | 13 of 14 |" in notes
    assert "| cross inference | no, yes | no, yes | yes, yes | 13 of 14 |" in notes
    assert "| all int8 | no, yes | no, yes | yes, yes | 14 of 14 |" in notes


def test_what_was_not_measured_is_not_said_to_fail() -> None:
    notes = area.notes(of_model("yolov3", correctness()))
    assert "| all int8 | no, not measured | no, yes | yes, not measured | 1 of 1 |" in notes
    assert "| all int8 | no, not measured | no, not measured | yes, not measured | not measured |" in area.notes({})


def test_figures_over_all_models_are_made_anew_when_one_is_measured_again() -> None:
    before = {"auto.regression.alexnet": 1.0, "auto.regression.vgg-16": 1.0}
    after = {**before, **area.summarise(before), "auto.regression.alexnet": 0.0}
    assert (area.summarise(before)["auto.regressions"], area.summarise(after)["auto.regressions"]) == (2, 1)


def test_a_spreads_end_stays_at_the_end_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"ms.int8": 2.0, "ms.int8.low": 1.0, "ms.int8.high": 3.0}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, f"a C library says hello\n{json.dumps(answers)}\n")

    monkeypatch.setattr(subprocess, "run", run)
    (found,) = area.measure(["alexnet"], ["speed"], True, None, no_progress)
    assert found == {"ms.int8.alexnet": 2, "ms.int8.alexnet.low": 1, "ms.int8.alexnet.high": 3}


def test_merging_goes_on_from_the_file_and_refuses_another_processors(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert document.begun(path, "AMX") == {}
    path.write_text(json.dumps({"speedup.yolov2": 6.0, "isa": "AMX", "machine": "here"}))
    assert document.begun(path, "AMX") == {"speedup.yolov2": 6.0}
    with pytest.raises(InvalidInput, match="VNNI"):
        document.begun(path, "VNNI")


@pytest.mark.parametrize("option", [("--models", "yolov9"), ("--parts", "speeed")])
def test_unknown_models_and_parts_are_refused(option: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["quant", *option])
    assert result.exit_code == 2
    assert option[1] in result.stderr


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A detector of three layers, opened as the benchmark opens its own."""
    g = torch.Generator().manual_seed(0)
    layers = (
        Layer("stem", Conv2d(torch.randn(8, 3, 3, 3, generator=g), torch.zeros(8), padding=(1, 1)), (INPUT,)),
        Layer("join", Concat(), ("stem", "stem")),
        Layer("raw", Conv2d(torch.randn(7, 16, 1, 1, generator=g), torch.zeros(7)), ("join",)),
        Layer("head", Yolo(2, ((10.0, 14.0),)), ("raw",)),
    )
    graph = Graph((3, 32, 32), layers, ("head",))
    inputs = [torch.rand(1, 3, 32, 32, generator=g) for _ in range(4)]
    calibration = calibrate(graph.layers, observe(graph, inputs), "minmax").calibration
    plan = {layer.name: precision for layer, precision in zip(layers, ["int8"] * 3 + ["float"], strict=True)}
    integers = Integers(calibration, plan)  # type: ignore[arg-type]
    return Subject(EngineModel("small", graph, (), None, "drawn here", False), integers, inputs[:2], inputs[2:])


def test_peers_compute_what_ours_compute(subject: Subject) -> None:
    expected = subject.engine(Mode.FLOAT).run(subject.x)["head"]
    found = eager(subject)()
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert Eager(subject.model.graph, heads=False)(subject.x).shape == (1, 7, 32, 32)


@pytest.mark.parametrize(("exact_8_bit", "largest"), [(True, 127), (False, 64)])
def test_onnx_runtimes_weights_are_narrow_where_8_bits_saturate(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact_8_bit: bool, largest: int
) -> None:
    monkeypatch.setattr("services.bench.quant_peers.this_cpu", lambda: Cpu("AVX2", exact_8_bit))
    monkeypatch.setattr("services.bench.quant_peers._openvino", lambda *_: None)
    peers(subject, tmp_path, no_progress)["onnxruntime"]()
    (path,) = tmp_path.glob("*-onnxruntime-*.onnx")
    codes = [
        numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer if each.data_type == TensorProto.INT8
    ]
    assert max(int(np.abs(each.astype(int)).max()) for each in codes) == largest


def test_the_engine_moved_by_a_rounding_has_neighbours_of_all_scales(subject: Subject) -> None:
    before, after = (each.calibration.weights for each in (subject.engine(Mode.INT8), moved_by_a_rounding(subject)))
    assert after.keys() == before.keys()
    for name, weights in before.items():
        apart = (after[name].scale / weights.scale - 1).abs()
        assert 0 < float(apart.min()) <= float(apart.max()) <= 2**-23


def test_integer_layers_equal_their_reference_and_steps_equal_runs(subject: Subject) -> None:
    compared = list(against_reference(subject.engine(Mode.INT8), subject.x))
    assert len(compared) == 3
    assert not any(each.wrong_accumulators or each.wrong_codes for each in compared)
    assert steps_equal_running(subject)
    assert crosses_equal_running(subject.engine(Mode.FLOAT), subject.engine(Mode.INT8), subject.x)


@pytest.mark.parametrize(
    ("auto_ms", "keeps", "regressed"),
    [(10.0, True, 0), (10.3, True, 1), (20.0, True, 1), (20.0, False, 0), (20.5, False, 1)],
)
def test_auto_is_held_against_int8_only_where_that_keeps_the_answers(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, auto_ms: float, keeps: bool, regressed: float
) -> None:
    lost = {Mode.INT8: 0.0 if keeps else 5.0, Mode.AUTO: 0.0}
    monkeypatch.setattr("services.bench.quant_speed._points_lost", lambda _: lost)
    monkeypatch.setattr("services.bench.quant_speed._agreements", lambda *_: {})
    spreads = {
        name: Spread((ms,) * 3) for name, ms in (("float", 20.0), ("int8", 10.0), ("hybrid", 12.0), ("auto", auto_ms))
    }
    found = auto_figures(subject, spreads)
    assert found["auto.regression"] == regressed
    assert found["auto.over_float"] == 20 / auto_ms
    assert found.get("auto.speedup_share") == (10 / auto_ms if keeps else None)
