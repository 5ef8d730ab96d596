"""OIP over gRPC."""

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import grpc

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge.deadline import Deadline
from services.model.converters import answer_to_message, metadata_to_message, request_from_message
from services.model.domain import InferAnswer, InferRequest, check_address, describe, describe_server
from services.zoo.manifest import Manifest

if TYPE_CHECKING:
    _Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name


class Infers(Protocol):
    """A model, or a process that becomes the one that is asked for."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def ready(self) -> bool: ...

    async def infer(self, request: InferRequest, deadline: Deadline) -> InferAnswer: ...


class InferenceServicer(pb_grpc.GRPCInferenceServiceServicer):
    """One model under the Open Inference Protocol."""

    def __init__(self, model: Infers):
        self._model = model

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register with a server."""
        pb_grpc.add_GRPCInferenceServiceServicer_to_server(self, server)

    async def ServerLive(self, request: pb.ServerLiveRequest, context: "_Context") -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: "_Context") -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._model.ready)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: "_Context") -> pb.ModelReadyResponse:
        check_address(self._model.manifest, request.name, request.version)
        return pb.ModelReadyResponse(ready=self._model.ready)

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: "_Context") -> pb.ServerMetadataResponse:
        server = describe_server()
        return pb.ServerMetadataResponse(name=server.name, version=server.version, extensions=server.extensions)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: "_Context") -> pb.ModelMetadataResponse:
        check_address(self._model.manifest, request.name, request.version)
        return metadata_to_message(describe(self._model.manifest))

    async def ModelInfer(self, request: pb.ModelInferRequest, context: "_Context") -> pb.ModelInferResponse:
        deadline = Deadline.after(context.time_remaining())
        answering = self._model.infer(request_from_message(request), deadline)
        del request  # it holds the numbers once more
        return answer_to_message(await answering)
