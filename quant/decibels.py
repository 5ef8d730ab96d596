"""Signal to noise in dB: high is good."""

NO_NOISE_DB = 200.0
"""Reported where two tensors are equal: more than float32 can tell apart."""


def decibel_text(decibels: float, unit: str = "") -> str:
    """With one decimal, or that there is no noise."""
    return "exact" if decibels >= NO_NOISE_DB else f"{decibels:.1f}{unit}"
