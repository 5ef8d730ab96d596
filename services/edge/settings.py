"""Settings from the environment: typed, frozen, every fault reported together, unknown names refused."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from services.edge.address import split_address
from services.edge.errors import InvalidDeclaration
from services.edge.suggestion import did_you_mean


def _host_and_port(address: str) -> str:
    split_address(address)
    return address


HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
"""An address to listen at; port 0 takes any free one."""


class Settings(BaseModel):
    """Base of each service's settings: field `max_batch`, prefix `MODEL_`: variable `MODEL_MAX_BATCH`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_environment(cls, prefix: str, environment: Mapping[str, str]) -> Self:
        """Read every variable that starts with `prefix`.

        Raises:
            InvalidDeclaration: unknown variables or bad values; the message has a line for each.
        """
        given = {
            name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)
        }
        known = [f"{prefix}{name.upper()}" for name in cls.model_fields]
        unknown = [name for name in given if name not in cls.model_fields]
        faults = [
            f"{variable}: no such setting{did_you_mean(variable, known)}"
            for variable in (f"{prefix}{name.upper()}" for name in unknown)
        ]
        try:
            settings = cls.model_validate({name: value for name, value in given.items() if name not in unknown})
        except ValidationError as error:
            faults += [
                f"{prefix}{'.'.join(map(str, each['loc'])).upper()}: {each['msg'].removeprefix('Value error, ')}"
                for each in error.errors()
            ]
        if faults:
            raise InvalidDeclaration("\n".join(faults))
        return settings
