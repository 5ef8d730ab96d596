"""A job, its stages, and which errors end what."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.artifacts.activation import StageOutcome
from services.artifacts.precision import Encoding
from services.edge.errors import (
    DeadlineExceeded,
    ExecutorLost,
    FailedPrecondition,
    InvalidInput,
    OtherChain,
    Unavailable,
)
from services.zoo.manifest import InputSpec

DEFAULT_TOP_K = 5
DEFAULT_WORKERS = 2


@dataclass(frozen=True)
class Job:
    """Records through a chain of stages.

    Attributes:
        chain: digest of the model and its cuts.
        stages: their names, in their order.
        records: the URL of their store.
        labels: of the classes; empty where none were given.
        activations: how stages write values for one another.
    """

    name: str
    model: str
    chain: str
    stages: tuple[str, ...]
    records: str
    labels: tuple[str, ...]
    top_k: int = DEFAULT_TOP_K
    activations: Encoding = Encoding.FLOAT32


@dataclass(frozen=True)
class StageDescription:
    """What a stage says of itself; `input` is how pictures become the first one's values."""

    model: str
    chain: str
    stage: int
    stages: int
    name: str
    labels: tuple[str, ...]
    input: InputSpec | None = None


def job_of(
    descriptions: Sequence[StageDescription],
    name: str,
    records: str,
    top_k: int = DEFAULT_TOP_K,
    activations: Encoding = Encoding.FLOAT32,
) -> Job:
    """Put a job together from what its stages, a chain, say of themselves."""
    first, last = descriptions[0], descriptions[-1]
    stages = tuple(each.name for each in descriptions)
    return Job(name, first.model, first.chain, stages, records, last.labels, top_k, activations)


@dataclass(frozen=True)
class StageAnswer:
    """A record's passage through one stage; `reused` where an earlier call had computed it.

    Attributes:
        seconds: that the record was with the stage; 0 where its driver is to say.
    """

    outcome: StageOutcome
    reused: bool
    seconds: float = 0.0


class Stages(Protocol):
    """The stages of a chain, wherever they are. What each raises is an error of ours."""

    def __len__(self) -> int: ...

    async def describe(self, stage: int) -> StageDescription:
        """Wake the stage where it sleeps, and ask what it is."""

    def take(
        self, first: int, chain: str, urls: Sequence[str], precision: Encoding
    ) -> AsyncGenerator[StageAnswer, None]:
        """Take a record through the stages from `first` on; each one's answer comes as soon as it is known.

        Args:
            urls: where the first one's input is, then where each is to write its activation.
        """


@dataclass(frozen=True)
class Retry:
    """How often and when to try again: "full jitter", so that many that failed together do not come back together.

    Source: Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.

    Attributes:
        tries: in all, of one record.
        random: a number from 0 to 1.
    """

    random: Callable[[], float]
    tries: int = 6
    first_s: float = 0.5
    longest_s: float = 20.0

    def pause_s(self, failures: int) -> float:
        """How long to wait after the n-th failure, from 1."""
        return self.random() * min(self.longest_s, self.first_s * 2.0**failures)


def may_pass(error: Exception) -> bool:
    """Tell whether the same call may succeed later."""
    return isinstance(error, Unavailable | DeadlineExceeded) and not isinstance(error, ExecutorLost)


def ends_the_job(error: Exception) -> bool:
    """Tell whether every other record would meet the same: a store that is full, a stage of another model."""
    return isinstance(error, FailedPrecondition | ExecutorLost)


def check_chain(descriptions: list[StageDescription]) -> None:
    """Refuse stages that do not form a chain.

    Raises:
        OtherChain: a stage of another chain, or at another's place; names both.
        InvalidInput: no stages at all.
    """
    if not descriptions:
        raise InvalidInput("a pipeline has at least one stage")
    first = descriptions[0]
    if first.stages != len(descriptions):
        raise OtherChain(f"model '{first.model}' is cut into {first.stages} stages, and {len(descriptions)} are given")
    for number, each in enumerate(descriptions):
        if (each.chain, each.stage) != (first.chain, number):
            raise OtherChain(
                f"at place {number} is stage {each.stage} of chain {each.chain} (model '{each.model}'), where stage "
                f"{number} of chain {first.chain} (model '{first.model}') is needed"
            )
