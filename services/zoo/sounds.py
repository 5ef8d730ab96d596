"""From a sound to a model's values: its log-mel spectrogram, a picture of frequencies over time, without torch."""

import io
import wave
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import NotASound
from services.zoo.manifest import InputSpec

Values: TypeAlias = NDArray[np.float32]

MAX_SECONDS = 600
_RATE_HZ = 16_000
_WINDOW = 512
"""Samples of a spectrum: 32 ms."""
_RANGE_DB = 80.0
"""Below the loudest; what is quieter is silence."""
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}


def read_sound(spec: InputSpec, data: bytes) -> Values:
    """Turn a WAV file into `size[1]` spectra over its length, of `size[0]` mel bands each, the lowest at the bottom.

    Channels are mixed, and the rate becomes 16 kHz. Loudness goes from 0, 80 dB below the loudest, to 1; then it is
    normalised as a picture's brightness is.

    Returns:
        float32 [3, *spec.size], three times the same.
    Raises:
        NotASound: no WAV file of whole numbers, an empty one, or one of more than `MAX_SECONDS`.
    """
    bands, frames = spec.size
    samples = _resampled(*_decode(data))
    starts = np.linspace(0, max(0, len(samples) - _WINDOW), frames).astype(np.intp)
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    windows = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows)) ** 2  # [frames, _WINDOW / 2 + 1]
    loudness_db = 10 * np.log10(_mel_filters(bands) @ power.T + 1e-10)
    brightness = np.clip(1 + (loudness_db - loudness_db.max()) / _RANGE_DB, 0, 1)[::-1]
    values = np.repeat(brightness[None].astype(np.float32), 3, axis=0)
    return (values - np.asarray(spec.mean, np.float32)[:, None, None]) / np.asarray(spec.std, np.float32)[:, None, None]


def _decode(data: bytes) -> tuple[NDArray[np.float64], int]:
    """The samples, channels mixed, from -1 to 1, and how many there are of them a second."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            width, channels, rate_hz, count = (
                file.getsampwidth(),
                file.getnchannels(),
                file.getframerate(),
                file.getnframes(),
            )
            if width not in _TYPES or rate_hz <= 0:
                raise NotASound(f"a WAV file of {8 * width} bits at {rate_hz} Hz; 8, 16 or 32 bits are read")
            if count > MAX_SECONDS * rate_hz:
                raise NotASound(f"a sound of {count / rate_hz:.0f} s; the limit is {MAX_SECONDS}")
            raw = file.readframes(count)
    except (wave.Error, EOFError) as error:
        raise NotASound(f"not a WAV file: {error or 'it is cut short'}") from error
    values = np.frombuffer(raw[: len(raw) // (width * channels) * width * channels], _TYPES[width])
    if not len(values):
        raise NotASound("a sound without a sample")
    mixed = values.reshape(-1, channels).astype(np.float64).mean(axis=1)
    return (mixed - 128) / 128 if width == 1 else mixed / 2 ** (8 * width - 1), rate_hz


def _resampled(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    if rate_hz == _RATE_HZ:
        return samples
    times_s = np.arange(max(1, round(len(samples) * _RATE_HZ / rate_hz))) / _RATE_HZ
    return np.interp(times_s, np.arange(len(samples)) / rate_hz, samples)


@lru_cache(maxsize=8)
def _mel_filters(bands: int) -> NDArray[np.float64]:
    """Triangles that overlap by half, evenly spaced in mel (O'Shaughnessy 1987): [bands, _WINDOW / 2 + 1]."""
    edges_mel = np.linspace(0, 2595 * np.log10(1 + _RATE_HZ / 2 / 700), bands + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    hz = np.fft.rfftfreq(_WINDOW, 1 / _RATE_HZ)
    rising = (hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))
