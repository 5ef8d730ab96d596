"""`strata quant`, verb by verb, on a small model."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quant.calibration import calibrate
from quant.cpu import Cpu, this_cpu
from quant.errors import AlgorithmNotFound, LayerNotFound
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Flatten, GlobalAvgPool, Linear
from services.edge.errors import (
    ArtifactNotFound,
    EmptyBatch,
    FailedPrecondition,
    InvalidInput,
    InvalidWeights,
    ModelNotFound,
    OtherModel,
)
from services.edge.onednn import isa_cap
from services.workbench.engine_model import EngineModel
from services.workbench.engines import this_machine
from services.workbench.files import read_integers, read_model, write_integers, write_model
from services.workbench.model_codec import encode_model
from services.workbench.opening import import_darknet
from services.workbench.report import has_bfloat16
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers, Machine
from services.zoo.manifest import InputSpec
from tests.unit.workbench.commands import DETECTOR, answer, pixels, quant


def test_calibrate_writes_integers_and_shows_every_algorithm(place: Path, model: EngineModel) -> None:
    found = answer(place, "calibrate", "small.strata", "0.png", "--per", "tensor", "-o", "tensor.integers")
    assert isinstance(found, dict)
    assert set(found["weights"]) == {"stem", "body", "raw"}
    candidate = found["weights"]["body"]["candidates"][0]
    wanted = {"scale", "zero_point", "clipped_fraction", "sqnr_db", "cosine", "kl_nats", "output_sqnr_db"}
    assert wanted <= set(candidate)
    integers = read_integers(place / "tensor.integers", model)
    assert len(set(integers.calibration.weights["body"].scale.tolist())) == 1
    assert (integers.auto_plan, integers.measured_on) == ({}, None)
    assert found["isa"] == integers.isa == this_cpu(isa_cap()).isa
    command = "calibrate", "small.strata", "0.png", "--algorithm", "kl", "-o", "kl.integers"
    table, summary = quant(place, *command, "--layers"), quant(place, *command)
    assert "log2-paper" in table.stdout
    assert "asked for" in table.stdout
    assert len(summary.stdout.splitlines()) < 8
    assert table.stdout.endswith(summary.stdout)


def test_calibrate_takes_a_folders_own_pictures_and_says_what_it_leaves_out(
    place: Path, model: EngineModel, tmp_path: Path
) -> None:
    write_model(tmp_path / "small.strata", model)
    for name in ("photos/0.png", "photos/glyphs/1.png", "photos/glyphs/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / "0.png", tmp_path / name)
    command = "calibrate", "small.strata", "photos"
    own, every, classes = (
        quant(tmp_path, *words) for words in (command, (*command, "-r"), (*command[:2], "photos/glyphs"))
    )
    assert "left out: 2 pictures in folders below; --recursive takes them too" in own.stderr
    assert "pictures: 1 in photos\n" in own.stdout
    assert "left out" not in every.stderr + classes.stderr
    assert "pictures: 1 in photos, 2 in photos/glyphs\n" in every.stdout
    assert "in place of" in every.stderr
    again = quant(tmp_path, *command, "--json")
    assert json.loads(again.stdout)["pictures"] == 1
    assert "in place of the one that was there" in again.stderr


def test_calibrate_ends_with_the_pictures_it_took_and_what_its_choices_keep(place: Path) -> None:
    command = "calibrate", "small.strata", ".", "--algorithm", "kl", "-o", "second.integers"
    first, second = quant(place, *command), quant(place, *command)
    pictures = len(list(place.glob("*.png")))
    assert f"pictures: {pictures} in ." in first.stdout
    assert re.search(
        r"^values: kl \d+; half of them keep [\d.]+ dB or more, \S+ the least, [\d.]+ dB$", first.stdout, re.M
    )
    assert "weights: minmax 3;" in first.stdout
    assert re.search(r"^kl is for .+\nit loses [\d.]+ dB at \S+ against the best", first.stdout, re.M)
    assert "in place of" not in first.stderr
    assert "wrote second.integers, in place of the one that was there" in second.stderr


@pytest.mark.parametrize("mode", ["float", "hybrid", "int8", "auto"])
def test_run_draws_boxes_in_every_mode(place: Path, mode: str) -> None:
    found = answer(place, "run", "small.strata", "0.png", "--mode", mode, "--threshold", "0.2", "-o", f"{mode}.png")
    assert isinstance(found, dict)
    assert found["mode"] == mode
    assert found["isa"]
    assert found["boxes"]
    drawn, plain = (pixels(place / name) for name in (f"{mode}.png", "0.png"))
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()


def test_cross_gives_a_row_per_layer_and_a_plot(place: Path, model: EngineModel) -> None:
    found = answer(place, "cross", "small.strata", "0.png", "--plot", "cross.png")
    assert isinstance(found, dict)
    assert (found["mode"], found["isa"]) == ("int8", this_cpu(isa_cap()).isa)
    rows = found["layers"]
    assert [row["layer"] for row in rows] == [layer.name for layer in model.graph.layers]
    assert all(row["own_db"] > 20 for row in rows)
    assert pixels(place / "cross.png").shape[1] > 500
    one = answer(place, "cross", "small.strata", "0.png", "--layer", "body")
    assert isinstance(one, dict)
    assert one["layers"] == [row for row in rows if row["layer"] == "body"]


def test_report_measures_modes_layers_and_remedies(place: Path, model: EngineModel) -> None:
    found = answer(place, "report", "small.strata", "0.png", "1.png")
    assert isinstance(found, dict)
    assert set(found["modes_ms"]) == {"float", "hybrid", "int8", "auto"}
    assert found["agreements"]["float"]["boxes"] == 1
    assert [row["layer"] for row in found["layers"]] == [layer.name for layer in model.graph.layers]
    weighted = {"stem", "body", "raw"} if has_bfloat16() else set()
    assert {row["layer"] for row in found["layers"] if row["bfloat16_ms"] is not None} == weighted
    assert len(found["remedies"]) == 3
    assert all(row["model_after_db"] >= row["model_before_db"] for row in found["remedies"])
    assert found["accuracies"] == {}
    table = quant(place, "report", "small.strata", "0.png").stdout
    assert "boxes as float's" in table
    assert "top-1" not in table


def test_report_tells_the_accuracy_of_pictures_in_folders_of_their_class(tmp_path: Path) -> None:
    # the brighter a picture, the more it is `day`: weights that give the answer without training
    weight = torch.tensor([[-1.0], [1.0]]) * torch.ones(2, 3)
    layers = (
        Layer("mean", GlobalAvgPool(), (INPUT,)),
        Layer("flat", Flatten(), ("mean",)),
        Layer("scores", Linear(weight, torch.zeros(2)), ("flat",)),
    )
    spec = InputSpec((8, 8), 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    write_model(
        tmp_path / "sky.strata",
        EngineModel("sky", Graph((3, 8, 8), layers, ("scores",)), ("night", "day"), spec, "drawn here", True),
    )
    for name, level in (("night/0", 20), ("night/1", 60), ("day/2", 200), ("day/3", 40)):
        path = tmp_path / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)
    found = answer(tmp_path, "report", "sky.strata", "pictures")
    assert isinstance(found, dict)
    assert found["accuracies"] == {"float": 0.75, "hybrid": 0.75, "int8": 0.75}
    assert found["agreements"]["int8"]["top1"] == 1
    assert "75.00%" in quant(tmp_path, "report", "sky.strata", "pictures").stdout
    alone = quant(tmp_path, "report", "sky.strata", "pictures/day/2.png", "pictures/night")
    assert "100.00%" in alone.stdout
    (tmp_path / "pictures" / "day").rename(tmp_path / "pictures" / "noon")
    assert "unknown" in quant(tmp_path, "report", "sky.strata", "pictures").stdout


@pytest.mark.parametrize("given", ["renamed.strata", "models/inner.strata"])
def test_export_names_its_files_after_the_one_it_was_given(place: Path, tmp_path: Path, given: str) -> None:
    path = tmp_path / given
    path.parent.mkdir(exist_ok=True)
    shutil.copy(place / "small.strata", path)
    shutil.copy(place / "plain.integers", tmp_path / "other.integers")
    result = quant(
        place, "export", str(path), "--integers", str(tmp_path / "other.integers"), "-o", str(tmp_path / "to")
    )
    assert result.exit_code == 0, result.output
    assert {each.name for each in (tmp_path / "to").iterdir()} == {f"{path.stem}.strata", f"{path.stem}.integers"}


def test_export_writes_both_files_and_they_load_back(place: Path) -> None:
    result = quant(place, "export", "small.strata", "-o", "exported")
    assert result.exit_code == 0, result.output
    model = read_model(place / "exported" / "small.strata")
    read_integers(place / "exported" / "small.integers", model)


def test_import_makes_an_engine_model_of_a_named_network(place: Path) -> None:
    result = quant(place, "import", "yolov2-tiny", "--size", "32", "-o", "tiny.strata")
    assert result.exit_code == 0, result.output
    assert read_model(place / "tiny.strata").graph.input_shape == (3, 32, 32)
    assert "random weights" in result.stderr


def test_import_evens_channels_out_and_says_by_name_what_it_leaves_alone(place: Path, tmp_path: Path) -> None:
    source, output = ("shapes.cfg", "shapes.weights"), str(tmp_path / "even.strata")
    result = quant(place, "import", *source, "--equalise", "-o", output)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "equalised: 9 of 13 layers"
    assert "  convolutional_13: scaled back in convolutional_14, convolutional_18" in lines
    assert "  convolutional_22: left alone, yolo_23 (Yolo) reads it" in lines
    even = read_model(tmp_path / "even.strata").graph
    plain = import_darknet(*(place / each for each in source)).graph
    x = torch.rand(1, *plain.input_shape, generator=torch.Generator().manual_seed(0))
    wanted = plain.run(x)
    assert all(torch.equal(value, wanted[name]) for name, value in even.run(x).items())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("run", "no-such-model", "0.png"), ModelNotFound, "yolov3-tiny"),
        (("run", "small.strata", "none.png"), ArtifactNotFound, "none.png"),
        (("run", "small.strata", "0.png", "--integers", "none.integers"), ArtifactNotFound, "none.integers"),
        (("run", "small.strata", "0.png", "--size", "64"), InvalidInput, "its own"),
        (
            ("run", "small.strata", "0.png", "--integers", "plain.integers", "--mode", "auto"),
            FailedPrecondition,
            "auto",
        ),
        (("run", "small.strata", "0.png", "-o", "out.jpg"), InvalidInput, "png"),
        (("cross", "small.strata", "0.png", "--layer", "nowhere"), LayerNotFound, "nowhere"),
        (("import", "some.cfg"), InvalidInput, "weights"),
        (("run", "shapes.cfg", "0.png"), InvalidInput, "import FILE.cfg FILE.weights"),
        (("import", "own.pt2"), InvalidInput, "STRATA_MODELS"),
        (("import", "yolov3-tiny", "tiny.weights"), InvalidInput, "--weights file://tiny.weights"),
        (("import", "shapes.cfg", "shapes.weights", "--size", "320"), InvalidInput, "--size"),
        (("import", "shapes.cfg", "shapes.weights", "--weights", "random://0"), InvalidInput, "--weights"),
        (("import", "shapes.cfg", "cut.weights"), InvalidWeights, "too short"),
        (("import", "shapes.cfg", "shapes.weights", "--labels", "none.names"), InvalidInput, "none.names"),
        (("import", "shapes.cfg", "shapes.weights", "--labels", "0.png"), InvalidInput, "not text"),
        (("import", "shapes.cfg", "shapes.weights", "--labels", "two.names"), InvalidInput, "2 class names"),
        (("import", "shapes.cfg", "shapes.weights", "-o", "nowhere/x.strata"), InvalidInput, "no folder nowhere"),
        (("run", "yolov3-tiny", "0.png", "--size", "32", "--weights", "file://none"), ArtifactNotFound, "none"),
        (("run", "resnet-18", "0.png", "--weights", "my.safetensors"), InvalidInput, "file://my.safetensors"),
        (("calibrate", "small.strata", "0.png", "--algorithm", "min-max"), AlgorithmNotFound, "minmax"),
        # before the model is opened, which takes a while
        (("calibrate", "none.strata", "0.png", "--algorithm", "foo"), AlgorithmNotFound, "best, kl"),
        (("calibrate", "small.strata", "empty"), EmptyBatch, "empty"),
        (("calibrate", "small.strata", "0.png", "-o", "nowhere/x.integers"), InvalidInput, "no folder nowhere"),
        (("calibrate", "small.strata", "0.png", "-o", "empty"), InvalidInput, "it is a folder"),
        (
            ("calibrate", "small.strata", "0.png", "-o", "small.strata"),
            InvalidInput,
            "expected a name that ends in .integers",
        ),
        (
            ("import", "shapes.cfg", "shapes.weights", "-o", "shapes.weights"),
            InvalidInput,
            "expected a name that ends in .strata",
        ),
        (("import", "shapes.weights", "shapes.cfg"), InvalidInput, "import shapes.cfg shapes.weights"),
        (("export", "small.strata", "-o", "0.png"), InvalidInput, "cannot be made"),
        (
            ("run", "fresh.strata", "0.png", "--mode", "auto"),
            FailedPrecondition,
            "`strata quant calibrate MODEL PICTURES --auto`",
        ),
        (("run", "small.strata", "0.png", "-o", "nowhere/x.png"), InvalidInput, "no folder nowhere"),
        (("cross", "small.strata", "0.png", "--plot", "x.svg"), InvalidInput, "png"),
        (("export", "yolov3-tiny", "--size", "32"), FailedPrecondition, "calibrate"),
        (("run", "yolov3-tiny", "0.png", "--size", "32", "--integers", "small.integers"), OtherModel, "small"),
    ],
)
def test_bad_input_is_refused_by_name(
    place: Path, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    before = sorted(path.name for path in place.iterdir())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quant.engine.Engine.run", refuse_to_work)
        patch.setattr("quant.graph.Graph.values", refuse_to_work)
        result = quant(place, *arguments)
    assert isinstance(result.exception, error), result.output
    assert words in str(result.exception)
    assert sorted(path.name for path in place.iterdir()) == before


def refuse_to_work(*_: object) -> None:
    raise AssertionError("this should have been refused before the work")


def test_imported_labels_name_the_classes(place: Path) -> None:
    result = quant(place, "import", "shapes.cfg", "shapes.weights", "--labels", "shapes.names", "-o", "shapes.strata")
    assert result.exit_code == 0, result.output
    names = (DETECTOR / "shapes.names").read_text().split()
    assert read_model(place / "shapes.strata").labels == tuple(names)


def test_a_byte_order_mark_before_cfg_and_names_is_no_part_of_them(place: Path, tmp_path: Path) -> None:
    for name in ("shapes.cfg", "shapes.names"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (place / name).read_bytes())
    arguments = "shapes.cfg", str(place / "shapes.weights"), "--labels", "shapes.names", "-o", "marked.strata"
    result = quant(tmp_path, "import", *arguments)
    assert result.exit_code == 0, result.output
    assert read_model(tmp_path / "marked.strata").labels == tuple((DETECTOR / "shapes.names").read_text().split())


def test_more_threads_than_processors_are_refused(place: Path) -> None:
    result = quant(place, "run", "small.strata", "0.png", "--threads", str((os.cpu_count() or 1) + 1))
    assert result.exit_code == 2
    assert "processors" in result.output


def test_the_shipped_detectors_integers_are_about_a_quarter_of_its_float_file(place: Path) -> None:
    model = import_darknet(DETECTOR / "shapes.cfg", DETECTOR / "shapes.weights")
    observations = observe(model.graph, [torch.rand(1, *model.graph.input_shape)])
    calibration = calibrate(model.graph.layers, observations, "minmax").calibration
    ratio = len(encode_integers(model, Integers(calibration))) / len(encode_model(model))
    assert 0.25 < ratio <= 0.27


def test_output_is_refused_where_no_picture_is_drawn(tmp_path: Path, place: Path) -> None:
    layers = (Layer("mean", GlobalAvgPool(), (INPUT,)), Layer("flat", Flatten(), ("mean",)))
    spec = InputSpec((8, 8), 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    write_model(
        tmp_path / "plain.strata",
        EngineModel("plain", Graph((3, 8, 8), layers, ("flat",)), (), spec, "drawn here", True),
    )
    result = quant(tmp_path, "run", "plain.strata", str(place / "0.png"), "--mode", "float", "-o", "out.png")
    assert result.exit_code == 2
    assert "draws no boxes" in result.stderr


def test_a_processor_that_is_not_exact_is_said_aloud(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quant.cpu.this_cpu", lambda _: Cpu("AVX512", exact_8_bit=False))
    said = quant(place, "cross", "small.strata", "0.png").stderr
    assert said.count("AVX512 adds 8-bit products inexactly: weights are 7-bit here") == 1
    monkeypatch.undo()
    if this_cpu().exact_8_bit:
        assert "inexactly" not in quant(place, "cross", "small.strata", "0.png").stderr


def test_a_plan_that_was_measured_otherwise_is_said_to_be(place: Path, model: EngineModel, tmp_path: Path) -> None:
    integers = read_integers(place / "small.integers", model)
    assert integers.measured_on == this_machine()
    for machine, said in (
        (this_machine(), False),
        (Machine("none", 1), True),
        (Machine(this_cpu(isa_cap()).isa, 999), True),
    ):
        path = tmp_path / "moved.integers"
        write_integers(path, model, integers._replace(measured_on=machine))
        run = ("run", "small.strata", "0.png", "--mode", "auto", "--integers", str(path), "-o", str(tmp_path / "o.png"))
        assert ("measure it again with" in " ".join(quant(place, *run).stderr.split())) == said


@pytest.mark.parametrize("option", [("--mode", "int9"), ("--top", "0")])
def test_bad_options_end_with_2(place: Path, option: tuple[str, str]) -> None:
    assert quant(place, "run", "small.strata", "0.png", *option).exit_code == 2


def test_labels_with_brackets_are_printed_as_they_are(place: Path, model: EngineModel, tmp_path: Path) -> None:
    write_model(tmp_path / "odd.strata", replace(model, labels=("[/x]", "[red]:smile:")))
    result = quant(tmp_path, "run", "odd.strata", str(place / "0.png"), "--mode", "float", "--threshold", "0.2")
    assert result.exit_code == 0, result.output
    assert re.search(r"% (\[/x\]|\[red\]:smile:)", result.stdout)


def test_integer_modes_without_integers_calibrate_on_the_picture_and_say_so(
    place: Path, model: EngineModel, tmp_path: Path
) -> None:
    write_model(tmp_path / "fresh.strata", model)
    result = quant(tmp_path, "run", "fresh.strata", str(place / "0.png"), "-o", "out.png")
    assert result.exit_code == 0, result.output
    assert "augmented to five" in result.stderr


def test_report_applies_its_remedies(place: Path, model: EngineModel, tmp_path: Path) -> None:
    write_model(tmp_path / "small.strata", model)
    for name, factor in (("dark", 0.05), ("bright", 1.0)):
        Image.fromarray((pixels(place / "0.png") * factor).astype(np.uint8)).save(tmp_path / f"{name}.png")
    assert quant(tmp_path, "calibrate", "small.strata", "dark.png", "--augment").exit_code == 0
    applied = quant(tmp_path, "report", "small.strata", "bright.png", "--apply", "better.integers")
    assert applied.exit_code == 0, applied.output
    assert "pictures such as these" in applied.stdout
    before, after = (
        answer(tmp_path, "cross", "small.strata", "bright.png", "--integers", f"{name}.integers")
        for name in ("small", "better")
    )
    assert after["layers"][-1]["total_db"] > before["layers"][-1]["total_db"] + 1  # type: ignore[index]
    again = quant(tmp_path, "report", "small.strata", "bright.png", "--integers", "better.integers", "--json")
    assert not [row for row in json.loads(again.stdout)["remedies"] if row["layer"] == "all"]
