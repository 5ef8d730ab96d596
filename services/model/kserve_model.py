"""The model under KServe's own server, chosen by MODEL_SERVER=kserve.

KServe brings its own copy of the protocol's messages, under the names ours have: this process never imports ours.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import grpc
import kserve
from kserve import errors as kserve_errors
from kserve import model_server

from services.edge.address import split_address
from services.edge.errors import InvalidInput
from services.edge.status import status_of
from services.model.domain import InferAnswer, InferRequest, TensorMetadata, describe
from services.model.settings import Settings
from services.model.tensors import BYTES, Tensor, check_nesting
from services.model.usecases import Model

_log = logging.getLogger(__name__)


class ServedModel(kserve.Model):  # type: ignore[misc]
    """KServe's hooks around our model."""

    def __init__(self, model: Model):
        super().__init__(model.manifest.name)
        self._model = model
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the inputs, as KServe's metadata call asks."""
        return _types(describe(self._model.manifest).inputs)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the outputs."""
        return _types(describe(self._model.manifest).outputs)

    async def predict(
        self,
        payload: kserve.InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002  the hook's signature
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> kserve.InferResponse:
        """Answer one request; errors become KServe's, so that its handlers find their status."""
        try:
            return _to_kserve(await self._model.infer(_from_kserve(payload)))
        except Exception as error:
            raise _error_to_kserve(error) from error


def serve_with_kserve(model: Model, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. There is no ready line: KServe does not say when it listens."""
    _, http_port = split_address(settings.http_address)
    grpc_port = split_address(settings.grpc_address)[1] if settings.grpc_address else None
    asyncio.run(model.load())
    asyncio.set_event_loop(asyncio.new_event_loop())  # KServe asks for a current one, then runs another
    # KServe reads these two from its command line alone.
    model_server.args.grpc_max_receive_message_length = settings.max_message_bytes
    model_server.args.grpc_max_send_message_length = settings.max_message_bytes
    server = kserve.ModelServer(
        http_port=http_port,
        grpc_port=grpc_port or 0,
        enable_grpc=grpc_port is not None,
        grace_period=int(settings.drain_s),
    )
    server.start([ServedModel(model)])


def _error_to_kserve(error: Exception) -> Exception:
    """Find the class of KServe's for an error; all others are faults of ours to it."""
    status = status_of(error)
    if status.incident:
        _log.error("incident %s", status.incident, exc_info=error)
    kinds = {
        grpc.StatusCode.INVALID_ARGUMENT: kserve_errors.InvalidInput,
        grpc.StatusCode.NOT_FOUND: kserve_errors.ModelNotFound,
        grpc.StatusCode.UNAVAILABLE: kserve_errors.ModelNotReady,
        # KServe has no class for a full queue; this one too says that asking again later may help.
        grpc.StatusCode.RESOURCE_EXHAUSTED: kserve_errors.ModelNotReady,
    }
    fault: Any = kinds.get(status.grpc_code, RuntimeError)(status.message)
    # KServe's gRPC handler reads the one, its HTTP handlers the other; no class of its own has both.
    fault.reason = fault.error_msg = status.message
    return cast(Exception, fault)


def _from_kserve(payload: kserve.InferRequest) -> InferRequest:
    inputs = tuple(_tensor(each) for each in payload.inputs)
    outputs = tuple(each.name for each in payload.request_outputs or ())
    return InferRequest(payload.model_name, payload.model_version or "", payload.id or "", inputs, outputs)


def _tensor(given: kserve.InferInput) -> Tensor:
    raw = given._raw_data is not None or "binary_data_size" in (given.parameters or {})
    if given.data and raw:
        raise InvalidInput(f"tensor '{given.name}': given twice, raw and as data; send it once")
    if given.data:
        check_nesting(given.name, given.data, given.shape)
    try:
        values = given.as_numpy()
    except (ValueError, TypeError, kserve_errors.InvalidInput) as error:
        raise InvalidInput(f"tensor '{given.name}': {error}") from error
    if given.datatype == BYTES:
        return Tensor.from_elements(given.name, given.shape, values.ravel().tolist())
    return Tensor.from_numbers(given.name, given.datatype, given.shape, values)


def _to_kserve(answer: InferAnswer) -> kserve.InferResponse:
    outputs = []
    for tensor in answer.outputs:
        output = kserve.InferOutput(tensor.name, list(tensor.shape), tensor.datatype)
        output.set_data_from_numpy(tensor.values)
        outputs.append(output)
    # KServe's copy of the messages has no double_param: fractions travel as text.
    cost = {key: str(value) if isinstance(value, float) else value for key, value in asdict(answer.cost).items()}
    return kserve.InferResponse(answer.id, answer.model, outputs, parameters=cost)


def _types(tensors: Sequence[TensorMetadata]) -> list[dict[str, Any]]:
    return [{"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in tensors]
