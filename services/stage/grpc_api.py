"""The stage over gRPC."""

from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.contracts.strata.stage.v1 import stage_pb2_grpc as pb_grpc
from services.edge.tracing import note_span
from services.stage.converters import (
    answer_to_message,
    description_to_message,
    inferred_to_message,
    request_from_message,
    values_of_message,
)
from services.stage.usecases import Stage

if TYPE_CHECKING:
    _Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

SERVICE = pb.DESCRIPTOR.services_by_name["StageService"].full_name


class StageServicer(pb_grpc.StageServiceServicer):
    """One stage."""

    def __init__(self, stage: Stage):
        self._stage = stage

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register with a server."""
        pb_grpc.add_StageServiceServicer_to_server(self, server)

    async def Run(self, request: pb.RunRequest, context: "_Context") -> pb.RunResponse:
        return answer_to_message(await self._stage.run(request_from_message(request)))

    async def Infer(self, request: pb.InferRequest, context: "_Context") -> pb.InferResponse:
        answer = await self._stage.infer(request.chain, values_of_message(request))
        note_span("forward", answer.compute_ms / 1e3, stage=self._stage.manifest.name, cold=answer.cold)
        return inferred_to_message(answer)

    async def Describe(self, request: pb.DescribeRequest, context: "_Context") -> pb.DescribeResponse:
        return description_to_message(self._stage.manifest)
