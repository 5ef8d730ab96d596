"""A spare process: whose it is, until when, and what becomes of one whose model does not load."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from services.edge.errors import ModelNotFound, NotReady
from services.edge.meter import Reading
from services.model.domain import Images, InferRequest
from services.model.ledger import Ledger
from services.model.spare import Spare
from services.model.tensors import Tensor
from services.model.usecases import Model
from services.zoo.manifest import Manifest

REST_S = 30.0


class Clock:
    """Moves when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Folder:
    """Models "one" and "two", which answer zeros, and "broken"; counts what is opened."""

    def __init__(self, manifest: Manifest):
        self._manifest = manifest
        self.opened: list[str] = []

    def open(self, name: str) -> Model:
        if name not in ("one", "two", "broken"):
            raise ModelNotFound(f"no model '{name}'")
        self.opened.append(name)

        def forward(images: Images) -> Images:
            if name == "broken":
                raise ValueError("no such operator")
            return np.zeros((len(images), 5), np.float32)

        return Model(
            replace(self._manifest, name=name),
            load=lambda: forward,
            read_picture=lambda _: np.zeros((3, 2, 4), np.float32),
            max_batch=8,
            max_queue=8,
            read_meter=lambda: Reading(0, 0, 0),
            ledger=Ledger(Reading(0, 0, 0), one_thread=True),
        )


def asking(model: str) -> InferRequest:
    return InferRequest(model, "", "", (Tensor.of("image", np.zeros((1, 3, 2, 4), np.float32)),))


@pytest.fixture
def folder(manifest: Manifest) -> Folder:
    return Folder(manifest)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spare(folder: Folder, clock: Clock) -> Spare:
    return Spare(folder.open, REST_S, clock)


async def test_the_first_request_makes_it_that_requests_model(spare: Spare, folder: Folder) -> None:
    with pytest.raises(NotReady, match="no model has claimed"):
        _ = spare.manifest
    answers = await asyncio.gather(*(spare.infer(asking("one")) for _ in range(3)))
    assert {answer.model for answer in answers} == {"one"}
    assert [answer.cost.cold for answer in answers] == [True, False, False]
    assert (spare.manifest.name, folder.opened) == ("one", ["one"])
    with pytest.raises(NotReady, match="'one' just now; wait for 'two'"):
        await spare.infer(asking("two"))


async def test_it_is_let_go_of_once_it_has_rested(spare: Spare, clock: Clock) -> None:
    clock.now_s = 100.0
    await spare.infer(asking("one"))
    clock.now_s += REST_S - 1
    spare.let_go_if_rested()
    assert spare.manifest.name == "one"
    clock.now_s += 1
    spare.let_go_if_rested()
    assert (await spare.infer(asking("two"))).model == "two"


async def test_it_is_kept_while_a_request_is_under_way(spare: Spare, clock: Clock) -> None:
    under_way = asyncio.create_task(spare.infer(asking("one")))
    await asyncio.sleep(0)
    clock.now_s = 2 * REST_S
    spare.let_go_if_rested()
    assert (await under_way).model == "one"
    assert spare.manifest.name == "one"


@pytest.mark.parametrize(("name", "error"), [("broken", ValueError), ("none", ModelNotFound)])
async def test_what_does_not_load_keeps_it_from_nobody(spare: Spare, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await spare.infer(asking(name))
    assert (await spare.infer(asking("two"))).model == "two"


async def test_who_waited_for_what_does_not_load_lets_go_of_nothing_else(spare: Spare) -> None:
    async def turn_to_another() -> None:
        with pytest.raises(ValueError, match="no such operator"):
            await spare.infer(asking("broken"))
        await spare.infer(asking("two"))

    turning = asyncio.create_task(turn_to_another())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="no such operator"):
        await spare.infer(asking("broken"))
    assert spare.manifest.name == "two"
    await turning


async def test_a_caller_who_gives_up_leaves_the_model_to_the_next(spare: Spare, folder: Folder) -> None:
    gone = asyncio.create_task(spare.infer(asking("one")))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await spare.infer(asking("one"))
    assert folder.opened == ["one"]
