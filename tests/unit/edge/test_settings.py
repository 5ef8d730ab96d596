import pytest

from services.edge.errors import InvalidDeclaration
from services.edge.settings import Settings


class Example(Settings):
    max_batch: int = 64
    name: str


def test_variables_under_the_prefix_become_fields() -> None:
    assert Example.from_environment("X_", {"X_NAME": "a", "X_MAX_BATCH": "8", "OTHER": "1"}) == Example(
        name="a", max_batch=8
    )


def test_every_fault_is_reported_at_once_with_the_variables_name() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        Example.from_environment("X_", {"X_MAX_BACH": "8", "X_MAX_BATCH": "many"})
    message = str(caught.value)
    assert "X_MAX_BACH: no such setting; did you mean 'X_MAX_BATCH'?" in message
    assert "X_MAX_BATCH: " in message
    assert "X_NAME: Field required" in message
