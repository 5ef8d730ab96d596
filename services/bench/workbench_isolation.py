"""Other people's things: every endpoint and every RPC tried as somebody else, and as nobody."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import grpc
import httpx
from google.protobuf import message_factory

from services.bench.own_process import Tell
from services.bench.workbench_place import console_place, workbench_process
from services.bench.workbench_subject import RANDOM, SMALL, WorkbenchSubject
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.owner_token import sign_owner

Figures: TypeAlias = dict[str, float]
_KEY = "the-bench-signs-with-this-key-and-nobody-else-does"
_OPEN = {("post", "/api/account"), ("post", "/api/log-in"), ("get", "/api/shared/{secret}")}
_FOR_ALL = ("/healthz", "/readyz", "/metrics")
_ENDLESS = "endless"


class Tried(NamedTuple):
    """How many were tried as somebody else or nobody, and which of them were not refused."""

    tried: int
    let_in: list[str]


@dataclass(frozen=True)
class Belongings:
    """What somebody has: ids of a file, of a run that is over, and of a link to a layer of it."""

    file: str
    run: str
    link: str

    @property
    def ids(self) -> tuple[str, str, str]:
        """All of them."""
        return self.file, self.run, self.link


def isolation(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Share of what was refused, of all that must be."""
    with console_place() as place, place.person("owner") as owner, place.person("other") as other:
        tell("isolation: every endpoint")
        run = subject.run(owner, SMALL, size=64)["id"]
        layer = owner.layers(run)[0]["name"]
        link = owner.client.post(f"/api/runs/{run}/links", json={"layer": layer}).raise_for_status().json()["id"]
        http = other_peoples_endpoints(place.address, other.client, Belongings(subject.upload(owner), run, link))
    tell("isolation: every RPC")
    with TemporaryDirectory() as store, workbench_process(Path(store), WORKBENCH_TOKEN_KEY=_KEY) as process:
        rpc = other_peoples_rpcs(process.address, _KEY)
    let_in = [*http.let_in, *rpc.let_in]
    for each in let_in:
        tell(f"isolation: let in: {each}")
    tried = http.tried + rpc.tried
    yield {"isolation": 1 - len(let_in) / tried, "isolation.tried": float(tried)}


def other_peoples_endpoints(address: str, other: httpx.Client, theirs: Belongings) -> Tried:
    """Every endpoint as nobody, which is 401, and as somebody else about what is not his, which is 404.

    What is about nothing of anybody's is looked through: nothing of theirs may be in it. Each is asked rightly, so that
    it is refused for nothing else.
    """
    tried, let_in = 0, []
    with httpx.Client(base_url=address) as nobody:
        for path, operations in nobody.get("/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                if path in _FOR_ALL or (method, path) in _OPEN:
                    continue
                url, asked = _asked(path, operation, theirs)
                tried += 1
                if nobody.request(method, url, **asked).status_code != 401:
                    let_in.append(f"{method} {path} as nobody")
                if _is_about(theirs, url, asked):
                    tried += 1
                    if other.request(method, url, **asked).status_code != 404:
                        let_in.append(f"{method} {path} as somebody else")
                elif method == "get" and _ENDLESS not in operation["tags"]:
                    tried += 1
                    shown = other.get(url, **asked).text
                    if any(each in shown for each in theirs.ids):
                        let_in.append(f"{method} {path} as somebody else")
    return Tried(tried, let_in)


def _asked(path: str, operation: Mapping[str, Any], theirs: Belongings) -> tuple[str, dict[str, Any]]:
    """The URL of an endpoint about somebody's things, and what has to come with it."""
    bodies: dict[str, Any] = {
        "PathBody": {"path": "stolen"},
        "RunStart": {"model": theirs.file, "is_file": True, "mode": "float", "picture": theirs.file},
        "StepStart": {"to": "end"},
        "ReportStart": {},
        "CalibrationStart": {"pictures": [theirs.file]},
        "LinkStart": {},
        "ComparisonStart": {"other": theirs.run},
        "edit": {"kind": "precision", "precision": "float"},
    }
    url = re.sub(r"{(\w+)}", lambda name: getattr(theirs, name[1]), path)
    asked: dict[str, Any] = {}
    content = operation.get("requestBody", {}).get("content", {})
    if schema := content.get("application/json"):
        asked["json"] = bodies[schema["schema"].get("$ref", "/edit").rpartition("/")[2]]
    elif content:
        asked |= {"params": {"path": "stolen"}, "content": b"x"}
    if path.endswith("/tensor"):
        asked["params"] = {"part": "weights"}
    if path == "/api/comparison.html":
        asked["params"] = {"runs": theirs.run}
    return url, asked


def _is_about(theirs: Belongings, url: str, asked: Mapping[str, Any]) -> bool:
    return any(each in f"{url} {asked}" for each in theirs.ids)


def other_peoples_rpcs(address: str, key: str) -> Tried:
    """Every RPC of a workbench about a session or a file of somebody else, and as nobody.

    Args:
        key: that it believes owner tokens by.
    """
    tried, let_in = 0, []
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.WorkbenchServiceStub(channel)
        owner, other = ((("strata-owner", sign_owner(key, time.time, name)),) for name in ("owner", "other"))
        named = pb.OpenSessionRequest.NamedModel(name=SMALL, weights=RANDOM, size=64)
        opened = pb.OpenSessionRequest(named=named, picture=_picture(), picture_name="it.png", mode=pb.MODE_FLOAT)
        session = stub.OpenSession(opened, metadata=owner).session.id
        file = stub.UploadFile(iter([pb.UploadFileRequest(piece=b"theirs")]), metadata=owner).file
        for method in pb.DESCRIPTOR.services_by_name["WorkbenchService"].methods:
            request = about(method.input_type, session, file)
            message = message_factory.GetMessageClass(method.input_type)() if request is None else request
            asked = {"as nobody": ()} if request is None else {"as nobody": (), "as somebody else": other}
            for who, metadata in asked.items():
                tried += 1
                sent = iter([message]) if method.client_streaming else message
                if not _refused(getattr(stub, method.name), sent, metadata):
                    let_in.append(f"{method.name} {who}")
    return Tried(tried, let_in)


def about(kind: Any, session: str, file: str) -> Any:
    """A message about a session, with the names and kinds that it needs, or a file; None of one that is about none."""
    fields = {field.name: field for field in kind.fields}
    if "file" in fields:
        return message_factory.GetMessageClass(kind)(file=file)
    if "session" in fields:
        rest: dict[str, Any] = {"name": "x", "kind": 1, "other": session}
        content = {name: value for name, value in rest.items() if name in fields}
        return message_factory.GetMessageClass(kind)(session=session, **content)
    options = about(fields["options"].message_type, session, file) if "options" in fields else None
    return message_factory.GetMessageClass(kind)(options=options) if options is not None else None


def _refused(rpc: Any, request: Any, metadata: Any) -> bool:
    try:
        reply = rpc(request, metadata=metadata, timeout=60)
        if isinstance(reply, Iterator):
            list(reply)
    except grpc.RpcError as error:
        return error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAUTHENTICATED)
    return False


def _picture() -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 30)).save(file, "PNG")
    return file.getvalue()
