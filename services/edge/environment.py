"""Settings without pydantic, for a process whose cold start cannot pay for its import (85 ms).

The same rules as `settings.Settings`: typed, frozen, every fault reported together, unknown names refused.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from services.edge.errors import InvalidDeclaration
from services.edge.suggestion import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _T = TypeVar("_T", bound=DataclassInstance)


def setting(
    default: Any, *, least: float | None = None, most: float | None = None, one_of: tuple[str, ...] | None = None
) -> Any:
    """Declare a field of a settings dataclass; its type is its default's.

    Args:
        least, most: the smallest and the largest number allowed.
        one_of: the texts allowed.
    """
    return field(default=default, metadata={"least": least, "most": most, "one_of": one_of})


def read_settings(kind: "type[_T]", prefix: str, environment: Mapping[str, str]) -> "_T":
    """Read every variable that starts with `prefix` into a frozen dataclass of strings, whole numbers and numbers.

    Raises:
        InvalidDeclaration: unknown variables or bad values; the message has a line for each.
    """
    known = {f"{prefix}{each.name.upper()}": each for each in fields(kind)}
    given = {name: text for name, text in environment.items() if name.startswith(prefix)}
    values, faults = {}, []
    for name, text in given.items():
        try:
            values[known[name].name] = _parse(known[name], text)
        except KeyError:
            faults.append(f"{name}: no such setting{did_you_mean(name, known)}")
        except ValueError as error:
            faults.append(f"{name}: {error}")
    faults += [f"{name}: is missing" for name, each in known.items() if each.default is MISSING and name not in given]
    if faults:
        raise InvalidDeclaration("\n".join(faults))
    return kind(**values)


def _parse(declared: "Field[Any]", text: str) -> Any:
    wanted = str if declared.default is MISSING else type(declared.default)
    try:
        value = wanted(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a {'whole number' if wanted is int else 'number'}") from None
    least, most, one_of = (declared.metadata.get(bound) for bound in ("least", "most", "one_of"))
    if least is not None and not value >= least:
        raise ValueError(f"{text} is below {least:g}")
    if most is not None and not value <= most:
        raise ValueError(f"{text} is above {most:.0f}")
    if one_of is not None and value not in one_of:
        raise ValueError(f"'{text}' is not one of {', '.join(one_of)}")
    return value
