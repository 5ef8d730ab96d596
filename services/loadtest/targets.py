"""What is asked, by its address: a front door over HTTP or gRPC, or one model under the Open Inference Protocol."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx

from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.errors import EnsembleNotFound, InvalidInput, Unavailable
from services.edge.grpc_channel import open_channel, read_reply
from services.edge.http_client import client_options, reason_of
from services.loadtest import messages
from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.run import Asker
from services.loadtest.samples import Ended
from services.loadtest.scenario import Request

DESCRIBE_S = 30.0


@dataclass(frozen=True)
class Address:
    """Where a target is.

    Attributes:
        scheme: http, grpc or oip.
        place: host:port.
        name: the ensemble, which may be empty; for oip the model.
        authority: the name an ingress knows it by; empty where the place is the target itself.
    """

    scheme: str
    place: str
    name: str
    authority: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}"


def read_address(target: str, ensemble: str = "", authority: str = "") -> Address:
    """Read http://HOST:PORT, grpc://HOST:PORT or oip://HOST:PORT/MODEL.

    Raises:
        InvalidInput: it is something else.
    """
    try:
        url = urlsplit(target)
        known = url.scheme in ("http", "grpc", "oip") and url.hostname and url.port
    except ValueError:
        known = None
    model = url.path.strip("/") if known else ""
    if not known or bool(model) != (url.scheme == "oip"):
        raise InvalidInput(f"target '{target}': expected http://HOST:PORT, grpc://HOST:PORT or oip://HOST:PORT/MODEL")
    return Address(url.scheme, url.netloc, model or ensemble, authority)


class GrpcEnsemble:
    """strata.ensemble.v1."""

    def __init__(self, channel: grpc.aio.Channel, address: Address):
        self._stub = pb_grpc.EnsembleServiceStub(channel)
        self._address = address

    async def describe(self) -> Target:
        """Raises Unavailable, or EnsembleNotFound."""
        try:
            listed = await self._stub.ListEnsembles(pb.ListEnsemblesRequest(), timeout=DESCRIBE_S)
        except grpc.aio.AioRpcError as error:
            raise unavailable(self._address, messages.ended_by_grpc(error).reason) from error
        return named_target(read_reply(listed, f"target {self._address}").ensembles, self._address)

    async def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        message = messages.predict_request(pictures, request, target)
        try:
            answer = await self._stub.Predict(message, timeout=request.patience_ms / 1e3)
            return messages.ended_by_prediction(read_reply(answer, "the target"), target, pictures)
        except grpc.aio.AioRpcError as error:
            return messages.ended_by_grpc(error)
        except Unavailable as error:
            return messages.ended_by_nonsense(error)


class GrpcModel:
    """The Open Inference Protocol."""

    def __init__(self, channel: grpc.aio.Channel, address: Address):
        self._stub = oip_grpc.GRPCInferenceServiceStub(channel)
        self._address = address

    async def describe(self) -> Target:
        """Raises Unavailable: also where the model is not there."""
        try:
            said = await self._stub.ModelMetadata(oip.ModelMetadataRequest(name=self._address.name), timeout=DESCRIBE_S)
        except grpc.aio.AioRpcError as error:
            raise unavailable(self._address, messages.ended_by_grpc(error).reason) from error
        read_reply(said, f"target {self._address}")
        return messages.target_of_model(self._address.name)

    async def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        message = messages.infer_request(target.ensemble, pictures)
        try:
            answer = await self._stub.ModelInfer(message, timeout=request.patience_ms / 1e3)
            return messages.ended_by_inference(read_reply(answer, "the target"), target, pictures)
        except grpc.aio.AioRpcError as error:
            return messages.ended_by_grpc(error)
        except Unavailable as error:
            return messages.ended_by_nonsense(error)


class HttpEnsemble:
    """The front door's HTTP: pictures as a form of many parts."""

    def __init__(self, client: httpx.AsyncClient, address: Address):
        self._client = client
        self._address = address

    async def describe(self) -> Target:
        """Raises Unavailable, or EnsembleNotFound."""
        try:
            async with asyncio.timeout(DESCRIBE_S):  # httpx's own is for each of its steps
                answer = (await self._client.get("/v1/ensembles", timeout=DESCRIBE_S)).raise_for_status()
            listed = messages.ensembles_of_json(answer.content)
        except (TimeoutError, httpx.HTTPError, *messages.UNREADABLE) as error:
            raise unavailable(self._address, reason_of(error)) from error
        return named_target(listed, self._address)

    async def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        form = messages.predict_form(pictures, request, target)
        patience_s = request.patience_ms / 1e3
        try:
            async with asyncio.timeout(patience_s):
                answer = await self._client.post(
                    form.path, params=form.parameters, headers=form.headers, files=form.files, timeout=patience_s
                )
        except TimeoutError:
            return messages.ended_by_http_error(httpx.ReadTimeout(f"no answer in {patience_s:g} s"))
        except httpx.HTTPError as error:
            return messages.ended_by_http_error(error)
        return messages.ended_by_http(answer.status_code, answer.content, target, pictures)


def named_target(ensembles: Sequence[pb.Ensemble], address: Address) -> Target:
    """Find the ensemble that an address names.

    Raises:
        EnsembleNotFound: names those there are.
    """
    found = messages.target_of_ensembles(ensembles, address.name)
    if found is None:
        asked = f"no ensemble '{address.name}'" if address.name else "several ensembles are served: name one"
        there = ", ".join(each.name for each in ensembles)
        raise EnsembleNotFound(f"{address.place}: {asked}; there are {there or 'none'}")
    return found


def unavailable(address: Address, why: str) -> Unavailable:
    """What is asked does not answer, or answers something else; httpx explains a status in lines of its own."""
    return Unavailable(f"target {address} does not answer as it should: {why.splitlines()[0]}")


def http_options(address: Address) -> dict[str, Any]:
    """Of an HTTP client: as many connections as there are requests."""
    return {
        **client_options(f"http://{address.place}"),
        "headers": {"host": address.authority} if address.authority else {},
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=None),
    }


@asynccontextmanager
async def open_asker(address: Address) -> AsyncIterator[Asker]:
    """Connect to a target."""
    if address.scheme == "http":
        async with httpx.AsyncClient(**http_options(address)) as client:
            yield HttpEnsemble(client, address)
        return
    async with open_channel(address.place, address.authority) as channel:
        yield GrpcEnsemble(channel, address) if address.scheme == "grpc" else GrpcModel(channel, address)
