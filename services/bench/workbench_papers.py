"""What the paper's platform could do with which network (its table 1), tried here through the console."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx

from quant.precision import Mode
from services.bench.own_process import Tell
from services.bench.report import yes_or_no
from services.bench.workbench_place import Person, console_place, workbench_process
from services.bench.workbench_subject import RANDOM, SMALL, WorkbenchSubject
from services.edge.errors import StrataError
from services.workbench.client import RemoteWorkbench
from services.workbench.session_log import NamedModel
from services.workbench.workbench import CalibrationRequest
from services.zoo.pretrained import PRETRAINED, fetch_pretrained

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


def papers_table(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Do with each model what the table has; 1 for what works, 0 for what does not."""
    fetch_pretrained(SMALL)
    with console_place() as place, place.person("reader") as person:
        for model in subject.effort.papers:
            weights = f"{PRETRAINED}{model}" if model == SMALL else RANDOM
            for row, work in _rows(subject, person, model, weights).items():
                tell(f"table: {model}, {row}")
                yield {f"table_1.{row}.{model}": float(_works(work, tell))}


def _rows(subject: WorkbenchSubject, person: Person, model: str, weights: str) -> Mapping[str, Callable[[], bool]]:
    @cache
    def ran(mode: str) -> dict[str, Any]:
        return subject.run(person, model, mode, weights)

    return {
        "visualizer": lambda: _is_drawn(person, ran("float")["id"]),
        "files": lambda: _keeps(person, model),
        "normal": lambda: all(_answers(ran(mode), mode, weights) for mode in ("float", "hybrid")),
        "step": lambda: all(_steps(person, ran(mode)["id"]) for mode in ("float", "hybrid")),
        "cross": lambda: _crosses(person, ran("int8")["id"]),
        "int8": lambda: _answers(ran("int8"), "int8", weights),
        "augmentation": lambda: _augments(subject, NamedModel(model, weights)),
    }


def table_beside_ours(figures: Mapping[str, float]) -> list[str]:
    """The paper's table beside ours."""
    lines = ["| the paper's table 1: paper, ours | " + " | ".join(MODELS) + " |", "| --- " * (len(MODELS) + 1) + "|"]
    for row, (name, *papers) in _PAPER.items():
        ours = (yes_or_no(figures.get(f"table_1.{row}.{model}")) for model in MODELS)
        cells = [f"{paper or 'not said'}, {own}" for paper, own in zip(papers, ours, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _works(work: Callable[[], bool], tell: Tell) -> bool:
    try:
        return work()
    except (httpx.HTTPStatusError, StrataError) as error:
        tell(f"table: it does not: {error}")
        return False


def _answers(run: Mapping[str, Any], mode: str, weights: str) -> bool:
    """It ran in its mode; with trained weights it finds something on the picture, too."""
    result = run["result"]
    return result["mode"] == mode and (weights == RANDOM or bool(result["boxes"]))


def _is_drawn(person: Person, run: str) -> bool:
    """Every layer reads what there is, and has a shape."""
    layers = person.layers(run)
    known = {"input", *(layer["name"] for layer in layers)}
    return bool(layers) and all(set(layer["inputs"]) <= known and layer["shape"] for layer in layers)


def _keeps(person: Person, model: str) -> bool:
    file = person.upload(f"{model}/note", model.encode())
    person.client.patch(f"/api/files/{file}", json={"path": f"{model}/renamed"}).raise_for_status()
    kept = person.get(f"/api/files/{file}/content").content
    person.client.delete(f"/api/files/{file}").raise_for_status()
    return kept == model.encode()


def _steps(person: Person, run: str) -> bool:
    """To the first layer, into the middle and to the end, with a picture of each."""
    layers = person.layers(run)
    for asked in ({"to": "forward"}, {"to": "layer", "layer": layers[len(layers) // 2]["name"]}, {"to": "end"}):
        visit = person.client.post(f"/api/runs/{run}/step", json=asked).raise_for_status().json()
        if not person.get(f"/api/runs/{run}/maps", layer=visit["layer"]).content.startswith(b"\x89PNG"):
            return False
    return bool(visit["layer"] == layers[-1]["name"])


def _crosses(person: Person, run: str) -> bool:
    page = person.get(f"/api/runs/{run}/cross.html").text
    layers = person.layers(run)
    return all(f">{layer['name']}<" in page for layer in layers)


def _augments(subject: WorkbenchSubject, model: NamedModel) -> bool:
    """Five pictures out of one show some values wider than the one does."""
    with (
        TemporaryDirectory() as store,
        workbench_process(Path(store)) as process,
        RemoteWorkbench(process.address) as bench,
    ):
        session = bench.open(model, None, subject.encoded, Mode.FLOAT)
        alone, augmented = (
            session.calibrate(CalibrationRequest("minmax", augment=augment), [subject.encoded]).values
            for augment in (False, True)
        )
    return any(augmented[name].chosen.scale > choice.chosen.scale for name, choice in alone.items())
