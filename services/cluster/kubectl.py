"""Kubernetes' API by kubectl: with the user's own configuration, and whatever signs him in."""

import json
import subprocess

from services.cluster.domain import Document
from services.edge.errors import NotFound, Unavailable, Unsupported

_TIMEOUT_S = 30


class Kubectl:
    """Objects by their paths; see `usecases.Reads`."""

    def read(self, path: str) -> Document:
        """Raises NotFound, Unavailable, or Unsupported where there is no kubectl."""
        found: Document = json.loads(_run("get", "--raw", path))
        return found


def own_namespace() -> str:
    """The namespace that kubectl's configuration names; raises as `Kubectl.read`."""
    return _run("config", "view", "--minify", "--output", "jsonpath={..namespace}").strip() or "default"


def _run(*arguments: str) -> str:
    command = ("kubectl", f"--request-timeout={_TIMEOUT_S}s", *arguments)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unsupported("kubectl is not on the PATH; install it, and point KUBECONFIG at a cluster") from error
    if done.returncode:
        kind = NotFound if "NotFound" in done.stderr or "could not find" in done.stderr else Unavailable
        raise kind(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
