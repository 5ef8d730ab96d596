"""Run in a pod of a release: `python -m services.cluster enforce FILE` or `python -m services.cluster check`.

`enforce` makes each object of FILE, a JSON list of {path, labels, spec}, what the file says. Both then look at the
workloads of the release STRATA_RELEASE until each is ready, and end with code 1 where one has failed. What is still
starting after STRATA_WAIT_S seconds is a fault for `check` alone: a release may take longer to start than helm waits.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from services.cluster.domain import Workload, WorkloadState
from services.cluster.usecases import Declared, await_ready, enforce, has_failed, survey
from services.edge.deadline import Deadline
from services.edge.errors import StrataError
from services.edge.kubernetes_api import KubernetesApi


def main(verb: str = "", *files: str) -> int:
    """Do it, a line for each object; return the exit code."""
    if (verb, len(files)) not in (("enforce", 1), ("check", 0)):
        raise SystemExit(__doc__)
    try:
        api = KubernetesApi()
        for file in files:
            _enforce(api, json.loads(Path(file).read_text()))
        seen = _await_ready(api)
    except StrataError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    for each in seen:
        print(_describe(each), flush=True)
    starting = [each.name for each in seen if each.state is WorkloadState.STARTING]
    return 1 if has_failed(seen) or (verb == "check" and starting) else 0


def _enforce(api: KubernetesApi, objects: list[dict[str, object]]) -> None:
    for each in objects:
        declared = Declared(**each)  # type: ignore[arg-type]
        changed = enforce(api, declared)
        print(f"{declared.path}: {'set to' if changed else 'is'} what the release declares", flush=True)


def _await_ready(api: KubernetesApi) -> list[Workload]:
    look = partial(survey, api, api.namespace, os.environ["STRATA_RELEASE"])
    return await_ready(look, Deadline.after(float(os.environ["STRATA_WAIT_S"])), time.sleep, print)


def _describe(workload: Workload) -> str:
    newest = f" {workload.newest}" if workload.newest else ""
    return f"{workload.name}: {workload.state}{newest}{f': {workload.detail}' if workload.detail else ''}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
