"""The driver's requests and answers <-> the messages of strata.stage.v1."""

from collections.abc import Sequence
from itertools import pairwise

from services.artifacts.activation import PictureState, StageOutcome, precision_to_message
from services.artifacts.precision import Encoding
from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.edge.receipt_messages import line_of_message
from services.edge.tracing import Carrier
from services.pipeline.domain import StageAnswer, StageDescription
from services.zoo.manifest import InputSpec


def request_to_message(chain: str, input_url: str, output_url: str, precision: Encoding) -> pb.RunRequest:
    """Ask a stage for a record's activation."""
    written = precision_to_message(precision)
    return pb.RunRequest(chain=chain, input_url=input_url, output_url=output_url, precision=written)


def journey_to_message(first: int, chain: str, urls: Sequence[str], precision: Encoding, trace: Carrier) -> pb.Journey:
    """Send a record through the stages from `first` on, as `Stages.take`; they join its trace."""
    requests = [request_to_message(chain, *each, precision) for each in pairwise(urls)]
    return pb.Journey(first=first, requests=requests, trace=trace)


def answer_of_message(answer: pb.RunResponse, seconds: float = 0.0) -> StageAnswer:
    """Read a stage's answer."""
    pictures = tuple(PictureState(each.name, each.error) for each in answer.pictures)
    outcome = StageOutcome(pictures, line_of_message(answer.line), answer.peak_bytes, answer.cold)
    return StageAnswer(outcome, answer.reused, seconds)


def description_of_message(said: pb.DescribeResponse) -> StageDescription:
    """Read what a stage says of itself."""
    spec = _spec(said.input) if said.HasField("input") else None
    return StageDescription(said.model, said.chain, said.stage, said.stages, said.name, tuple(said.labels), spec)


def _spec(said: pb.PictureInput) -> InputSpec:
    (height, width), (r, g, b), (std_r, std_g, std_b) = said.size, said.mean, said.std
    return InputSpec((height, width), said.resize, (r, g, b), (std_r, std_g, std_b), said.interpolation)
