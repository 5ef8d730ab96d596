"""How `strata load` kills a model: its process on this machine, or its pods on a cluster."""

import asyncio
import os
import signal

from services.bench.cluster import run
from services.edge.errors import InvalidInput, NotFound
from services.loadtest.run import Killer
from services.loadtest.scenario import Scenario
from services.local.models import find_model_process
from services.local.running import find_running, state_folder


def find_killer(scenario: Scenario, namespace: str, is_local: bool) -> Killer | None:
    """Return what kills the models of a scenario; None where it kills none.

    Args:
        namespace: of a cluster; empty is this machine.
        is_local: what is asked is the service that runs on this machine.
    Raises:
        InvalidInput: the models are elsewhere, and no option says where; or one does, and what is asked is here.
    """
    if not scenario.kills:
        return None
    if namespace and is_local:
        raise InvalidInput(
            f"'{scenario.name}' kills a model in namespace '{namespace}', and what is asked is the service on this "
            "machine: name the front door there with --target"
        )
    if namespace:
        return lambda model: _kill_pods(model, namespace)
    if not is_local:
        raise InvalidInput(f"'{scenario.name}' kills a model: with --target, --namespace says where on a cluster it is")
    return _kill_process


async def _kill_process(model: str) -> None:
    running = find_running(state_folder(os.environ))
    pid = find_model_process(running.pid, model) if running else None
    if pid is None:
        raise NotFound(f"model '{model}' does not run here: nothing was killed")
    os.kill(pid, signal.SIGKILL)


async def _kill_pods(model: str, namespace: str) -> None:
    chosen = ("--selector", f"serving.knative.dev/service={model}")
    at_once = ("--force", "--grace-period=0", "--wait=false", "--output=name")
    killed = await asyncio.to_thread(run, "kubectl", "--namespace", namespace, "delete", "pods", *chosen, *at_once)
    if not killed.strip():
        raise NotFound(f"model '{model}' has no pod in namespace '{namespace}': nothing was killed")
