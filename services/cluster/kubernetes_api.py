"""Kubernetes' API as a pod reaches it, with the token of its service account."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from services.cluster.domain import Document
from services.edge.errors import FailedPrecondition, NotFound, StrataError, Unavailable

_ADDRESS = "https://kubernetes.default.svc"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 30.0
_FAULTS: dict[int, type[StrataError]] = {404: NotFound, 409: FailedPrecondition}


class KubernetesApi:
    """Objects by their paths; see `usecases.Objects`."""

    def __init__(self, client: httpx.Client):
        self._client = client

    def read(self, path: str) -> Document:
        """Raises NotFound or Unavailable."""
        return self._ask("GET", path)

    def replace(self, path: str, document: Document) -> Document:
        """Raises NotFound, FailedPrecondition where the object has changed since it was read, or Unavailable."""
        return self._ask("PUT", path, json=document)

    def _ask(self, method: str, path: str, **content: Any) -> Document:
        try:
            answer = self._client.request(method, path, **content)
        except httpx.TransportError as error:
            raise Unavailable(f"{method} {path}: Kubernetes' API does not answer: {error}") from error
        if answer.is_error:
            kind = _FAULTS.get(answer.status_code, Unavailable)
            raise kind(f"{method} {path}: {answer.status_code}: {_message(answer)}")
        found: Document = answer.json()
        return found


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text


def pod_namespace() -> str:
    """The namespace of this pod. Raises Unavailable."""
    return _account("namespace")


def _account(file: str) -> str:
    try:
        return (_ACCOUNT / file).read_text()
    except OSError as error:
        raise Unavailable(f"no service account is mounted here: {error}") from error


@contextmanager
def open_in_pod() -> Iterator[KubernetesApi]:
    """Open the API of the cluster that this pod runs in.

    Raises:
        Unavailable: the pod has no token.
    """
    headers = {"Authorization": f"Bearer {_account('token')}"}
    context = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    with httpx.Client(base_url=_ADDRESS, headers=headers, verify=context, timeout=_TIMEOUT_S) as client:
        yield KubernetesApi(client)
