"""What the paper's platform could do with which network (its table 1), tried here through the console."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx

from quant.precision import Mode
from services.bench.workbench_place import Person, workbench_process
from services.edge.errors import StrataError
from services.workbench.client import RemoteWorkbench
from services.workbench.pictures import EncodedPicture
from services.workbench.session_log import NamedModel
from services.workbench.workbench import CalibrationRequest

Figures: TypeAlias = dict[str, float]
MODELS = ("yolov2", "yolov3", "yolov3-tiny")
_PAPER = {
    "visualizer": ("Visualizer", "yes", "yes", "yes"),
    "files": ("FileManager", "yes", "yes", "yes"),
    "normal": ("Normal inference (float, hybrid)", "yes", "yes", "yes"),
    "step": ("Stepping inference (float, hybrid)", "yes", "yes", "yes"),
    "cross": ("Cross inference", "no", "no", "yes"),
    "int8": ("All INT8 inference", "no", "no", "yes"),
    "augmentation": ("Augmentation", "yes", "", ""),
}


def table_1(person: Person, model: str, weights: str, picture: str, tell: Callable[[str], None]) -> Figures:
    """Do with a model what the table has; 1 for each that works.

    Args:
        weights: of the model; empty takes its own.
        picture: the id of a file of the person's.
    """

    def ran(mode: str) -> dict[str, Any]:
        tell(f"table_1: {model} in {mode}")
        return person.run(model=model, mode=mode, picture=picture, weights=weights)

    tried: dict[str, Callable[[], bool]] = {}
    in_float, hybrid, int8 = (ran(mode) for mode in ("float", "hybrid", "int8"))
    tried["visualizer"] = lambda: _is_drawn(person, in_float["id"])
    tried["files"] = lambda: _keeps(person, model)
    tried["normal"] = lambda: all(each["result"] is not None for each in (in_float, hybrid))
    tried["step"] = lambda: all(_steps(person, each["id"]) for each in (in_float, hybrid))
    tried["cross"] = lambda: _crosses(person, int8["id"])
    tried["int8"] = lambda: int8["result"] is not None and int8["result"]["mode"] == "int8"
    return {f"table_1.{row}.{model}": float(_works(work)) for row, work in tried.items()}


def augments(model: str, weights: str, picture: EncodedPicture, tell: Callable[[str], None]) -> Figures:
    """Calibrate on a picture and on five made out of it; 1 where these show the values more."""
    tell(f"table_1: {model}, five pictures out of one")
    with (
        TemporaryDirectory() as store,
        workbench_process(Path(store)) as process,
        RemoteWorkbench(process.address) as bench,
    ):
        session = bench.open(NamedModel(model, weights), None, picture, Mode.FLOAT)
        alone, augmented = (
            session.calibrate(CalibrationRequest("minmax", augment=augment), [picture]).values
            for augment in (False, True)
        )
    wider = [augmented[name].chosen.scale > choice.chosen.scale for name, choice in alone.items()]
    return {f"table_1.augmentation.{model}": float(any(wider))}


def notes(figures: Mapping[str, float]) -> list[str]:
    """The paper's table beside ours."""
    lines = ["| the paper's table 1: paper, ours | " + " | ".join(MODELS) + " |", "| --- " * (len(MODELS) + 1) + "|"]
    for row, (name, *papers) in _PAPER.items():
        ours = (_word(figures.get(f"table_1.{row}.{model}")) for model in MODELS)
        cells = [f"{paper or 'not said'}, {own}" for paper, own in zip(papers, ours, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _word(figure: float | None) -> str:
    return "not measured" if figure is None else "yes" if figure == 1 else "no"


def _works(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except (httpx.HTTPStatusError, StrataError):
        return False


def _get(person: Person, path: str, **query: str) -> httpx.Response:
    return person.client.get(path, params=query).raise_for_status()


def _is_drawn(person: Person, run: str) -> bool:
    """Every layer reads what there is, and has a shape."""
    layers = _get(person, f"/api/runs/{run}/graph").json()["layers"]
    known = {"input", *(layer["name"] for layer in layers)}
    return bool(layers) and all(set(layer["inputs"]) <= known and layer["shape"] for layer in layers)


def _keeps(person: Person, model: str) -> bool:
    file = person.upload(f"{model}/note", model.encode())
    person.client.patch(f"/api/files/{file}", json={"path": f"{model}/renamed"}).raise_for_status()
    kept = _get(person, f"/api/files/{file}/content").content
    person.client.delete(f"/api/files/{file}").raise_for_status()
    return kept == model.encode()


def _steps(person: Person, run: str) -> bool:
    """To the first layer, into the middle and to the end, with a picture of each."""
    layers = _get(person, f"/api/runs/{run}/graph").json()["layers"]
    for asked in ({"to": "forward"}, {"to": "layer", "layer": layers[len(layers) // 2]["name"]}, {"to": "end"}):
        visit = person.client.post(f"/api/runs/{run}/step", json=asked).raise_for_status().json()
        if not _get(person, f"/api/runs/{run}/maps", layer=visit["layer"]).content.startswith(b"\x89PNG"):
            return False
    return bool(visit["layer"] == layers[-1]["name"])


def _crosses(person: Person, run: str) -> bool:
    page = _get(person, f"/api/runs/{run}/cross.html").text
    layers = _get(person, f"/api/runs/{run}/graph").json()["layers"]
    return all(f">{layer['name']}<" in page for layer in layers)
