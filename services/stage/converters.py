"""The stage's requests and answers <-> the messages of strata.stage.v1."""

import numpy as np

from services.artifacts.activation import precision_of_message
from services.artifacts.precision import Values
from services.contracts.strata.stage.v1 import activation_pb2, stage_pb2
from services.edge.errors import InvalidInput, ShapeMismatch
from services.edge.receipt_messages import line_to_message
from services.stage.domain import RunAnswer, RunRequest, ValuesAnswer
from services.zoo.stage_manifest import StageManifest


def request_from_message(message: stage_pb2.RunRequest) -> RunRequest:
    """Read a request. Raises InvalidInput: a precision that this build does not know."""
    try:
        precision = precision_of_message(message.precision)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return RunRequest(message.chain, message.input_url, message.output_url, precision)


def values_of_message(message: stage_pb2.InferRequest) -> Values:
    """Read values [N, ...]. Raises ShapeMismatch: the shape does not go with the bytes."""
    try:
        return np.frombuffer(message.values, "<f4").reshape(tuple(message.shape))
    except ValueError as error:
        raise ShapeMismatch(f"{len(message.values)} bytes of float32 are not {list(message.shape)}") from error


def inferred_to_message(answer: ValuesAnswer) -> stage_pb2.InferResponse:
    """Write the values of a few pictures."""
    return stage_pb2.InferResponse(
        shape=answer.values.shape,
        values=np.ascontiguousarray(answer.values, "<f4").tobytes(),
        line=line_to_message(answer.line),
        compute_ms=answer.compute_ms,
        cold=answer.cold,
    )


def answer_to_message(answer: RunAnswer) -> stage_pb2.RunResponse:
    """Write an answer."""
    outcome = answer.outcome
    return stage_pb2.RunResponse(
        pictures=[activation_pb2.PictureState(name=each.name, error=each.error) for each in outcome.pictures],
        line=line_to_message(outcome.line),
        peak_bytes=outcome.peak_bytes,
        cold=outcome.cold,
        reused=answer.reused,
    )


def description_to_message(manifest: StageManifest) -> stage_pb2.DescribeResponse:
    """Describe the stage to its driver."""
    return stage_pb2.DescribeResponse(
        model=manifest.model,
        chain=manifest.chain,
        stage=manifest.stage,
        stages=manifest.stages,
        name=manifest.name,
        runtime=manifest.runtime,
        labels=manifest.labels,
        input=stage_pb2.PictureInput(
            size=manifest.input_spec.size,
            resize=manifest.input_spec.resize,
            mean=manifest.input_spec.mean,
            std=manifest.input_spec.std,
            interpolation=manifest.input_spec.interpolation,
        ),
    )
