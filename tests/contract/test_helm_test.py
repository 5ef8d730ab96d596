"""What `helm test` runs in the cluster, against a front door that is played."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.small_web import QuietHandler, address_of, small_web

ROOT = Path(__file__).parents[2]
ANSWER = {
    "members": [{"model": "m", "state": "answered"}],
    "predictions": [{"scores": [{"label": "Bag"}]}],
    "latency_ms": 1.0,
}


@contextmanager
def front_door(*statuses: int) -> Iterator[str]:
    """Answers with one status after the other, and then as it should."""
    left = list(statuses)

    class Door(QuietHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(left.pop(0) if left else 200, ANSWER)

        def do_GET(self) -> None:
            self._answer(200, [{"name": "fashion", "labels": ["Bag"]}])

        def _answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with small_web(Door) as server:
        yield address_of(server)


def prove(address: str, pictures: Path) -> "subprocess.CompletedProcess[str]":
    """Run the program as the pod does, with pictures that are here."""
    program = (ROOT / "charts" / "strata" / "files" / "predict_pictures.py").read_text()
    program = program.replace("/opt/strata/examples/fashion/pictures", str(pictures))
    return subprocess.run([sys.executable, "-c", program, address, "fashion"], capture_output=True, text=True)


def test_a_front_door_that_is_starting_or_busy_is_asked_again_and_a_wrong_request_is_not(tmp_path: Path) -> None:
    (tmp_path / "Bag").mkdir()
    (tmp_path / "Bag" / "one.png").write_bytes(b"picture")
    with front_door(503, 429) as address:
        proved = prove(address, tmp_path)
        assert (proved.returncode, "1 of 1 right" in proved.stdout) == (0, True)
    with front_door(404) as address:
        assert prove(address, tmp_path).returncode == 1
