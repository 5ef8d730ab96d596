"""What a compiled model says of itself: all that serving it needs.

Standard library only: a cold start reads this first.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from services.edge.errors import ArtifactNotFound, InvalidDeclaration

FILE_NAME = "manifest.json"
INPUT_NAME = "image"
OUTPUT_NAME = "scores"
PICTURE, SOUND = "picture", "sound"


@dataclass(frozen=True)
class InputSpec:
    """How a picture, or a sound as a picture of its frequencies over time, becomes a tensor.

    Attributes:
        size: (H, W) of the tensor, in pixels; cut from the centre.
        resize: the shorter side, in pixels, before the cut.
        mean, std: per channel, in units of full brightness: value = (pixel / 255 - mean) / std.
        interpolation: of the resize, as torchvision names it.
        kind: picture, or sound: then `size` is bands of frequency and spectra over time, and nothing is resized.
        fit: `cut`, as above; or `letterbox`, Darknet's: the whole picture scaled into a grey frame of `size`, 0 to 1.
    """

    size: tuple[int, int]
    resize: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    kind: str = PICTURE
    fit: str = "cut"


@dataclass(frozen=True)
class HeadSpec:
    """What decoding needs to know of one detection head (`services.zoo.detection.Head`).

    Attributes:
        shape: of its value for one picture, (A * (5 + K), H, W).
    """

    shape: tuple[int, int, int]
    classes: int
    anchors: tuple[tuple[float, float], ...]
    in_cells: bool
    new_coords: bool
    distance_exponent: float | None


@dataclass(frozen=True)
class DetectionSpec:
    """How a detector's scores become boxes: they are its heads' values, one after the other.

    Attributes:
        threshold: the least score of a box.
        suppression_iou: a box that overlaps a better one of its class by more than this is dropped.
    """

    heads: tuple[HeadSpec, ...]
    threshold: float
    suppression_iou: float


@dataclass(frozen=True)
class Batching:
    """How requests that wait together run.

    Attributes:
        largest: pictures of a pass; 1 is each request by itself.
        wait_ms: how long a pass that could begin is held at most, where more requests are expected.
    """

    largest: int = 1
    wait_ms: float = 0.0


@dataclass(frozen=True)
class Manifest:
    """A compiled model.

    Attributes:
        version: digest of everything that went in.
        input_shape: [N, 3, H, W], N being -1: any.
        output_shape: [N, K] likewise; of a detector K is what its heads' values come to.
        labels: of the classes; empty where none were given.
        precision: of its layers, as its model file says.
        detection: of a detector; None where the answer is class scores.
    """

    name: str
    version: str
    runtime: str
    input_name: str
    input_shape: tuple[int, int, int, int]
    output_name: str
    output_shape: tuple[int, int]
    labels: tuple[str, ...]
    input_spec: InputSpec
    parameters: dict[str, float | int | str]
    precision: str = "float"
    batching: Batching = Batching()
    detection: DetectionSpec | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactNotFound where there is no compiled model, InvalidDeclaration where its manifest is broken."""
        path = folder / FILE_NAME
        try:
            content = json.loads(path.read_text())
            spec: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in content["input_spec"].items()
            }
            shapes = {key: tuple(content[key]) for key in ("input_shape", "output_shape", "labels")}
            others = {
                "input_spec": InputSpec(**spec),
                "batching": Batching(**content.get("batching", {})),
                "detection": _detection(content.get("detection")),
            }
            return cls(**{**content, **shapes, **others})
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"{folder}: no compiled model here ({FILE_NAME} is missing)") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidDeclaration(
                f"{path}: not the manifest of a compiled model: {error}; remove the folder, and it is compiled anew"
            ) from error

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`."""
        (folder / FILE_NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")


def _detection(content: dict[str, Any] | None) -> DetectionSpec | None:
    if content is None:
        return None
    heads = (
        {**head, "shape": tuple(head["shape"]), "anchors": tuple(map(tuple, head["anchors"]))}
        for head in content["heads"]
    )
    return DetectionSpec(**{**content, "heads": tuple(HeadSpec(**head) for head in heads)})
