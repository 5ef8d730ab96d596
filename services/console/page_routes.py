"""What is saved as one HTML file that opens without a server."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.console.comparison_page import MOST_RUNS, ComparedRun, comparison_page
from services.console.domain import RunMode
from services.console.http_bodies import RunBody, body_of
from services.console.http_callers import ConsoleParts, Reader
from services.console.run_routes import picture_kind
from services.console.work_bodies import CrossingBody
from services.console.workbench_client import MODES
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.edge.crossing_page import crossing_page
from services.edge.errors import InvalidInput

router = APIRouter(prefix="/api", tags=["pages"])
# The file is the user's own words and pictures: where a browser shows it in place, nothing in it runs or loads.
PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
HTML: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "A page that needs nothing beside it"}
}


@router.get("/runs/{run}/cross.html", summary="A cross as a page to keep", response_class=Response, responses=HTML)
async def cross_page(console: ConsoleParts, caller: Reader, run: str, mode: RunMode = RunMode.INT8) -> Response:
    user = caller.user.id
    found, session = await console.runs.get(user, run), await console.runs.session(user, run)
    stands = (await console.workbench.call(user, "GetSession", pb.GetSessionRequest(session=session))).session
    asked = pb.CrossRequest(session=session, mode=MODES[mode])
    replies = console.workbench.stream(user, "Cross", asked)
    rows = [body_of(CrossingBody, reply.crossing) async for reply in replies if reply.HasField("crossing")]
    edits = f"{stands.edits} edits, " if stands.edits else ""
    origin = f"{found.picture_name}; {edits}{stands.isa}, {stands.threads} thread(s); {written_now()}."
    return _page(f"cross-{stands.model}-{mode}", crossing_page(stands.model, mode, origin, rows))


@router.get("/comparison.html", summary="Runs side by side as a page to keep", response_class=Response, responses=HTML)
async def compare(
    console: ConsoleParts,
    caller: Reader,
    runs: Annotated[str, Query(max_length=400, description="Ids of runs with commas between, in their order")],
) -> Response:
    wanted = runs.split(",")
    if len(wanted) > MOST_RUNS:
        raise InvalidInput(f"{len(wanted)} runs; at most {MOST_RUNS} are compared")
    compared = []
    for each in wanted:
        found = await console.runs.get(caller.user.id, each)
        content = await console.runs.picture(caller.user.id, each)
        compared.append(ComparedRun(RunBody.of(found), content, picture_kind(content)))
    return _page("comparison", comparison_page(compared, written_now()))


def written_now() -> str:
    """What a page says of when it was written."""
    return f"written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _page(name: str, content: str) -> Response:
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in name)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.html"', "Content-Security-Policy": PAGE_POLICY}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)
