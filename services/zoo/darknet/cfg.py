"""Darknet's cfg text: sections in square brackets, one `option=value` a line.

Darknet guesses where a file is wrong: it skips an unknown section, ignores a misspelt option, reads `filters=3x` as 3.
Here each of these is an `InvalidDeclaration` that names file, line, section and option.

Source: read_cfg and the parse_* functions of src/parser.c, github.com/pjreddie/darknet (September 2018); the options of
YOLOv4 from src/parser.c, github.com/AlexeyAB/darknet.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeVar, cast

from services.edge.errors import InvalidDeclaration

T = TypeVar("T")
ReadValue = Callable[[str], object]

_LARGEST_INTEGER = 2**31 - 1  # Darknet keeps options in a C int


def _integer(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or abs(int(text)) > _LARGEST_INTEGER:
        raise ValueError("a whole number of at most 31 bits")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(_integer(item) for item in text.split(","))
    except ValueError:
        raise ValueError("whole numbers with commas between") from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(_number(item) for item in text.split(","))
    except ValueError:
        raise ValueError("finite numbers with commas between") from None


def _word(text: str) -> str:
    if not text or text.split() != [text]:
        raise ValueError("one word")
    return text


def _options(reader: ReadValue, names: str) -> dict[str, ReadValue]:
    return dict.fromkeys(names.split(), reader)


# What may stand in each section. An option that is only for training is checked and otherwise ignored.
_TRAINING_OF_ANY_LAYER = _options(_integer, "stopbackward onlyforward") | _options(_number, "learning_rate")
_NET = (
    _options(
        _integer, "width height channels inputs batch subdivisions time_steps max_batches burn_in max_crop min_crop"
    )
    | _options(_integer, "random adam notruth center flip letter_box mosaic cutmix mixup optimized_memory step")
    | _options(_number, "learning_rate momentum decay angle saturation exposure hue aspect power gamma scale clip")
    | _options(_number, "max_ratio min_ratio B1 B2 eps ema_alpha")
    | _options(_word, "policy")
    | _options(_integers, "steps")
    | _options(_numbers, "scales")
)
_DETECTION = _options(_integer, "classes num random max") | _options(_numbers, "anchors") | _options(_number, "jitter")
_YOLO = (
    _DETECTION
    | _options(_integers, "mask")
    | _options(_number, "ignore_thresh truth_thresh scale_x_y resize beta_nms max_delta label_smooth_eps")
    | _options(_number, "cls_normalizer iou_normalizer obj_normalizer iou_thresh")
    | _options(_integer, "focal_loss objectness_smooth")
    | _options(_word, "iou_loss nms_kind")
)
_REGION = (
    _DETECTION
    | _options(_integer, "coords softmax background bias_match rescore absolute classfix log sqrt")
    | _options(_number, "thresh object_scale noobject_scale class_scale coord_scale mask_scale")
)
SECTIONS: Mapping[str, Mapping[str, ReadValue]] = {
    "net": _NET,
    "convolutional": _options(_integer, "filters size stride pad padding groups batch_normalize")
    | _options(_word, "activation"),
    "maxpool": _options(_integer, "size stride padding"),
    "avgpool": {},
    "route": _options(_integers, "layers") | _options(_integer, "groups group_id"),
    # size, stride and pad of a shortcut stand in Darknet's own files, which never reads them
    "shortcut": _options(_integer, "from size stride pad") | _options(_word, "activation"),
    "upsample": _options(_integer, "stride") | _options(_number, "scale"),
    "reorg": _options(_integer, "stride"),
    "softmax": _options(_integer, "groups") | _options(_number, "temperature"),
    "dropout": _options(_number, "probability"),
    "cost": _options(_word, "type") | _options(_number, "scale"),
    "region": _REGION,
    "yolo": _YOLO,
}
_OTHER_NAMES = {"network": "net", "conv": "convolutional", "max": "maxpool", "avg": "avgpool", "soft": "softmax"}


@dataclass(frozen=True)
class Option:
    """One value as written, without blanks, and the line it stands on (from 1)."""

    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Section:
    """One `[name]` with its options. Values are checked when it is made, so that no getter meets a malformed one."""

    name: str
    options: Mapping[str, Option]
    line: int = field(default=0, compare=False)
    file: str = field(default="cfg", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        if self.name not in SECTIONS:
            raise self.fault(f"unknown section; known are {', '.join(sorted(SECTIONS))}")
        for option in self.options:
            try:
                self._read(option)
            except ValueError as error:
                raise self.fault(f"{self.options[option].text!r} is not {error}", option) from None

    def fault(self, problem: str, option: str | None = None) -> InvalidDeclaration:
        """The error for a fault in this section, or in one option of it."""
        line = self.options[option].line if option is not None and option in self.options else self.line
        at = f", line {line}" if line else ""  # a network by name was never a text
        return InvalidDeclaration(f"{self.file}{at}, [{self.name}]{f' {option}' if option else ''}: {problem}")

    def integer(self, option: str, default: int | None = None, *, least: int | None = None) -> int:
        """The option's whole number, or the default.

        Raises:
            InvalidDeclaration: it is missing and has no default, or is below `least`.
        """
        value = self._value(option, default)
        if least is not None and value < least:
            raise self.fault(f"{value} is too small; the least is {least}", option)
        return value

    def number(self, option: str, default: float | None = None) -> float:
        """The option's number, or the default."""
        return self._value(option, default)

    def word(self, option: str, default: str | None = None) -> str:
        """The option's text, or the default."""
        return self._value(option, default)

    def integers(self, option: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The option's list of whole numbers, or the default."""
        return self._value(option, default)

    def numbers(self, option: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """The option's list of numbers, or the default."""
        return self._value(option, default)

    def _value(self, option: str, default: T | None) -> T:
        if option in self.options:
            return cast("T", self._read(option))  # SECTIONS gives the type that the getter names
        if default is None:
            raise self.fault("is missing", option)
        return default

    def _read(self, option: str) -> object:
        reader = SECTIONS[self.name].get(option) or _TRAINING_OF_ANY_LAYER.get(option)
        if reader is None:
            known = get_close_matches(option, SECTIONS[self.name], n=3) or sorted(SECTIONS[self.name]) or ["none"]
            raise self.fault(f"unknown option; known here: {', '.join(known)}", option)
        return reader(self.options[option].text)


def parse_cfg(text: str, file: str = "cfg") -> tuple[Section, ...]:
    """Read a cfg: the `[net]` section, then one section per layer.

    Args:
        file: what the messages call the text.
    Raises:
        InvalidDeclaration: a line is neither section, option nor comment; a section, option or value is unknown; an
            option stands twice in a section; the first section is not `[net]`.
    """
    sections: list[Section] = []
    name, opened, options = "", 0, dict[str, Option]()

    def close() -> None:
        if opened:
            sections.append(Section(name, options, opened, file))

    for line, raw in enumerate(text.split("\n"), start=1):
        content = "".join(raw.split())  # Darknet drops blanks everywhere, within values too
        if not content or content[0] in "#;":
            continue
        if content[0] == "[":
            close()
            if content[-1] != "]":
                raise InvalidDeclaration(
                    f"{file}, line {line}: {content[:40]!r} opens a section and does not close it with ']'"
                )
            written = content[1:-1]
            name, opened, options = _OTHER_NAMES.get(written, written), line, {}
            continue
        option, equals, value = content.partition("=")
        if not (option and equals and value):
            raise InvalidDeclaration(
                f"{file}, line {line}: {content[:40]!r} is neither [section] nor option=value nor a comment"
            )
        if not opened:
            raise InvalidDeclaration(
                f"{file}, line {line}: option {option!r} stands before the first section; begin with [net]"
            )
        if option in options:
            raise InvalidDeclaration(
                f"{file}, line {line}, [{name}] {option}: stands twice, first on line {options[option].line}"
            )
        options[option] = Option(value, line)
    close()
    if not sections or sections[0].name != "net":
        raise InvalidDeclaration(f"{file}, line {sections[0].line if sections else 1}: the first section must be [net]")
    return tuple(sections)


def write_cfg(sections: tuple[Section, ...]) -> str:
    """Write a cfg that `parse_cfg` reads back to equal sections. Comments of a file that was read are not kept."""
    return "\n".join(
        f"[{section.name}]\n" + "".join(f"{name}={option.text}\n" for name, option in section.options.items())
        for section in sections
    )
