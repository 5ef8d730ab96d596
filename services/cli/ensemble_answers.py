"""Ask for each of several pictures, and print what was answered."""

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track

from services.cli.ensemble_source import ABOUT_ONE_PICTURE, Source
from services.cli.ensemble_tables import (
    Answered,
    Refused,
    answers_table,
    remarks,
    summarise,
    summary_table,
    truth_of,
)
from services.cli.failures import exit_code_of, tell
from services.ensemble.domain import EnsembleMode
from services.ensemble.http_bodies import EnsembleBody


async def ask_for_each(
    source: Source,
    ensemble: EnsembleBody,
    pictures: Sequence[Path],
    mode: EnsembleMode | None,
    deadline_ms: int | None,
    console: Console,
) -> tuple[list[Answered], list[Refused]]:
    """Ask for each picture; one that is refused costs no other its answer. Raises why, where all are."""
    answered, refused = [], []
    for picture in track(pictures, "pictures", console=console, transient=True, disable=not console.is_terminal):
        try:
            answer = await source.predict(ensemble.name, picture, mode, deadline_ms)
        except ABOUT_ONE_PICTURE as error:
            refused.append(Refused(picture, error))
        else:
            answered.append(Answered(picture, answer, truth_of(picture, ensemble.labels)))
    if not answered:
        raise refused[0].error
    return answered, refused


def print_answers(answered: list[Answered], refused: list[Refused], summary: bool, as_json: bool) -> int:
    """Print them, and return the exit code: 0 where every picture was answered."""
    if as_json:
        body = {
            "pictures": [{"picture": str(each.picture), **each.answer.model_dump(mode="json")} for each in answered],
            "refused": [each.as_json() for each in refused],
            "summary": [row.as_json() for row in summarise(answered)],
        }
        typer.echo(json.dumps(body, indent=1))
    else:
        _print_tables(answered, summary)
    for each in refused:
        tell(type(each.error).__name__, str(each.error))
    return max((exit_code_of(each.error) for each in refused), default=0)


def _print_tables(answered: list[Answered], summary: bool) -> None:
    console = Console()
    if not summary:
        console.print(answers_table(answered), highlight=False)
        for remark in remarks(answered):
            console.print(remark, highlight=False, markup=False, soft_wrap=True)
    if summary or len(answered) > 1:
        console.print(summary_table(answered), highlight=False)
