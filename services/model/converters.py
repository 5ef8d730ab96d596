"""OIP messages <-> requests and answers. Numbers stay where the message holds them; nothing is copied twice."""

from dataclasses import asdict

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.edge.errors import DtypeMismatch, InvalidInput
from services.model.domain import InferAnswer, InferRequest, Metadata, RequestCost, TensorMetadata
from services.model.tensors import BYTES, Tensor, dtype_of

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def request_from_message(message: pb.ModelInferRequest) -> InferRequest:
    """Read a request, its tensors raw or typed.

    Raises:
        InvalidInput: raw tensors for some of the inputs only, or a tensor given twice: raw and typed, or in two types.
        DtypeMismatch, ShapeMismatch: a malformed tensor.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidInput(f"{len(message.inputs)} inputs, but {len(raw)} raw_input_contents; send one for each")
    if raw:
        for each in message.inputs:
            if given := _filled(each.contents):
                raise InvalidInput(f"tensor '{each.name}': given twice, raw and as {given[0]}; send it once")
        inputs = [
            Tensor.from_raw(each.name, each.datatype, each.shape, data)
            for each, data in zip(message.inputs, raw, strict=True)
        ]
    else:
        inputs = [_typed(each) for each in message.inputs]
    outputs = tuple(each.name for each in message.outputs)
    return InferRequest(message.model_name, message.model_version, message.id, tuple(inputs), outputs)


def answer_to_message(answer: InferAnswer) -> pb.ModelInferResponse:
    """Write an answer, its tensors raw, its cost as parameters."""
    return pb.ModelInferResponse(
        model_name=answer.model,
        model_version=answer.version,
        id=answer.id,
        parameters=_parameters(answer.cost),
        outputs=[
            pb.ModelInferResponse.InferOutputTensor(name=each.name, datatype=each.datatype, shape=each.shape)
            for each in answer.outputs
        ],
        raw_output_contents=[each.to_raw() for each in answer.outputs],
    )


def metadata_to_message(metadata: Metadata) -> pb.ModelMetadataResponse:
    """Write a description."""
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=[metadata.version],
        platform=metadata.platform,
        inputs=map(_tensor_metadata, metadata.inputs),
        outputs=map(_tensor_metadata, metadata.outputs),
    )


def _tensor_metadata(tensor: TensorMetadata) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)


def _typed(message: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    if message.datatype not in _CONTENTS:
        dtype_of(message.name, message.datatype)
        raise DtypeMismatch(f"tensor '{message.name}': {message.datatype} has no typed form; send it raw")
    field = _CONTENTS[message.datatype]
    if others := [name for name in _filled(message.contents) if name != field]:
        raise InvalidInput(
            f"tensor '{message.name}': {others[0]} is filled; {message.datatype} is sent as {field} alone"
        )
    contents = getattr(message.contents, field)
    if message.datatype == BYTES:
        return Tensor.from_elements(message.name, message.shape, list(contents))
    return Tensor.from_numbers(message.name, message.datatype, message.shape, contents)


def _filled(contents: pb.InferTensorContents) -> list[str]:
    """The fields of a tensor's contents that hold something."""
    return [field.name for field, _ in contents.ListFields()]


def _parameters(cost: RequestCost) -> dict[str, pb.InferParameter]:
    return {name: _parameter(value) for name, value in asdict(cost).items()}


def _parameter(value: float | bool) -> pb.InferParameter:
    if isinstance(value, bool):
        return pb.InferParameter(bool_param=value)
    if isinstance(value, int):
        return pb.InferParameter(int64_param=value)
    return pb.InferParameter(double_param=value)
