"""Kubernetes' API as a pod reaches it, with the token of its service account."""

import json
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from services.edge.errors import FailedPrecondition, NotFound, StrataError, Unavailable
from services.edge.kubernetes_pods import Document

_ADDRESS = "https://kubernetes.default.svc"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 30.0
_FAULTS: dict[int, type[StrataError]] = {404: NotFound, 409: FailedPrecondition}


class KubernetesApi:
    """Objects by their paths.

    Args:
        account: folder of the service account's token, which is read anew for each request: it is replaced hourly.
    Raises:
        Unavailable: the pod has no service account.
    """

    def __init__(self, address: str = _ADDRESS, account: Path = ACCOUNT, timeout_s: float = _TIMEOUT_S) -> None:
        self._address, self._account, self._timeout_s = address, account, timeout_s
        certificates = ssl.create_default_context(cadata=self._read("ca.crt"))
        # Proxies of the environment lead out of the cluster.
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=certificates))

    @property
    def namespace(self) -> str:
        """The namespace of this pod. Raises Unavailable."""
        return self._read("namespace")

    def read(self, path: str) -> Document:
        """Raises NotFound or Unavailable."""
        return self._ask("GET", path)

    def replace(self, path: str, document: Document) -> Document:
        """Raises NotFound, FailedPrecondition where the object has changed since it was read, or Unavailable."""
        return self._ask("PUT", path, json.dumps(document).encode())

    def _ask(self, method: str, path: str, content: bytes | None = None) -> Document:
        headers = {"Authorization": f"Bearer {self._read('token')}", "Content-Type": "application/json"}
        request = Request(f"{self._address}{path}", content, headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                found: Document = json.load(answer)
                return found
        except HTTPError as error:
            kind = _FAULTS.get(error.code, Unavailable)
            raise kind(f"{method} {path}: {error.code}: {_message(error.read())}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(f"{method} {path}: Kubernetes' API does not answer: {error}") from error

    def _read(self, file: str) -> str:
        try:
            return (self._account / file).read_text()
        except OSError as error:
            raise Unavailable(f"no service account is mounted here: {error}") from error


def _message(body: bytes) -> str:
    try:
        said: Any = json.loads(body)
        return str(said["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
