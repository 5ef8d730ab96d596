"""What the console and the workbench refuse, and what they hold: other people's things, answers, memory."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import grpc
import httpx
from google.protobuf import message_factory

from services.bench.workbench_place import ConsolePlace, Person, memory_mb, workbench_process
from services.bench.workbench_schema import SchemaCaller, schema_faults
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.owner_token import sign_owner

Figures: TypeAlias = dict[str, float]
_KEY = "the-bench-signs-with-this-key-and-nobody-else-does"
_OPEN = {("post", "/api/account"), ("post", "/api/log-in"), ("get", "/api/shared/{secret}")}
_FOR_ALL = ("/healthz", "/readyz", "/metrics")
_UPLOAD_MB, _PIECE = 500, bytes(1 << 20)


class Tried(NamedTuple):
    """How many were tried as somebody else or nobody, and which of them were not refused."""

    tried: int
    let_in: list[str]


def rules(
    place: ConsolePlace, owner: Person, other: Person, ids: Mapping[str, str], examples: int
) -> Iterator[Figures]:
    """Try what must not be.

    Args:
        ids: by the name of a path's parameter, something that the owner has.
        examples: of each operation and caller, for Schemathesis.
    """
    document = httpx.get(f"{place.address}/openapi.json").json()
    http, rpc = other_peoples_endpoints(place, other, ids, document), other_peoples_rpcs()
    let_in = [*http.let_in, *rpc.let_in]
    tried = http.tried + rpc.tried
    yield {"isolation": 1 - len(let_in) / tried, "isolation.tried": float(tried)}
    callers = [SchemaCaller(dict(each.client.cookies), {"X-CSRF-Token": each.csrf_token}) for each in (owner, other)]
    document["paths"].pop("/api/log-out")  # a change that all later questions would suffer from
    yield {"schema_faults": float(len(list(schema_faults(document, place.address, callers, ids, examples))))}
    yield {"upload_mb": upload_mb(place, owner)}


def other_peoples_endpoints(
    place: ConsolePlace, other: Person, ids: Mapping[str, str], document: Mapping[str, Any]
) -> Tried:
    """Every endpoint as nobody, and every one about something as who does not have it."""
    tried, let_in = 0, []
    with httpx.Client(base_url=place.address) as nobody:
        for path, operations in document["paths"].items():
            for method in operations:
                if path in _FOR_ALL or (method, path) in _OPEN:
                    continue
                url = re.sub(r"{(\w+)}", lambda name: ids.get(name[1], "0" * 32), path)
                tried += 1
                if nobody.request(method, url, content=b"{}").status_code != 401:
                    let_in.append(f"{method} {path} as nobody")
                if "{" in path:
                    tried += 1
                    # What is wrong with a body is said to everybody: nothing of anybody's is looked at for that.
                    if other.client.request(method, url, content=b"{}").status_code not in (400, 404):
                        let_in.append(f"{method} {path} as somebody else")
    return Tried(tried, let_in)


def other_peoples_rpcs() -> Tried:
    """Every RPC of the workbench about a session of somebody else, and as nobody."""
    tried, let_in = 0, []
    with (
        TemporaryDirectory() as store,
        workbench_process(Path(store), WORKBENCH_TOKEN_KEY=_KEY) as process,
        grpc.insecure_channel(process.address) as channel,
    ):
        stub = pb_grpc.WorkbenchServiceStub(channel)
        named = pb.OpenSessionRequest.NamedModel(name="yolov3-tiny", weights="random://0", size=64)
        opened = pb.OpenSessionRequest(named=named, picture=_picture(), picture_name="it.png", mode=pb.MODE_FLOAT)
        session = stub.OpenSession(opened, metadata=_as("owner")).session.id
        for method in pb.DESCRIPTOR.services_by_name["WorkbenchService"].methods:
            request = about(method.input_type, session)
            asked = {"as nobody": ()} if request is None else {"as nobody": (), "as somebody else": _as("other")}
            for who, metadata in asked.items():
                tried += 1
                message = request or message_factory.GetMessageClass(method.input_type)()
                if not _refused(
                    getattr(stub, method.name), iter([message]) if method.client_streaming else message, metadata
                ):
                    let_in.append(f"{method.name} {who}")
    return Tried(tried, let_in)


def _as(owner: str) -> tuple[tuple[str, str], ...]:
    return (("strata-owner", sign_owner(_KEY, time.time, owner)),)


def about(kind: Any, session: str) -> Any:
    """A message about a session; None of a message that is about none."""
    names = [field.name for field in kind.fields]
    if "session" in names:
        return message_factory.GetMessageClass(kind)(session=session)
    if "options" in names and "session" in [field.name for field in kind.fields_by_name["options"].message_type.fields]:
        return message_factory.GetMessageClass(kind)(options={"session": session})
    return None


def _refused(rpc: Any, request: Any, metadata: Any) -> bool:
    try:
        reply = rpc(request, metadata=metadata, timeout=60)
        if isinstance(reply, Iterator):
            list(reply)
    except grpc.RpcError as error:
        return error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAUTHENTICATED)
    return False


def upload_mb(place: ConsolePlace, owner: Person) -> float:
    """Memory of the console over idle while a large file comes, at its most, in MiB."""
    idle_mb = most_mb = memory_mb(place.pid)
    over = threading.Event()

    def watch() -> None:
        nonlocal most_mb
        while not over.wait(0.02):
            most_mb = max(most_mb, memory_mb(place.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        made = owner.client.post("/api/files", params={"path": "large"}, content=(_PIECE for _ in range(_UPLOAD_MB)))
        made.raise_for_status()
    finally:
        over.set()
        watcher.join()
    owner.client.delete(f"/api/files/{made.json()['id']}").raise_for_status()
    return most_mb - idle_mb


def _picture() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 30)).save(file, "PNG")
    return file.getvalue()
