"""Profiles of chains: measured once on this machine for each, and kept beside the compiled stages."""

import asyncio
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from services.bench.document import provenance
from services.bench.pipeline_calibration import calibrate
from services.bench.pipeline_sizing import StageSize
from services.edge.errors import InvalidInput
from services.edge.progress import Progress
from services.edge.whole_files import write_whole
from services.pipeline.profile import ChainProfile
from services.pipeline.sizing import with_spare
from services.zoo.cache_folder import default_cache
from services.zoo.model_file import ModelFile
from services.zoo.stage_compile import Cutting, compile_stages
from services.zoo.stage_manifest import StageManifest

_FLOORS = "floors"
_PROFILE = "profile"


def profile_of(
    model_file: ModelFile, cutting: Cutting, runtime: str, progress: Progress, anew: bool = False
) -> ChainProfile:
    """Find the profile of a chain, or measure it; a stage's memory is its floor and a tenth, where that is kept.

    Args:
        anew: measure it, whatever is kept.
    """
    cache = default_cache(os.environ)
    folders = compile_stages(model_file, cutting, cache, runtime, progress)
    chain = StageManifest.read(folders[0]).chain
    profile = None if anew else _kept(_path(chain, _PROFILE))
    if profile is None:
        with TemporaryDirectory() as scratch:
            profile = asyncio.run(calibrate(folders, Path(scratch), progress))
        _keep(_path(chain, _PROFILE), profile.to_json())
    floors = _read(_path(chain, _FLOORS))
    stages = [
        replace(each, memory_bytes=with_spare(floors[each.name])) if each.name in floors else each
        for each in profile.stages
    ]
    return replace(profile, stages=tuple(stages))


def keep_floors(chain: str, sizes: tuple[StageSize, ...]) -> None:
    """Keep what `strata pipeline size` found, for plans."""
    _keep(_path(chain, _FLOORS), {each.stage: each.floor_bytes for each in sizes})


def _path(chain: str, what: str) -> Path:
    machine = hashlib.sha256(provenance("", ())["machine"].encode()).hexdigest()[:8]
    return default_cache(os.environ) / "profiles" / f"{chain}-{machine}.{what}.json"


def _kept(path: Path) -> ChainProfile | None:
    content = _read(path)
    try:
        return ChainProfile.from_json(content) if content else None
    except InvalidInput:  # of an earlier version
        return None


def _read(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(path: Path, content: dict[str, object] | dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole({path: (json.dumps(content, indent=1) + "\n").encode()})
