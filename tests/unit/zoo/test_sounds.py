"""A sound becomes a picture of its frequencies over time."""

import io
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from services.edge.errors import NotASound
from services.zoo.manifest import SOUND, InputSpec
from services.zoo.serving import read_picture

SPEC = InputSpec((32, 20), 32, (0, 0, 0), (1, 1, 1), "bilinear", SOUND)


def wav(values: NDArray[np.float64], rate_hz: int = 16_000, width: int = 2, channels: int = 1) -> bytes:
    """A file of samples from -1 to 1, the same on every channel."""
    numbers = np.round(values * (2 ** (8 * width - 1) - 1)) + (128 if width == 1 else 0)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, width, rate_hz, 0, "NONE", ""))
        out.writeframes(np.repeat(numbers, channels).astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes())
    return file.getvalue()


def tone(hz: float, seconds: float = 0.5, rate_hz: int = 16_000) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def loudest_band(data: bytes) -> int:
    """Of a sound that does not change, counted from the lowest."""
    values = read_picture(SPEC, data)
    assert values.shape == (3, 32, 20)
    assert values.dtype == np.float32
    (row,) = set(values[0].argmax(axis=0))
    return 31 - int(row)


def test_a_tone_is_a_line_in_the_band_of_its_pitch() -> None:
    # 1000 Hz is 1000 mel, 8000 Hz are 2840: band 11 of 33 spaces.
    assert loudest_band(wav(tone(1000))) == round(33 * 1000 / 2840) - 1
    assert loudest_band(wav(tone(4000))) > loudest_band(wav(tone(1000))) > loudest_band(wav(tone(200)))


@pytest.mark.parametrize(
    ("rate_hz", "width", "channels"), [(44_100, 2, 2), (8_000, 2, 1), (16_000, 1, 1), (16_000, 4, 1)]
)
def test_rate_width_and_channels_make_no_other_picture(rate_hz: int, width: int, channels: int) -> None:
    data = wav(tone(1000, rate_hz=rate_hz), rate_hz, width, channels)
    assert loudest_band(data) == loudest_band(wav(tone(1000)))


def test_time_goes_from_left_to_right_and_silence_is_dark() -> None:
    values = read_picture(SPEC, wav(np.concatenate([np.zeros(8000), tone(1000)])))
    assert values[0, :, :9].max() == 0
    assert values[0, :, 11:].max(axis=0) == pytest.approx(np.ones(9), abs=0.01)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a WAV file"),
        (b"\x89PNG and no sound", "not a WAV file"),
        (wav(tone(1000))[:30], "not a WAV file"),
        (wav(np.zeros(0)), "without a sample"),
        (wav(np.zeros(700), rate_hz=1), "700 s; the limit is 600"),
    ],
)
def test_what_is_no_sound_or_too_long_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(NotASound, match=said):
        read_picture(SPEC, data)


def test_a_sound_shorter_than_a_window_is_padded() -> None:
    assert np.isfinite(read_picture(SPEC, wav(tone(1000, 0.001)))).all()
