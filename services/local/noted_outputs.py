"""Where jobs of pipelines were run to from this machine, for the console: `pipelines.json` in the state folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from services.edge.whole_files import write_whole
from services.local.running import one_at_a_time

_MOST = 20


def noted_outputs(state: Path) -> Sequence[str]:
    """The URLs of the stores, the newest last; none where nothing readable is noted."""
    try:
        return [str(url) for url in json.loads(_note(state).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def note_output(state: Path, url: str) -> None:
    """Note a store. Raises Unavailable: the state folder cannot be written."""
    with one_at_a_time(state):
        others = [each for each in noted_outputs(state) if each != url]
        write_whole({_note(state): json.dumps([*others, url][-_MOST:]).encode()})


def _note(state: Path) -> Path:
    return state / "pipelines.json"
