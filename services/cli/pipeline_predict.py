"""`strata pipeline predict`: pictures through a chain of stages, each answered as it comes, without the store."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.ensemble_answers import ask_for_each, print_answers
from services.cli.ensemble_source import Embedded
from services.cli.ensemble_tables import Answered, Refused
from services.cli.local_chains import compile_chain, local_members
from services.cli.pipeline_model import ChainWanted, choose_cutting, find_model
from services.cli.steps import showing_progress
from services.edge.errors import InvalidInput, Unavailable
from services.edge.progress import Progress
from services.ensemble.chains import ChainedMembers
from services.ensemble.domain import Ensemble, EnsembleMode, Member, Rule
from services.ensemble.http_bodies import EnsembleBody
from services.ensemble.members import MemberAddress, Members, StageAddress, StaticMembers, chains_of
from services.ensemble.served import Served
from services.ensemble.settings import Settings
from services.ensemble.usecases import Predictor
from services.local.running import state_folder
from services.pipeline.client import open_stages, split_service
from services.pipeline.domain import StageDescription, check_chain
from services.zoo.model_file import InputDeclaration, ModelFile

DEFAULT_DEADLINE_MS = 10_000
_IDLE_S = 3600.0
_WAKE_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class WantedAnswers(ChainWanted):
    """What the command was asked for."""

    services: str
    deadline_ms: int | None


def predict_pictures(wanted: WantedAnswers, pictures: Sequence[Path], as_json: bool) -> int:
    """Ask for each picture, print the answers with what each stage took, and return the exit code."""
    answered, refused = asyncio.run(_predict(wanted, pictures))
    code = print_answers(answered, refused, summary=False, as_json=as_json)
    if not as_json:
        Console().print(_stage_table(answered), highlight=False)
    return code


async def _predict(wanted: WantedAnswers, pictures: Sequence[Path]) -> tuple[list[Answered], list[Refused]]:
    console = Console(stderr=True)
    with showing_progress("starting the stages", console) as progress:
        opened = _elsewhere(wanted) if wanted.services else _here(wanted, progress)
        async with opened as predictor:
            (description,) = predictor.describe()
            body = EnsembleBody.of(description)
            return await ask_for_each(Embedded(predictor), body, pictures, None, wanted.deadline_ms, console)


@asynccontextmanager
async def _here(wanted: WantedAnswers, progress: Progress) -> AsyncIterator[Predictor]:
    """Start the stages as child processes that end with this one."""
    model_file = find_model(wanted.model, wanted.weights)
    cutting = choose_cutting(model_file, wanted.stages, wanted.at)
    chain = compile_chain(model_file, cutting, wanted.runtime, progress)
    name = model_file.name
    async with local_members({}, {name: chain}, state_folder(os.environ) / "logs", _IDLE_S) as members:
        for fault in (await ChainedMembers(members, {name: chain.services}).wake([name])).values():
            raise Unavailable(fault)
        yield _predictor(model_file, members, {name: chain.services})


@asynccontextmanager
async def _elsewhere(wanted: WantedAnswers) -> AsyncIterator[Predictor]:
    """Wake stages that run elsewhere, and have them say what they are."""
    places = [split_service(each) for each in wanted.services.split(",")]
    async with open_stages(places, _WAKE_TIMEOUT_S) as client:
        descriptions = await asyncio.gather(*map(client.describe, range(len(places))))
    check_chain(descriptions)
    model_file = _model_of(descriptions)
    if model_file.name not in (wanted.model, Path(wanted.model).stem):
        raise InvalidInput(f"--services are stages of model '{model_file.name}', not of '{wanted.model}'")
    stages = tuple(
        StageAddress(name=each.name, address=address, authority=authority)
        for each, (address, authority) in zip(descriptions, places, strict=True)
    )
    addresses = {model_file.name: MemberAddress(stages=stages)}
    members = StaticMembers(addresses)
    try:
        yield _predictor(model_file, members, chains_of(addresses))
    finally:
        await members.close()


def _model_of(descriptions: Sequence[StageDescription]) -> ModelFile:
    """What stages say of their model, as a model file: how it takes pictures, its labels. Its weights are theirs."""
    first, last = descriptions[0], descriptions[-1]
    if first.input is None:
        raise Unavailable("the first stage does not say how it takes pictures: it is of an older version; upgrade it")
    declared = InputDeclaration.model_validate(asdict(first.input))
    return ModelFile(
        name=first.model,
        architecture="stages",
        weights="random://0",
        labels=last.labels or None,
        input=declared,
        folder=Path(),
    )


def _predictor(model_file: ModelFile, members: Members, chains: Mapping[str, Sequence[str]]) -> Predictor:
    """An ensemble of one."""
    from services.ensemble.graph import build_predictor  # imports torch, which prepares pictures

    name = model_file.name
    ensemble = Ensemble(name, (Member(name),), Rule.MEAN, EnsembleMode.PARALLEL, DEFAULT_DEADLINE_MS)
    served = Served(ensemble, {name: model_file}, model_file.label_names(), None)
    return build_predictor({name: served}, members, Settings(files=()), chains)


def _stage_table(answered: Sequence[Answered]) -> Table:
    """What each stage took, over all pictures."""
    numbers = [Column(name, justify="right") for name in ("CPU ms", "GiB·s", "in kB", "out kB", "µUSD")]
    table = Table("stage", *numbers, box=SIMPLE)
    lines = [line for each in answered for line in each.answer.receipt.lines]
    for name in dict.fromkeys(line.name for line in lines):
        own = [line for line in lines if line.name == name]
        table.add_row(
            escape(name.rpartition("/")[2]),
            f"{1e3 * sum(line.cpu_seconds for line in own):.1f}",
            f"{sum(line.gb_seconds for line in own):.4f}",
            f"{sum(line.bytes_in for line in own) / 1e3:.1f}",
            f"{sum(line.bytes_out for line in own) / 1e3:.1f}",
            f"{1e6 * sum(line.money for line in own):.2f}",
        )
    return table
