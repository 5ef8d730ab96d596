"""Settings read into a plain dataclass."""

from dataclasses import dataclass

import pytest

from services.edge.environment import read_settings, setting
from services.edge.errors import InvalidDeclaration


@dataclass(frozen=True)
class Example:
    name: str
    threads: int = setting(2, least=0)
    size: int = setting(1, most=9)
    share: float = setting(0.5)
    protocol: str = setting("grpc", one_of=("grpc", "rest"))


def test_values_take_the_type_of_their_default_and_other_prefixes_are_left_alone() -> None:
    read = read_settings(Example, "T_", {"T_NAME": "x", "T_THREADS": "3", "T_SHARE": "2", "OTHER": "y"})
    assert read == Example("x", 3, 1, 2.0, "grpc")


def test_every_fault_is_reported_at_once() -> None:
    given = {"T_THREAD": "1", "T_THREADS": "-1", "T_SIZE": "10", "T_SHARE": "much", "T_PROTOCOL": "soap"}
    with pytest.raises(InvalidDeclaration) as caught:
        read_settings(Example, "T_", given)
    assert str(caught.value).splitlines() == [
        "T_THREAD: no such setting; did you mean 'T_THREADS'?",
        "T_THREADS: -1 is below 0",
        "T_SIZE: 10 is above 9",
        "T_SHARE: 'much' is not a number",
        "T_PROTOCOL: 'soap' is not one of grpc, rest",
        "T_NAME: is missing",
    ]
