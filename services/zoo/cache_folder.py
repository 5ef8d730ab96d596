"""Where compiled models and fetched weights are kept."""

from collections.abc import Mapping
from pathlib import Path


def default_cache(environment: Mapping[str, str]) -> Path:
    """STRATA_CACHE, else XDG_CACHE_HOME/strata, else ~/.cache/strata."""
    if chosen := environment.get("STRATA_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "strata"
