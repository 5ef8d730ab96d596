"""`strata quant`, verb by verb, on a small model."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from quant.errors import InvalidEdit, LayerNotFound, NotCalibrated
from quant.graph import INPUT, Graph, Layer
from quant.operations import Flatten, GlobalAvgPool, Linear
from quant.precision import Mode, uniform_plan
from quant.scales import Calibration
from quant.stepping import Stepper
from quant.weight_edits import Variant
from services.cli.quant import app
from services.cli.quant_step import StepperLoop
from services.edge.errors import ArtifactNotFound, FailedPrecondition, InvalidInput, ModelNotFound, OtherModel
from services.workbench.engine_file import read_model, write_model
from services.workbench.integer_file import read_integers
from services.workbench.model import Model
from services.workbench.pictures import as_input, read_picture
from services.zoo.manifest import InputSpec


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Path:
    """A folder with a model, two pictures, and the model's integers."""
    folder = tmp_path_factory.mktemp("quant")
    write_model(folder / "small.strata", model)
    for seed in (0, 1):
        blocks = np.kron(np.random.default_rng(seed).integers(0, 255, (4, 5, 3)), np.ones((9, 9, 1)))
        Image.fromarray(blocks.astype(np.uint8)).save(folder / f"{seed}.png")
    found = quant(folder, "calibrate", "small.strata", "0.png", "1.png", "--augment", "--auto", "--json")
    assert found.exit_code == 0, found.output
    assert quant(folder, "calibrate", "small.strata", "0.png", "-o", "plain.integers").exit_code == 0
    return folder


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture)


def quant(folder: Path, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(app, arguments)


def answer(folder: Path, *arguments: str) -> object:
    result = quant(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_calibrate_writes_integers_and_shows_every_algorithm(place: Path, model: Model) -> None:
    found = answer(place, "calibrate", "small.strata", "0.png", "--per", "tensor", "-o", "tensor.integers")
    assert isinstance(found, dict)
    assert set(found["weights"]) == {"stem", "body", "raw"}
    candidate = found["weights"]["body"]["candidates"][0]
    wanted = {"scale", "zero_point", "clipped_fraction", "sqnr_db", "cosine", "kl_nats", "output_sqnr_db"}
    assert wanted <= set(candidate)
    integers, plan = read_integers(place / "tensor.integers", model)
    assert len(set(integers.weights["body"].scale.tolist())) == 1
    assert plan == {}
    table = quant(place, "calibrate", "small.strata", "0.png", "--algorithm", "kl", "-o", "kl.integers")
    assert "log2-paper" in table.stdout
    assert "asked for" in table.stdout


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


def test_cross_gives_a_row_per_layer_and_a_plot(place: Path, model: Model) -> None:
    rows = answer(place, "cross", "small.strata", "0.png", "--plot", "cross.png")
    assert isinstance(rows, list)
    assert [row["layer"] for row in rows] == [layer.name for layer in model.graph.layers]
    assert all(row["own_db"] > 20 for row in rows)
    assert pixels(place / "cross.png").shape[1] > 500
    one = answer(place, "cross", "small.strata", "0.png", "--layer", "body")
    assert one == [row for row in rows if row["layer"] == "body"]


def test_report_measures_modes_layers_and_remedies(place: Path, model: Model) -> None:
    found = answer(place, "report", "small.strata", "0.png", "1.png")
    assert isinstance(found, dict)
    assert set(found["modes_ms"]) == {"float", "hybrid", "int8", "auto"}
    assert found["agreements"]["float"]["boxes"] == 1
    assert [row["layer"] for row in found["layers"]] == [layer.name for layer in model.graph.layers]
    assert {row["layer"] for row in found["layers"] if row["bfloat16_ms"] is not None} == {"stem", "body", "raw"}
    assert len(found["remedies"]) == 3
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
        Model("sky", Graph((3, 8, 8), layers, ("scores",)), ("night", "day"), spec, "drawn here", True),
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


def test_export_writes_both_files_and_they_load_back(place: Path) -> None:
    result = quant(place, "export", "small.strata", "-o", "exported")
    assert result.exit_code == 0, result.output
    model = read_model(place / "exported" / "small.strata")
    read_integers(place / "exported" / "small.integers", model)


def test_import_makes_an_engine_model_of_a_named_network(place: Path) -> None:
    result = quant(place, "import", "yolov3-tiny", "--size", "32", "-o", "tiny.strata")
    assert result.exit_code == 0, result.output
    assert read_model(place / "tiny.strata").graph.input_shape == (3, 32, 32)
    assert "random weights" in result.stderr


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
        (("export", "yolov3-tiny", "--size", "32"), FailedPrecondition, "calibrate"),
        (("run", "yolov3-tiny", "0.png", "--size", "32", "--integers", "small.integers"), OtherModel, "small"),
    ],
)
def test_bad_input_is_refused_by_name(
    place: Path, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    result = quant(place, *arguments)
    assert isinstance(result.exception, error), result.output
    assert words in str(result.exception)


@pytest.mark.parametrize("option", [("--mode", "int9"), ("--top", "0")])
def test_bad_options_end_with_2(place: Path, option: tuple[str, str]) -> None:
    assert quant(place, "run", "small.strata", "0.png", *option).exit_code == 2


def loop(place: Path, model: Model, calibration: Calibration, script: str) -> str:
    written = io.StringIO()
    stepper = Stepper(
        Variant(model.graph, uniform_plan(model.graph, Mode.INT8), calibration),
        as_input(model, read_picture(place / "0.png")),
    )
    StepperLoop(model, stepper, Console(file=written, width=160), io.StringIO(script)).cmdloop()
    return written.getvalue()


def test_stepper_walks_edits_compares_and_keeps(place: Path, model: Model, calibration: Calibration) -> None:
    kept = place / "edited.strata"
    edits = ["next", "next 2", "info", "sums", "edit weights 3 0.2", "back", "to end", "histogram", "layers"]
    script = [*edits, "branch other", f"keep {kept}", "quit", "next"]
    said = loop(place, model, calibration, "\n".join(script))
    assert "2 body:" in said
    assert "sums " in said
    assert "of the elements differ" in said
    assert "* other" in said
    edited = read_model(kept)
    weight = edited.graph.layer("body").operation.weight  # type: ignore[union-attr]
    assert weight[3].eq(0.2).all()
    read_integers(kept.with_suffix(".integers"), edited)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("info\n", InvalidInput),
        ("to nowhere\n", LayerNotFound),
        ("dance\n", InvalidInput),
        ("next\nedit weights 99 1\n", InvalidEdit),
        ("next\nedit weights x 1\n", InvalidInput),
        ("next\nedit\n", InvalidInput),
        ("next\nedit precision int9\n", InvalidInput),
        ("undo\n", InvalidEdit),
        ("keep model.png\n", InvalidInput),
        ("next two\n", InvalidInput),
    ],
)
def test_script_stops_at_its_first_fault(
    place: Path, model: Model, calibration: Calibration, script: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        loop(place, model, calibration, script)


def test_every_stepper_command_has_help(place: Path, model: Model) -> None:
    commands = [name for name in dir(StepperLoop) if name.startswith("do_") and name != "do_help"]
    assert all(getattr(StepperLoop, name).__doc__ for name in commands)
    words = set(re.findall(r"\w+", quant(place, "step", "--help").stdout))
    assert {name.removeprefix("do_") for name in commands} - {"EOF", "n", "b", "q"} <= words


def test_integer_modes_without_integers_calibrate_on_the_picture_and_say_so(
    place: Path, model: Model, tmp_path: Path
) -> None:
    write_model(tmp_path / "fresh.strata", model)
    result = quant(tmp_path, "run", "fresh.strata", str(place / "0.png"), "-o", "out.png")
    assert result.exit_code == 0, result.output
    assert "augmented to five" in result.stderr


def test_stepping_in_integers_needs_scales(model: Model) -> None:
    with pytest.raises(NotCalibrated):
        Stepper(Variant(model.graph, uniform_plan(model.graph, Mode.INT8)), torch.zeros(1, 3, 32, 32))
