"""Kubernetes' API by kubectl: with the user's own configuration, and whatever signs him in."""

import json
import subprocess
from collections.abc import Iterator

from services.edge.errors import FailedPrecondition, NotFound, StrataError, Unavailable, Unsupported
from services.edge.kubernetes_pods import Document

_TIMEOUT_S = 30


class Kubectl:
    """Objects by their paths; see `usecases.Reads`."""

    def read(self, path: str) -> Document:
        """Raises NotFound, Unavailable, or Unsupported where there is no kubectl."""
        found: Document = json.loads(_run("get", "--raw", path))
        return found

    def read_log(self, path: str) -> str:
        """Read a log; raises as `read`."""
        return _run("get", "--raw", path)

    def create(self, document: Document) -> None:
        """Make an object. Raises FailedPrecondition where it is there already, and as `read`."""
        _run("create", "--filename", "-", standard_input=json.dumps(document))

    def follow_logs(self, namespace: str, pod: str) -> Iterator[str]:
        """Yield a pod's log lines as they come, until its container ends."""
        command = ("kubectl", "--namespace", namespace, "logs", "--follow", pod)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield from process.stdout


def own_namespace() -> str:
    """The namespace that kubectl's configuration names; raises as `Kubectl.read`."""
    return _run("config", "view", "--minify", "--output", "jsonpath={..namespace}").strip() or "default"


def _run(*arguments: str, standard_input: str = "") -> str:
    command = ("kubectl", f"--request-timeout={_TIMEOUT_S}s", *arguments)
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unsupported("kubectl is not on the PATH; install it, and point KUBECONFIG at a cluster") from error
    if "current-context must exist" in done.stderr:
        raise Unavailable(
            "kubectl points at no cluster: set KUBECONFIG to a cluster's file, or choose a context with "
            "`kubectl config use-context NAME`"
        )
    if done.returncode:
        raise _kind(done.stderr)(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _kind(said: str) -> type[StrataError]:
    if "AlreadyExists" in said:
        return FailedPrecondition
    return NotFound if "NotFound" in said or "could not find" in said else Unavailable
