"""`targets` without an event loop, for Locust's users: its sockets and locks are gevent's, and so is gRPC's waiting."""

from collections.abc import Sequence
from typing import Protocol

import gevent
import grpc
import httpx
from grpc.experimental.gevent import init_gevent

from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.grpc_channel import open_blocking_channel
from services.edge.http_client import reason_of
from services.loadtest import messages
from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.samples import Ended
from services.loadtest.scenario import Request
from services.loadtest.targets import DESCRIBE_S, Address, http_options, named_target, unavailable

init_gevent()


class BlockingAsker(Protocol):
    """Sends one request and checks its answer; blocks its greenlet."""

    def describe(self) -> Target: ...

    def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended: ...


class BlockingEnsemble:
    """strata.ensemble.v1."""

    def __init__(self, address: Address):
        self._stub = pb_grpc.EnsembleServiceStub(open_blocking_channel(address.place, address.authority))
        self._address = address

    def describe(self) -> Target:
        """Raises Unavailable, or EnsembleNotFound."""
        try:
            listed = self._stub.ListEnsembles(pb.ListEnsemblesRequest(), timeout=DESCRIBE_S)
        except grpc.RpcError as error:
            raise unavailable(self._address, messages.ended_by_grpc(error).reason) from error
        return named_target(listed.ensembles, self._address)

    def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        message = messages.predict_request(pictures, request, target)
        try:
            answer = self._stub.Predict(message, timeout=request.patience_ms / 1e3)
        except grpc.RpcError as error:
            return messages.ended_by_grpc(error)
        return messages.ended_by_prediction(answer, target, pictures)


class BlockingModel:
    """The Open Inference Protocol."""

    def __init__(self, address: Address):
        self._stub = oip_grpc.GRPCInferenceServiceStub(open_blocking_channel(address.place, address.authority))
        self._address = address

    def describe(self) -> Target:
        """Raises Unavailable."""
        try:
            self._stub.ModelMetadata(oip.ModelMetadataRequest(name=self._address.name), timeout=DESCRIBE_S)
        except grpc.RpcError as error:
            raise unavailable(self._address, messages.ended_by_grpc(error).reason) from error
        return messages.target_of_model(self._address.name)

    def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        message = messages.infer_request(target.ensemble, pictures)
        try:
            answer = self._stub.ModelInfer(message, timeout=request.patience_ms / 1e3)
        except grpc.RpcError as error:
            return messages.ended_by_grpc(error)
        return messages.ended_by_inference(answer, target, pictures)


class BlockingHttpEnsemble:
    """The front door's HTTP: pictures as a form of many parts."""

    def __init__(self, address: Address):
        self._client = httpx.Client(**http_options(address))
        self._address = address

    def describe(self) -> Target:
        """Raises Unavailable, or EnsembleNotFound."""
        try:
            answer = self._client.get("/v1/ensembles", timeout=DESCRIBE_S).raise_for_status()
            listed = messages.ensembles_of_json(answer.content)
        except (httpx.HTTPError, *messages.UNREADABLE) as error:
            raise unavailable(self._address, reason_of(error)) from error
        return named_target(listed, self._address)

    def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended:
        """Send one request and check its answer."""
        form = messages.predict_form(pictures, request, target)
        patience_s = request.patience_ms / 1e3
        try:
            with gevent.Timeout(patience_s, httpx.ReadTimeout(f"no answer in {patience_s:g} s")):
                answer = self._client.post(
                    form.path, params=form.parameters, headers=form.headers, files=form.files, timeout=patience_s
                )
        except httpx.HTTPError as error:
            return messages.ended_by_http_error(error)
        return messages.ended_by_http(answer.status_code, answer.content, target, pictures)


def open_blocking_asker(address: Address) -> BlockingAsker:
    """Connect to a target."""
    if address.scheme == "http":
        return BlockingHttpEnsemble(address)
    return BlockingEnsemble(address) if address.scheme == "grpc" else BlockingModel(address)
