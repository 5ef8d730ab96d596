"""The engine that a model file declares: its graph, its integers, its plan."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from quant.calibration import calibrate
from quant.cpu import this_cpu
from quant.engine import Engine
from quant.graph import Graph
from quant.observations import observe
from quant.precision import Mode
from quant.reconstruction import picture_count, refine
from services.edge.errors import InvalidDeclaration, NotAPicture, PictureTooLarge
from services.edge.onednn import isa_cap
from services.edge.progress import Progress, no_progress
from services.zoo.graph_codec import digest_of_graph
from services.zoo.integer_codec import decode_integers
from services.zoo.integers import Integers, plan_of
from services.zoo.model_file import FLOAT, ModelFile
from services.zoo.picture_files import find_pictures, read_picture_file
from services.zoo.preprocessing import decode, preprocess
from services.zoo.weight_references import fetch


@dataclass(frozen=True, eq=False)
class DeclaredGraph:
    """A declared model's graph, as integers know it."""

    name: str
    graph: Graph

    @property
    def digest(self) -> str:
        return digest_of_graph(self.graph)


def declared_engine(model_file: ModelFile, graph: Graph, report: Progress = no_progress) -> Engine:
    """Make a model's engine ready; with `calibration`, choose its scales now, and refine; in float it has none.

    Args:
        graph: the declared model's, in float.
    Raises:
        OtherModel, ForeignFile, DamagedFile, OtherVersion, ArtifactNotFound: the integers are at fault.
        NoAutoPlan: precision auto, and integers without its plan.
        InvalidDeclaration, EmptyBatch: the folder of pictures is at fault.
    """
    model = DeclaredGraph(model_file.name, graph)
    if model_file.precision == FLOAT:
        integers = Integers()
    elif reference := model_file.integer_reference:
        integers = decode_integers(fetch(reference, model_file.folder), model, reference)
    else:
        integers = _calibrated(model_file, model, report)
    mode = Mode(model_file.precision)
    plan = plan_of(model.name, model.graph, mode, integers)
    return Engine(model.graph, plan, integers.calibration_in(mode), cpu=this_cpu(isa_cap()))


def _calibrated(model_file: ModelFile, model: DeclaredGraph, report: Progress) -> Integers:
    assert model_file.calibration_folder
    paths = find_pictures([model_file.calibration_folder])
    _check_classes(model_file, paths)
    refined_on, every = list[Tensor](), math.ceil(len(paths) / picture_count(model.graph))

    def inputs() -> Iterator[Tensor]:
        for done, path in enumerate(paths):
            report(f"{model.name}: calibrating", done, len(paths))
            try:
                x = preprocess(decode(read_picture_file(path)), model_file.input.spec())[None]
            except (NotAPicture, PictureTooLarge, OSError) as error:
                raise InvalidDeclaration(f"calibration of model '{model.name}': {path}: {error}") from error
            if done % every == 0:
                refined_on.append(x)
            yield x

    found = calibrate(model.graph.layers, observe(model.graph, inputs()), bits=this_cpu().weight_bits)
    return Integers(refine(model.graph, found, torch.cat(refined_on)).calibration)


def _check_classes(model_file: ModelFile, paths: Sequence[Path]) -> None:
    """Pictures of one class show what is alike in them, and leave the others' values to be clipped."""
    classes = {path.parent.name for path in paths} & set(model_file.label_names())
    if len(classes) == 1 and all(path.parent.name in classes for path in paths):
        raise InvalidDeclaration(
            f"calibration of model '{model_file.name}': all {len(paths)} pictures are of the class "
            f"'{classes.pop()}'; calibrate on pictures of several"
        )
