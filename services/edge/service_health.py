"""A service of gRPC asked for its health, as Kubernetes' probes ask it."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.edge.grpc_channel import read_reply


async def is_serving(channel: grpc.aio.Channel, timeout_s: float | None) -> bool:
    """Ask the server at the other end whether it serves.

    Raises:
        AioRpcError: it gives no answer in time.
        Unavailable: it answers something else.
    """
    health: Any = health_pb2_grpc.HealthStub(channel)
    answer = read_reply(await health.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s), "the server")
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
