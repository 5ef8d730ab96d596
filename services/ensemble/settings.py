"""Settings of the front door and the graph: the environment variables that begin with ENSEMBLE_."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.edge.address import split_address
from services.edge.message_size import LARGEST_MESSAGE_BYTES
from services.edge.receipts import CLOUD_RUN, Tariff
from services.edge.settings import HostAndPort
from services.edge.settings import Settings as BaseSettings
from services.ensemble.members import SPARE, MemberAddress
from services.ensemble.receipt_log import LIMIT_BYTES

PREFIX = "ENSEMBLE_"


class TariffSetting(BaseModel):
    """The prices of receipts; what is left out is the default's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_cpu_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = CLOUD_RUN.per_cpu_second
    per_gb_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = CLOUD_RUN.per_gb_second
    per_request: Annotated[float, Field(ge=0, allow_inf_nan=False)] = CLOUD_RUN.per_request
    currency: str = CLOUD_RUN.currency


class Settings(BaseSettings):
    """Everything that can be set.

    Attributes:
        files: ensemble files, separated as in PATH.
        executor: where the graph runs: in this process, or in Ray Serve.
        http_address, grpc_address: host:port; port 0 takes any free one.
        members: JSON, model -> {"address": host:port, "authority": name, "max_batch": n, "max_message_bytes": n,
            "places": n}; all but the first may be left out.
        spare: host:port of a pod that answers for members that sleep, while these start; none where it is empty.
        max_pictures: in one request.
        max_ongoing: requests that may be under way at a time; one more is refused with QueueFull. Each has up to
            `fan_out.IN_FLIGHT` calls to a model under way, whose MODEL_MAX_QUEUE should be no less than all together.
            At most twice as many bodies are in memory, each of up to `max_message_bytes`.
        tariff: JSON: per_cpu_second, per_gb_second, per_request, currency.
        receipts: folder to keep every answer's receipt in, for `strata receipts`; none is kept without it.
        receipts_bytes: what all files in it together stay below; the oldest go first.
        token_key: who asks counts where a token says so that is signed with it, as the metadata or header
            `strata-owner`; 32 characters at least. Without it nobody has a name on a receipt.
        drain_s: what running requests get to end on SIGTERM.
    """

    files: tuple[Path, ...]
    executor: Literal["embedded", "ray"] = "embedded"
    http_address: HostAndPort = "127.0.0.1:0"
    grpc_address: HostAndPort = "127.0.0.1:0"
    members: dict[str, MemberAddress] = Field(default_factory=dict)
    spare: str = ""
    max_pictures: Annotated[int, Field(gt=0)] = 1000
    max_message_bytes: Annotated[int, Field(gt=0, le=LARGEST_MESSAGE_BYTES)] = 64 * 2**20
    max_ongoing: Annotated[int, Field(gt=0)] = 32
    tariff: TariffSetting = TariffSetting()
    token_key: Annotated[str, Field(pattern=r"^(\S{32,})?$")] = ""
    receipts: Path | None = None
    receipts_bytes: Annotated[int, Field(ge=2**16)] = LIMIT_BYTES
    drain_s: Annotated[float, Field(ge=0)] = 30.0

    @field_validator("files", mode="before")
    @classmethod
    def _split(cls, files: Any) -> Any:
        return [each for each in files.split(os.pathsep) if each] if isinstance(files, str) else files

    @field_validator("members", "tariff", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error

    @field_validator("spare")
    @classmethod
    def _host_and_port_or_none(cls, address: str) -> str:
        if address:
            split_address(address)
        return address

    def addresses(self) -> dict[str, MemberAddress]:
        """The members', and the spare pod's under its name where there is one."""
        return {**self.members, **({SPARE: MemberAddress(address=self.spare)} if self.spare else {})}

    def prices(self) -> Tariff:
        """Return the tariff."""
        return Tariff(**self.tariff.model_dump())


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Raises InvalidDeclaration with a line for each fault."""
    return Settings.from_environment(PREFIX, environment)
