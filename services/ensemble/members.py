"""Where members are: at addresses that stay, one channel each, opened at the first request and kept open."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Protocol, Self

import grpc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.edge.errors import ModelNotFound
from services.edge.grpc_channel import open_channel
from services.edge.message_size import LARGEST_MESSAGE_BYTES
from services.edge.suggestion import did_you_mean
from services.ensemble.places import PLACES
from services.ensemble.preparation import CallLimits

SPARE = "a spare pod"
"""Among addresses by model; no model can have this name."""


class Members(Protocol):
    """Where models are. Ask at each request: what keeps them running learns from it that they are used."""

    async def channel(self, model: str) -> grpc.aio.Channel: ...

    async def wake(self, models: Iterable[str]) -> dict[str, str]:
        """Start those that do not run, as far as that is ours, and wait; return those that did not start, and why."""

    def starting(self) -> frozenset[str]:
        """Return those that are known to start just now."""


class StageAddress(BaseModel):
    """Where a stage of a model is: its name, host:port, and the name the ingress knows it by, where it differs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    address: str
    authority: str = ""


class MemberAddress(BaseModel):
    """Where a model is, and what it takes.

    Attributes:
        address: host:port; empty where it is cut into stages.
        authority: the name the ingress knows it by, where it differs.
        max_batch, max_message_bytes: of one call, as the model's own settings have them.
        places: requests that may have tensors on their way to it at a time; two for each of its processes keep it busy,
            and one that runs requests together is sent more.
        stages: in their order, of a model that is cut; empty where it is whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = ""
    authority: str = ""
    stages: tuple[StageAddress, ...] = ()
    max_batch: Annotated[int, Field(gt=0)] = CallLimits.max_batch
    max_message_bytes: Annotated[int, Field(gt=0, le=LARGEST_MESSAGE_BYTES)] = CallLimits.max_message_bytes
    places: Annotated[int, Field(gt=0)] = PLACES

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if bool(self.address) == bool(self.stages):
            raise ValueError("give the address of a whole model, or the stages of one that is cut")
        return self

    @property
    def limits(self) -> CallLimits:
        """What it takes in one call."""
        return CallLimits(self.max_batch, self.max_message_bytes)


def stage_service(model: str, stage: str) -> str:
    """What the service of a model's stage is called among members."""
    return f"{model}/{stage}"


def chains_of(addresses: Mapping[str, MemberAddress]) -> dict[str, tuple[str, ...]]:
    """The models that are cut, and the services of their stages, in their order."""
    return {
        model: tuple(stage_service(model, stage.name) for stage in address.stages)
        for model, address in addresses.items()
        if address.stages
    }


class SpareMember:
    """Every model at the spare pod, which is found under the name SPARE."""

    def __init__(self, services: Members):
        self._services = services

    async def channel(self, model: str) -> grpc.aio.Channel:  # noqa: ARG002
        """The channel of the spare pod."""
        return await self._services.channel(SPARE)

    async def wake(self, models: Iterable[str]) -> dict[str, str]:  # noqa: ARG002
        """Start nothing: a spare pod runs."""
        return {}

    def starting(self) -> frozenset[str]:
        """None."""
        return frozenset()


class StaticMembers:
    """Models, and stages of models, at known addresses, as Knative's are."""

    def __init__(self, addresses: Mapping[str, MemberAddress]):
        stages = {
            stage_service(model, stage.name): MemberAddress(address=stage.address, authority=stage.authority)
            for model, address in addresses.items()
            for stage in address.stages
        }
        self._addresses = {**{name: each for name, each in addresses.items() if each.address}, **stages}
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def channel(self, model: str) -> grpc.aio.Channel:
        """Return the model's channel.

        Raises:
            ModelNotFound: no address is known.
        """
        if model not in self._addresses:
            known = sorted(self._addresses)
            raise ModelNotFound(f"no address is set for model '{model}'{did_you_mean(model, known)}")
        if model not in self._channels:
            place = self._addresses[model]
            self._channels[model] = open_channel(place.address, place.authority)
        return self._channels[model]

    async def wake(self, models: Iterable[str]) -> dict[str, str]:  # noqa: ARG002
        """Start nothing: models at known addresses run, or start at the call."""
        return {}

    def starting(self) -> frozenset[str]:
        """None: who calls a model at an address does not see it start."""
        return frozenset()

    async def connect(self, models: Iterable[str], timeout_s: float) -> dict[str, str]:
        """Open the channels of `models`; return those that could not be opened in time, and why.

        A name that is looked up during a request fails it when the answer is late, and the requests after it until gRPC
        asks again.
        """

        async def open_channel(model: str) -> str:
            try:
                channel = await self.channel(model)
                await asyncio.wait_for(channel.channel_ready(), timeout_s)
            except ModelNotFound as error:
                return str(error)
            except TimeoutError:
                return f"{self._addresses[model].address} could not be reached within {timeout_s:g} s"
            return ""

        models = list(models)
        faults = await asyncio.gather(*map(open_channel, models))
        return {model: fault for model, fault in zip(models, faults, strict=True) if fault}

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
