"""The verbs of `strata quant` that measure on many pictures: one model in all its modes, or two variants."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.completions import engine_model
from services.cli.quant_begin import compute_here, err, only_here, out, pictures_to_measure, written_now
from services.cli.quant_hints import MEASURE_AUTO, with_hints
from services.cli.quant_options import AsJson, Html, IntegerFile, ModelName, Pictures, Recursive, Size, Threads, Weights


@with_hints
def report(
    context: typer.Context,
    model_name: ModelName,
    pictures: Pictures,
    recursive: Recursive = False,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 1,
    apply: Annotated[
        Path | None, typer.Option(help="Apply the remedies, and write the integers that come of it to this file.")
    ] = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """What integers cost and save: answers, time per layer, and the worst layers with a remedy each.

    Pictures in folders named after the model's classes give the top-1 accuracy of every mode.
    """
    from services.cli.quant_at import report_at
    from services.cli.quant_tables import print_json, print_report
    from services.workbench.files import INTEGER_SUFFIX, check_page, check_place, write_files
    from services.workbench.report_page import report_page

    compute_here(context, threads)
    paths = pictures_to_measure(pictures, recursive)
    if html:
        check_page(html)
    if apply:
        only_here(context, "remedies are applied on this machine")
        check_place(apply, "a file of integers", INTEGER_SUFFIX)
    found, remedied = report_at(context.obj, model_name, paths, integers, weights, size)
    if html:
        write_files({html: report_page(found, written_now()).encode()})
    if apply and remedied:
        write_files({apply: remedied})
        err.print(f"wrote {apply}: all remedies offered, without a plan of auto")
    elif apply:
        err.print(f"no remedy helps the model: {apply} is not written")
    if "auto" not in found.modes_ms:
        err.print(f"auto has no plan for this model yet: {MEASURE_AUTO}")
    if as_json:
        print_json(found)
        return
    print_report(found, out)


@with_hints
def compare(
    context: typer.Context,
    first: Annotated[
        str, typer.Argument(metavar="A", autocompletion=engine_model, help="MODEL or MODEL@MODE; int8 without a mode.")
    ],
    second: Annotated[
        str,
        typer.Argument(metavar="B", autocompletion=engine_model, help="The same, or an .integers file of A's model."),
    ],
    pictures: Pictures,
    recursive: Recursive = False,
    least: Annotated[
        float, typer.Option("--least-agreement", help="Exit with 1 where a smaller share agrees.", min=0, max=1)
    ] = 0.0,
    plot: Annotated[Path | None, typer.Option(help="Also draw the differences into this PNG.")] = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two variants of a network layer by layer: scales, codes, values, and the answers.

    Each side runs on what it computed itself. A network's layers are the same on both sides: two .strata files of one
    model, two files of integers, or one model in two modes.
    """
    from services.cli.quant_compare import answer_lines, compare_at, comparison_table, sides_of
    from services.cli.quant_tables import print_json
    from services.workbench.files import PICTURE_SUFFIX, check_place, write_picture
    from services.workbench.plots import plot_comparison

    sides = sides_of(first, second)
    compute_here(context, threads)
    if plot:
        check_place(plot, "a drawn picture", PICTURE_SUFFIX)
    paths = pictures_to_measure(pictures, recursive)
    found = compare_at(context.obj, sides, paths, weights, size)
    if plot:
        write_picture(plot, plot_comparison(f"{second} against {first}", found.layers))
    if as_json:
        print_json({"first": first, "second": second, **vars(found)})
    else:
        out.print(comparison_table(found.layers))
        for line in answer_lines(found):
            out.print(line)
    if found.agreement < least:
        err.print(f"{found.agreement:.2%} of the answers agree, fewer than {least:.2%}")
        raise typer.Exit(1)
