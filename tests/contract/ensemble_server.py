"""A gRPC server of the ensemble's protocol with no ensemble behind it: what `Predict` does is a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.grpc_server import GrpcServer, start_grpc


class EmptyServicer(pb_grpc.EnsembleServiceServicer):
    """Answers all but `Predict` with an empty message."""

    async def Wake(self, request: pb.WakeRequest, context: object) -> pb.WakeResponse:
        return pb.WakeResponse()

    async def ListEnsembles(self, request: pb.ListEnsemblesRequest, context: object) -> pb.ListEnsemblesResponse:
        return pb.ListEnsemblesResponse()


@asynccontextmanager
async def serving(servicer: EmptyServicer, max_message_bytes: int) -> AsyncIterator[GrpcServer]:
    """Serve with two places for calls, beside those that are kept for health checks."""
    add = lambda server: pb_grpc.add_EnsembleServiceServicer_to_server(servicer, server)  # noqa: E731
    name = pb.DESCRIPTOR.services_by_name["EnsembleService"].full_name
    server = await start_grpc("127.0.0.1:0", [(name, add)], max_message_bytes, max_calls=2)
    yield server
    await server.drain(0)
