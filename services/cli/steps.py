"""Long work on standard error: a bar on a terminal, a line for each step without one."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from services.edge.progress import Progress


class _Count(ProgressColumn):
    """How many of how many; nothing where they are not counted."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:g} of {task.total:g}" if task.total else "")


@contextmanager
def showing_progress(first: str, console: Console) -> Iterator[Progress]:
    """Yield what shows progress; on a terminal `first` is shown until the first step."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Count(), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(first), total=None)

        def show(step: str, done: int = 0, total: int = 0, /) -> None:
            bar.update(task, description=escape(step), completed=done, total=total or None)

        yield show


def _lines(console: Console) -> Progress:
    """Print a step as a line, once where it is said again and again."""
    last = ""

    def show(step: str, done: int = 0, total: int = 0, /) -> None:  # noqa: ARG001  counts are for those who watch
        nonlocal last
        if step and step != last:
            console.print(step, markup=False, highlight=False, soft_wrap=True)
        last = step

    return show
