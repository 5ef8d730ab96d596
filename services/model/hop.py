"""What the way to a model costs: a gRPC client's time minus the time of the forward pass in its process."""

import time
from dataclasses import dataclass

import grpc
import numpy as np

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.model.domain import Images


@dataclass(frozen=True)
class Hop:
    """Of one request after the other: medians over all requests."""

    client_ms: float
    forward_ms: float
    hop_ms: float


async def measure_hop(channel: grpc.aio.Channel, model: str, image: Images, requests: int, warm_up: int = 10) -> Hop:
    """Send `image` again and again, raw, and compare the client's clock with the model's own.

    Each request's hop is its own client time minus its own forward pass, so a slow pass does not count as a hop.

    Args:
        image: [N, C, H, W] float32.
        warm_up: requests before the first that counts.
    """
    stub = pb_grpc.GRPCInferenceServiceStub(channel)
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=image.shape)
    client_ms, forward_ms = [], []
    for n in range(warm_up + requests):
        began_s = time.perf_counter()
        # A client writes its tensor anew each time: that is part of the way.
        request = pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[image.tobytes()])
        answer = await stub.ModelInfer(request)
        np.frombuffer(answer.raw_output_contents[0], np.float32)
        if n >= warm_up:
            client_ms.append((time.perf_counter() - began_s) * 1e3)
            forward_ms.append(answer.parameters["compute_ms"].double_param)
    hop_ms = np.subtract(client_ms, forward_ms)
    return Hop(float(np.median(client_ms)), float(np.median(forward_ms)), float(np.median(hop_ms)))
