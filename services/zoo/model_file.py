"""The file that declares one model: architecture, weights, labels, input."""

import math
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from services.edge.declaration import Declaration, read_declaration
from services.edge.errors import InvalidDeclaration, InvalidInput
from services.zoo.darknet.networks import NAMES, class_names
from services.zoo.detection_declaration import DetectionDeclaration
from services.zoo.manifest import InputSpec
from services.zoo.name_lists import read_names

RuntimeName: TypeAlias = Literal["torch", "onnxruntime", "openvino", "sleep"]
PrecisionName: TypeAlias = Literal["float", "hybrid", "int8", "auto"]
SLEEP = "sleep"
DARKNET = "darknet"
FLOAT: PrecisionName = "float"

Channels: TypeAlias = tuple[float, float, float]
Positive: TypeAlias = Annotated[int, Field(gt=0)]


class InputDeclaration(Declaration):
    """`input:` of a model file; the defaults are ImageNet's."""

    kind: Literal["picture", "sound"] = "picture"
    size: tuple[Positive, Positive] = (224, 224)
    resize: Positive | None = None
    mean: Channels = (0.485, 0.456, 0.406)
    std: Channels = (0.229, 0.224, 0.225)
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    fit: Literal["cut", "letterbox"] = "cut"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fit == "letterbox":
            fields = type(self).model_fields
            others = [
                name for name in fields if name not in ("size", "fit") and getattr(self, name) != fields[name].default
            ]
            if others:
                raise ValueError(f"leave {', '.join(others)} out: a letterboxed picture is as Darknet makes it")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        if self.resize is not None and self.resize < max(self.size):
            raise ValueError(f"resize {self.resize} is below the size {list(self.size)} that is cut from it")
        if self.kind == "sound" and not self.model_fields_set.isdisjoint(("resize", "interpolation")):
            raise ValueError("resize and interpolation are for pictures; a sound's spectra are made in their size")
        return self

    def spec(self) -> InputSpec:
        """The same with its default resize filled in: the longer side of `size`."""
        return InputSpec(
            self.size, self.resize or max(self.size), self.mean, self.std, self.interpolation, self.kind, self.fit
        )


class BatchingDeclaration(Declaration):
    """`batching:` of a model file, where it is not left to what was measured."""

    largest: Annotated[int, Field(gt=0, le=64)]
    wait_ms: Annotated[float, Field(ge=0, le=1000)] = 2.0


class ModelFile(Declaration):
    """One model as its user declares it.

    `folder` is where the file lies: `file://` references without a leading slash and `labels` are relative to it.
    `stages` is how a pipeline cuts the model unless asked otherwise: each stage's name and its last layer, in their
    order, the last stage's layer being null. A model of another precision than float has its integers from a file that
    `strata quant calibrate` wrote, or from a folder of pictures; both may be relative, the file an `s3://` reference.
    `batching` auto has requests that wait together run together where the compiled model gains by it.
    A Darknet network is one that is known by name as `architecture`, or `architecture: darknet` with its `cfg`, a
    path or an `s3://` reference.
    """

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$")]
    architecture: str | None = None
    parameters: dict[str, float | int | str] = Field(default_factory=dict)
    cfg: str | None = None
    classes: Positive | None = None
    weights: str
    labels: str | tuple[str, ...] | None = None
    input: InputDeclaration = InputDeclaration()
    runtime: Literal["auto"] | RuntimeName = "auto"
    precision: PrecisionName = FLOAT
    integers: str | None = None
    calibration: str | None = None
    detection: DetectionDeclaration | None = None
    stages: dict[str, str | None] = Field(default_factory=dict)
    batching: Literal["auto", "off"] | BatchingDeclaration = "auto"
    folder: Path

    @field_validator("weights")
    @classmethod
    def _known_scheme(cls, reference: str) -> str:
        schemes = ("torchvision://", "pretrained://", "file://", "s3://", "random://")
        if not reference.startswith(schemes):
            raise ValueError(f"'{reference}' must start with one of {', '.join(schemes)}")
        return reference

    @field_validator("stages")
    @classmethod
    def _only_the_last_has_no_layer(cls, stages: dict[str, str | None]) -> dict[str, str | None]:
        *others, last = stages.values() or [None]
        if last is not None or None in others:
            raise ValueError("each stage but the last names its last layer, and the last one null")
        return stages

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.architecture is None and not self.is_program:
            raise ValueError("architecture is missing; only .pt2 and .onnx files bring their own")
        if self.runtime == SLEEP or self.architecture == SLEEP:
            self._check_sleep()
        self._check_precision()
        self._check_darknet()
        self._check_detection()
        if self.architecture is not None and self.is_program:
            raise ValueError(f"leave architecture out: '{self.weights}' is a whole program, which brings its own")
        return self

    def _check_precision(self) -> None:
        given = [name for name in ("integers", "calibration") if getattr(self, name) is not None]
        if self.precision == FLOAT and given:
            raise ValueError(f"{given[0]} is for precision int8, hybrid or auto; precision float runs without")
        if self.precision == FLOAT:
            return
        if len(given) != 1:
            raise ValueError(
                f"precision {self.precision} needs integers: FILE, from `strata quant calibrate`, or "
                "calibration: FOLDER of pictures; one of them"
            )
        if self.precision == "auto" and self.calibration is not None:
            raise ValueError("precision auto needs integers: FILE, with the plan of `strata quant calibrate --auto`")
        if self.runtime in ("torch", SLEEP):
            raise ValueError(f"runtime {self.runtime} does not run integers; take auto, onnxruntime or openvino")

    def _check_darknet(self) -> None:
        if (self.cfg is not None) != (self.architecture == DARKNET):
            raise ValueError("architecture darknet and cfg: FILE go together; other networks have a name of their own")
        if self.is_darknet and self.runtime == "torch":
            raise ValueError("runtime torch does not run Darknet's networks; take auto, onnxruntime or openvino")
        if self.is_darknet and self.detection and self.detection.heads:
            raise ValueError("leave detection.heads out: a Darknet network's stand in its cfg")

    def _check_detection(self) -> None:
        if self.is_undivided != (self.input.fit == "letterbox"):
            raise ValueError(
                "Darknet's networks and ONNX programs with detection, and no others, have input {size: [H, W], "
                "fit: letterbox}, the size as in their cfg or program"
            )
        if self.detection is None:
            return
        if not self.is_undivided:
            raise ValueError("detection is for Darknet's detectors and ONNX programs")
        if self.detection.heads and not (self.classes or self.labels):
            raise ValueError("detection.heads are of so many classes: add classes: NUMBER, or labels")

    def _check_sleep(self) -> None:
        if self.architecture != SLEEP:
            raise ValueError("runtime sleep needs architecture sleep")
        known = {"delay_ms": None, "straggle_ms": 0, "straggle_share": 0, "straggle_above": 0, "classes": 1}
        for name in self.parameters:
            if name not in known:
                raise ValueError(f"parameters.{name}: architecture sleep has {', '.join(known)}")
        for name, most in {"delay_ms": math.inf, "straggle_ms": math.inf, "straggle_share": 1}.items():
            value = self.parameters.get(name, known[name])
            if not isinstance(value, float | int) or not 0 <= value <= most:
                bounds = "0 to 1" if most == 1 else "0 or more"
                raise ValueError(f"parameters.{name} of architecture sleep must be a number, {bounds}")
        if not isinstance(self.parameters.get("straggle_above", 0), float | int):
            raise ValueError("parameters.straggle_above of architecture sleep must be a number")
        classes = self.parameters.get("classes", 1)
        if not isinstance(classes, int) or classes < 1:
            raise ValueError("parameters.classes of architecture sleep must be a whole number above 0")

    @property
    def integer_reference(self) -> str | None:
        """Where the declared integers are, as a reference."""
        return _reference(self.integers)

    @property
    def cfg_reference(self) -> str | None:
        """Where the declared cfg is, as a reference."""
        return _reference(self.cfg)

    @property
    def calibration_folder(self) -> Path | None:
        """Where the pictures are that integers are to be made from."""
        return None if self.calibration is None else self.folder / self.calibration

    @property
    def is_darknet(self) -> bool:
        """True where the architecture is one of Darknet's."""
        return self.architecture in (DARKNET, *NAMES)

    @property
    def is_undivided(self) -> bool:
        """True of Darknet's networks and of ONNX detectors: served alone and whole, their pictures letterboxed."""
        return self.is_darknet or (self.is_onnx and self.detection is not None)

    @property
    def runs_as_engine(self) -> bool:
        """True where the engine is what the compiled forms are held to: in integers, and of what is undivided."""
        return self.precision != FLOAT or self.is_undivided

    @property
    def is_program(self) -> bool:
        """True where `weights` is a whole program, .pt2 or .onnx, not just numbers."""
        return self.weights.startswith(("file://", "s3://")) and self.weights.endswith((".pt2", ".onnx"))

    @property
    def is_onnx(self) -> bool:
        """True where `weights` is an ONNX program, which torch cannot run."""
        return self.is_program and self.weights.endswith(".onnx")

    def label_names(self) -> tuple[str, ...]:
        """Read the labels; where none are declared Darknet's own, of its detectors, else empty.

        Raises:
            InvalidDeclaration: the labels file is missing, empty, or not UTF-8.
        """
        if self.labels is None and self.architecture in NAMES:
            return class_names(self.architecture)
        if self.labels is None or isinstance(self.labels, tuple):
            return self.labels or ()
        path = self.folder / self.labels
        try:
            return read_names(path)
        except InvalidDeclaration as error:
            raise InvalidDeclaration(f"labels of model '{self.name}': {error}") from error


def _reference(place: str | None) -> str | None:
    """A path as a `file://` reference; a reference as it is."""
    return place if place is None or "://" in place else f"file://{place}"


def read_model_file(path: Path) -> ModelFile:
    """Raises InvalidDeclaration, naming file and field, for every fault at once."""
    return read_declaration(path, ModelFile, folder=path.parent.absolute())


def program_file(path: Path, size: tuple[int, int]) -> ModelFile:
    """Declare a `.pt2` or `.onnx` program by itself; `size` is (H, W) of its pictures.

    Raises:
        InvalidDeclaration: its file name cannot be a model's name.
    """
    name = path.stem.lower().replace("_", "-").replace(".", "-")
    try:
        return ModelFile(
            name=name, weights=f"file://{path.absolute()}", input=InputDeclaration(size=size), folder=Path("/")
        )
    except ValidationError as error:
        raise InvalidDeclaration(
            f"{path}: its file name cannot be a model's name; declare it in a model file"
        ) from error


def with_weights(declared: ModelFile, weights: str) -> ModelFile:
    """The same declaration with other weights, checked anew; a relative path starts at the working directory.

    Raises:
        InvalidInput: a reference that is malformed, or that does not go with the architecture.
    """
    where = f"file://{Path(weights.removeprefix('file://')).absolute()}" if weights.startswith("file://") else weights
    try:
        return ModelFile.model_validate({**declared.model_dump(exclude_unset=True), "weights": where})
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise InvalidInput(f"weights {weights}: {faults}") from error
