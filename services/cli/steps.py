"""Steps that take a while, told on standard error: a spinner on a terminal, a line each where nobody watches one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


@contextmanager
def telling_steps(first: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Yield what tells a step; on a terminal `first` is shown until then."""
    if console.is_terminal:
        with console.status(first) as spinner:
            yield lambda step: spinner.update(escape(step))
    else:
        yield telling_lines(console)


def telling_lines(console: Console) -> Callable[[str], None]:
    """Return what prints a step as a line, once where it is told again and again."""
    last = ""

    def tell(step: str) -> None:
        nonlocal last
        if step and step != last:
            console.print(step, markup=False, highlight=False, soft_wrap=True)
        last = step

    return tell
