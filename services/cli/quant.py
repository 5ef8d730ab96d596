"""`strata quant`: from a float model to integers, and a look into every layer on the way."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from services.cli.quant_begin import out
from services.cli.quant_measure_verbs import compare, report
from services.cli.quant_model_verbs import calibrate, export, import_
from services.cli.quant_picture_verbs import cross, run, step
from services.cli.serve import address_of

app = typer.Typer(help="Quantise a model, and stop, cross or edit any layer of it.", no_args_is_help=True)


def _workbench_of(given: str | None) -> str | None:
    return given and address_of(given)


@app.callback()
def quant(
    context: typer.Context,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="STRATA_WORKBENCH",
            callback=_workbench_of,
            help="A workbench that does the work.",
        ),
    ] = None,
) -> None:
    """Quantise a model, and stop, cross or edit any layer of it, here or at a workbench (`strata quant serve`)."""
    context.obj = at


def serve(
    grpc: Annotated[
        str, typer.Option(callback=address_of, help="host:port for gRPC; port 0 takes any free one.")
    ] = "127.0.0.1:9100",
    store: Annotated[
        str | None, typer.Option(help="Where sessions and files are kept: a folder, or s3://BUCKET/PREFIX.")
    ] = None,
) -> None:
    """Serve the workbench over gRPC from this machine until Ctrl-C; sessions are there again at the next start."""
    from services.cli.workbench_service import serve_until_stopped

    serve_until_stopped(grpc, store, lambda line: out.print(line))


VERBS: Mapping[str, Callable[..., None]] = {
    "import": import_,
    "export": export,
    "calibrate": calibrate,
    "serve": serve,
    "run": run,
    "step": step,
    "cross": cross,
    "report": report,
    "compare": compare,
}
"""In the order of the help."""
for _name, _verb in VERBS.items():
    app.command(_name)(_verb)
