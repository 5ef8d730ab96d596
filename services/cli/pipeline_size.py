"""`strata pipeline size`: each stage's memory floor, as the tables memMax and memMin of papers/001."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.bench.pipeline_sizing import Sizing, StageSize, size_stages
from services.cli.pipeline_model import choose_cutting, find_model
from services.cli.pipeline_profiles import keep_floors
from services.cli.steps import showing_progress
from services.pipeline.sizing import MIB
from services.zoo.cache_folder import default_cache
from services.zoo.stage_compile import compile_stages
from services.zoo.stage_manifest import StageManifest


def size_model(
    model: str, weights: str | None, stages: int | None, at: str, runtime: str, per_record: int, as_json: bool
) -> None:
    """Measure the floors and print them. Raises StrataError: the model, its cuts, or this machine."""
    with showing_progress(f"loading {model}", Console(stderr=True)) as progress, TemporaryDirectory() as scratch:
        model_file = find_model(model, weights)
        cutting = choose_cutting(model_file, stages, at)
        folders = compile_stages(model_file, cutting, default_cache(os.environ), runtime, progress)
        sizes = asyncio.run(size_stages(folders, Sizing(per_record), Path(scratch), progress))
        keep_floors(StageManifest.read(folders[0]).chain, sizes)
    if as_json:
        rows = [asdict(each) for each in sizes]
        typer.echo(json.dumps({"model": model_file.name, "per_record": per_record, "stages": rows}, indent=1))
    else:
        _print(sizes, per_record)


def _print(sizes: Sequence[StageSize], per_record: int) -> None:
    numbers = [Column(name, justify="right") for name in ("one size for all", "floor", "peak", "trials", "OOM kills")]
    single = max(each.floor_bytes for each in sizes)
    table = Table("stage", *numbers, caption=f"MiB, for records of {per_record} pictures")
    for each in sizes:
        sizes_mib = [f"{size / MIB:.0f}" for size in (single, each.floor_bytes, each.peak_bytes)]
        table.add_row(escape(each.stage), *sizes_mib, str(each.trials), str(each.oom_kills))
    Console().print(table, highlight=False)
