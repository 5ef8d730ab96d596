"""Declarations: small YAML files that people write, validated with every fault named."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from services.edge.errors import InvalidDeclaration
from services.edge.suggestion import did_you_mean


class _Yaml(yaml.SafeLoader):
    """YAML as its version 1.2 and JSON write numbers: 1e-05 is one, where version 1.1 wants 1.0e-05.

    A key that is given twice is a fault, as that version has it: PyYAML would take the last one without a word.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping's keys and values, before any that an anchor brings are among them."""
        node = super().compose_mapping_node(anchor)
        seen = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key.value}' is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node


_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789"))


class Declaration(BaseModel):
    """Base of everything that is declared in a file: frozen; a key it does not know is a fault, as is .nan or .inf."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Declared = TypeVar("Declared", bound=Declaration)


def read_declaration(path: Path, kind: type[Declared], **extra: object) -> Declared:
    """Read one declaration; `extra` are fields that the file cannot give, as the folder it lies in.

    Raises:
        InvalidDeclaration: the file is missing, no YAML, or has faults: a line for each, with file and field.
    """
    try:
        content = yaml.load(path.read_text(), _Yaml)
    except OSError as error:
        raise InvalidDeclaration(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not text, or an impossible date
        raise InvalidDeclaration(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InvalidDeclaration(f"{path}: expected keys and values, found {type(content).__name__}")
    try:
        return kind.model_validate({**content, **extra})
    except ValidationError as error:
        faults = [f"{path}: {_describe(fault, kind)}" for fault in _causes(error.errors())]
        raise InvalidDeclaration("\n".join(faults)) from error


def _causes(faults: Sequence[Any]) -> list[Any]:
    """Leave out those of a whole whose parts are at fault: a list of faulty items counts as empty besides."""
    places = [fault["loc"] for fault in faults]
    return [
        fault
        for fault in faults
        if not any(len(place) > len(fault["loc"]) and place[: len(fault["loc"])] == fault["loc"] for place in places)
    ]


def _describe(fault: Any, kind: type[BaseModel]) -> str:
    place = ".".join(map(str, fault["loc"])) or "whole file"
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    return f"{place}: no such key{did_you_mean(str(fault['loc'][-1]), _keys_beside(fault['loc'], kind))}"


def _keys_beside(location: tuple[int | str, ...], kind: type[BaseModel]) -> list[str]:
    """List the keys that are allowed where the unknown one stands."""
    for part in location[:-1]:
        field = kind.model_fields.get(str(part))
        if field is None:
            continue
        nested = [each for each in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_model(each)]
        if not nested:
            return []
        kind = nested[0]
    return list(kind.model_fields)


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
