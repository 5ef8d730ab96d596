"""An ensemble whose members take different things: one looks at the picture, one listens to the sound."""

import io
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.edge.deadline import Deadline
from services.edge.errors import InvalidInput, NotASound
from services.edge.receipts import CLOUD_RUN, Usage
from services.ensemble.domain import PredictRequest
from services.ensemble.fan_out import ChunkReply
from services.ensemble.loading import load_ensembles
from services.ensemble.pictures import prepare_item
from services.ensemble.preparation import Images
from services.ensemble.queue import Queue
from services.ensemble.served import Served
from services.ensemble.usecases import Predictor
from services.zoo.serving import read_picture
from tests.unit.ensemble.small_ensembles import NeedNoStart

INPUTS = {"eye": "{size: [6, 4]}", "ear": "{kind: sound, size: [8, 5]}"}


class Members(NeedNoStart):
    """Keep what they are sent; the eye sees class 0, the ear hears class 1, three times as surely."""

    def __init__(self) -> None:
        self.sent: dict[str, Images] = {}

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        self.sent[model] = images
        scores = {"eye": (1.0, 0.0), "ear": (0.0, 3.0)}[model]
        return ChunkReply(np.tile(np.asarray(scores, np.float32), (len(images), 1)), Usage(1), 1.0, False)


@pytest.fixture
def served(tmp_path: Path) -> dict[str, Served]:
    (tmp_path / "models").mkdir()
    for name, spec in INPUTS.items():
        text = f"name: {name}\narchitecture: alexnet\nweights: random://0\ninput: {spec}\n"
        (tmp_path / "models" / f"{name}.yaml").write_text(text)
    files = {"both": "{model: eye}, {model: ear}", "eye": "{model: eye}", "ear": "{model: ear}"}
    for name, members in files.items():
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nmembers: [{members}]\ndeadline_ms: 10000\n")
    return load_ensembles([tmp_path / f"{name}.yaml" for name in files], {})


@pytest.fixture
def members() -> Members:
    return Members()


@pytest.fixture
async def predictor(served: dict[str, Served], members: Members) -> Predictor:
    queue = Queue(members.start, {})
    return Predictor(served, members.infer, members, prepare_item, ThreadPoolExecutor(1), CLOUD_RUN, 10, {}, queue)


def png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((40, 30), 50).save(file, "PNG")
    return file.getvalue()


def wav(hz: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes((8000 * np.sin(np.arange(4000) * 2 * np.pi * hz / 16_000)).astype("<i2").tobytes())
    return file.getvalue()


async def test_each_member_is_sent_what_it_takes_and_both_have_a_word(
    predictor: Predictor, members: Members, served: dict[str, Served]
) -> None:
    picture, sounds = png(), (wav(300), wav(3000))
    answer = await predictor.predict(PredictRequest("both", (picture, picture), sounds=tuple(map(memoryview, sounds))))
    heard = [read_picture(served["both"].spec("ear"), sound) for sound in sounds]
    np.testing.assert_array_equal(members.sent["ear"], np.stack(heard))
    seen = read_picture(served["both"].spec("eye"), picture)
    np.testing.assert_allclose(members.sent["eye"], np.stack([seen, seen]), atol=1e-6)
    assert [prediction.scores[0].index for prediction in answer.predictions] == [1, 1]
    assert [member.predictions[0].scores[0].index for member in answer.members] == [0, 1]


async def test_members_that_all_listen_take_sounds_alone(predictor: Predictor) -> None:
    answer = await predictor.predict(PredictRequest("ear", (), sounds=(wav(300),)))
    assert len(answer.predictions) == 1


@pytest.mark.parametrize(
    ("ensemble", "pictures", "sounds", "said"),
    [
        ("both", 2, 1, "2 pictures and 1 sounds; members take both"),
        ("both", 1, 0, "1 pictures and 0 sounds"),
        ("eye", 1, 1, "1 sounds, and no member takes a sound; they take pictures"),
        ("ear", 1, 0, "1 pictures, and no member takes a picture"),
    ],
)
async def test_what_does_not_go_together_is_refused(
    predictor: Predictor, ensemble: str, pictures: int, sounds: int, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await predictor.predict(PredictRequest(ensemble, (png(),) * pictures, sounds=(wav(300),) * sounds))


async def test_a_broken_sound_is_named_by_its_place(predictor: Predictor) -> None:
    with pytest.raises(NotASound, match="picture 1: not a WAV file"):
        await predictor.predict(PredictRequest("both", (png(),) * 2, sounds=(wav(300), b"no sound at all")))
