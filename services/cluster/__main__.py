"""Run in a pod of a release: `python -m services.cluster enforce FILE`.

`enforce` makes each object of FILE, a JSON list of {path, labels, spec}, what the file says; it ends with code 1 where
one cannot be made so.
"""

import json
import sys
from pathlib import Path

from services.cluster.kubernetes_api import open_in_pod
from services.cluster.usecases import Declared, enforce
from services.edge.errors import StrataError


def main(verb: str, file: str) -> int:
    """Do it, a line for each object; return the exit code."""
    if verb != "enforce":
        raise SystemExit(__doc__)
    try:
        with open_in_pod() as api:
            for each in json.loads(Path(file).read_text()):
                declared = Declared(**each)
                changed = enforce(api, declared)
                print(f"{declared.path}: {'set to' if changed else 'is'} what the release declares", flush=True)
    except StrataError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
