"""Darknet's cfg text: sections in square brackets, one `option=value` a line.

Darknet guesses where a file is wrong: it skips an unknown section, ignores a misspelt option, reads `filters=3x` as 3.
Here each of these is an `InvalidDeclaration` that names file, line, section and option. What inference never reads is
taken as it is.

Source: read_cfg of src/parser.c and read_option of src/option_list.c, github.com/pjreddie/darknet (September 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeVar, cast

from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.options import (
    OF_ANY_LAYER_ONLY,
    OTHER_NAMES,
    READ,
    UNSUPPORTED,
    check_value,
    is_read,
    known_options,
)

T = TypeVar("T")


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
        if self.name in UNSUPPORTED:
            raise self.fault("this kind of layer is not supported")
        if self.name not in READ:
            raise self.fault(f"unknown section; known are {', '.join(sorted(READ))}")
        for option in self.options:
            self._check(option)

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
            return cast("T", READ[self.name][option](self.options[option].text))  # whose type the getter names
        if default is None:
            raise self.fault("is missing", option)
        return default

    def _check(self, option: str) -> None:
        known = known_options(self.name)
        if option not in known and option not in OF_ANY_LAYER_ONLY:
            alike = get_close_matches(option, known, n=3) or sorted(READ[self.name]) or ["none"]
            raise self.fault(f"unknown option; known here: {', '.join(alike)}", option)
        try:
            check_value(self.name, option, self.options[option].text)
        except ValueError as error:
            raise self.fault(f"{self.options[option].text[:40]!r} is not {error}", option) from None


def parse_cfg(text: str, file: str = "cfg") -> tuple[Section, ...]:
    """Read a cfg: the `[net]` section, then one section per layer.

    Args:
        file: what the messages call the text.
    Raises:
        InvalidDeclaration: a line is neither section, option nor comment; a section, option or value is unknown; an
            option that decides stands twice with two values; the first section is not `[net]`.
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
            name, opened, options = OTHER_NAMES.get(written, written), line, {}
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
        if option not in options:  # Darknet reads the first of two
            options[option] = Option(value, line)
        elif name in READ and is_read(name, option) and options[option].text != value:
            raise InvalidDeclaration(
                f"{file}, line {line}, [{name}] {option}: stands twice, first on line {options[option].line}"
            )
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
