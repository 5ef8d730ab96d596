"""Kubernetes' API as a pod reaches it: over a real server on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.edge.errors import FailedPrecondition, NotFound, StrataError, Unavailable
from services.edge.kubernetes_api import KubernetesApi
from tests.small_web import QuietHandler, address_of, small_web

CHANGED = "the object has been modified"
# Any certificate will do: nothing here is encrypted.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUOVe4q34hj4fNPsEHlC4RZmV60pwwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjYxMjU3MDBaFw0zNjExMjMxMjU3MDBa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARHj5xk
7njiHXBhRWdPayza0Tt0/7FgxW0XmyYJhYjmz4ita0i4hwBN1b1iY59UnBeLh2Gr
7p73H2fLhH1Z2Z+No1MwUTAdBgNVHQ4EFgQUdEWduWWIjGTgvml4cgabH3iSR/Yw
HwYDVR0jBBgwFoAUdEWduWWIjGTgvml4cgabH3iSR/YwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAt5F2627s5wlibxy1aS9D13x1aNszSdGBHP5uK
lsfpxAIgIqkuUusqKFzAkD6ZwZ67pDaVfIgvvylRKmmb0NTS96o=
-----END CERTIFICATE-----
"""


class Cluster(QuietHandler):
    """Knows one object, which only the token `now` may read, and one that changes all the time."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer now":
            self.answer(401, {"message": "Unauthorized"})
        elif self.path == "/pods":
            self.answer(200, {"items": []})
        else:
            self.answer(404, {"message": f"{self.path} not found"})

    def do_PUT(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(*((409, {"message": CHANGED}) if self.path == "/busy" else (200, document)))

    def answer(self, status: int, document: dict[str, object]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with small_web(Cluster) as server:
        yield address_of(server)


@pytest.fixture
def account(tmp_path: Path) -> Path:
    for name, content in {"token": "now", "namespace": "demo", "ca.crt": CERTIFICATE}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_an_object_is_read_and_replaced(address: str, account: Path) -> None:
    api = KubernetesApi(address, account)
    assert api.namespace == "demo"
    assert api.read("/pods") == {"items": []}
    assert api.replace("/pods", {"spec": 1}) == {"spec": 1}


def test_a_token_that_was_replaced_counts_from_the_next_request(address: str, account: Path) -> None:
    (account / "token").write_text("old")
    api = KubernetesApi(address, account)
    with pytest.raises(Unavailable, match="401: Unauthorized"):
        api.read("/pods")
    (account / "token").write_text("now")
    assert api.read("/pods") == {"items": []}


@pytest.mark.parametrize(
    ("path", "error", "said"), [("/none", NotFound, "/none not found"), ("/busy", FailedPrecondition, CHANGED)]
)
def test_what_is_refused_says_why(address: str, account: Path, path: str, error: type[StrataError], said: str) -> None:
    api = KubernetesApi(address, account)
    with pytest.raises(error, match=said):
        api.replace(path, {}) if path == "/busy" else api.read(path)


def test_without_an_account_or_an_answer_it_is_unavailable(account: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no service account"):
        KubernetesApi("http://127.0.0.1:9", tmp_path / "none")
    with pytest.raises(Unavailable, match="does not answer"):
        KubernetesApi("http://127.0.0.1:9", account).read("/pods")
