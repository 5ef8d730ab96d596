"""What a measurement calls: a front door and a model, over gRPC, each answer with the time that it took."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.errors import MemberUnavailable
from services.edge.grpc_channel import open_blocking_channel

PARALLEL, SERIAL = pb.MODE_PARALLEL, pb.MODE_SERIAL
_TIMEOUT_S = 900


@dataclass(frozen=True)
class Timed:
    """One answer of an ensemble and the time from call to answer."""

    latency_ms: float
    answer: pb.PredictResponse

    @property
    def overhead_ms(self) -> float:
        """What is beyond the slowest member's own time."""
        return self.latency_ms - max(member.compute_ms for member in self.answer.members)


class BlockingFrontDoorClient:
    """A front door at host:port."""

    def __init__(self, address: str):
        self._stub = pb_grpc.EnsembleServiceStub(open_blocking_channel(address))

    def predict(
        self, ensemble: str, pictures: list[bytes], mode: "pb.Mode.ValueType" = PARALLEL, deadline_ms: int = 0
    ) -> Timed:
        """Ask once.

        Args:
            deadline_ms: 0 for the ensemble's own.
        Raises:
            MemberUnavailable: a member did not answer: the figure would be about something else.
        """
        request = pb.PredictRequest(ensemble=ensemble, pictures=pictures, mode=mode, top_k=1, deadline_ms=deadline_ms)
        start = time.perf_counter()
        answer = self._stub.Predict(request, timeout=_TIMEOUT_S)
        latency_ms = 1e3 * (time.perf_counter() - start)
        absent = [
            f"{each.model}: {each.error}" for each in answer.members if each.state != pb.MemberAnswer.STATE_ANSWERED
        ]
        if absent:
            raise MemberUnavailable(f"members of '{ensemble}' did not answer: {'; '.join(absent)}")
        return Timed(latency_ms, answer)


class BlockingModelClient:
    """A model at host:port; `authority` is the name an ingress knows it by."""

    def __init__(self, address: str, authority: str = ""):
        self._stub = oip_grpc.GRPCInferenceServiceStub(open_blocking_channel(address, authority))

    def infer(self, model: str, image: NDArray[np.float32], timeout_s: float = _TIMEOUT_S) -> tuple[float, float]:
        """Send one tensor [N, 3, H, W] and wait for its scores.

        Returns:
            latency_ms: from before the tensor is written to after the scores are read.
            compute_ms: of that, the forward pass, by the model's own clock.
        """
        start = time.perf_counter()
        tensor = oip.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=image.shape)
        request = oip.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[image.tobytes()])
        answer = self._stub.ModelInfer(request, timeout=timeout_s, wait_for_ready=True)
        np.frombuffer(answer.raw_output_contents[0], np.float32)
        latency_ms = 1e3 * (time.perf_counter() - start)
        return latency_ms, answer.parameters["compute_ms"].double_param
