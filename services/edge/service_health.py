"""A service of gRPC asked for its health, as Kubernetes' probes ask it."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


async def is_serving(channel: grpc.aio.Channel, timeout_s: float | None) -> bool:
    """Ask the server at the other end whether it serves. Raises AioRpcError where it gives no answer in time."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
