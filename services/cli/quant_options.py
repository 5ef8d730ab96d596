"""Arguments and options that several verbs of `strata quant` have."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.completions import MODES, engine_model, one_of_words

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", autocompletion=engine_model, help="A .strata file, or a model by name.")
]
Picture = Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture: JPEG, PNG, WebP, BMP or GIF.")]
Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")]
Weights = Annotated[
    str | None, typer.Option(help="random://SEED, file://PATH, s3://..., torchvision://NAME or pretrained://NAME.")
]
Size = Annotated[int | None, typer.Option(help="Side of a Darknet network's input, in pixels.", min=32)]
IntegerFile = Annotated[Path | None, typer.Option("--integers", help="From `calibrate`; by default beside MODEL.")]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Of a folder with pictures, also those in folders below it.")
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Also write it as a page to this file, which needs no server.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Threads = Annotated[int, typer.Option(help="Threads to compute with; 0 takes all.", min=0)]
Threshold = Annotated[float, typer.Option(help="The least score of a box.", min=0, max=1)]
ModeName = Annotated[
    str, typer.Option("--mode", autocompletion=one_of_words(MODES), help="float, hybrid, int8 or auto.")
]
