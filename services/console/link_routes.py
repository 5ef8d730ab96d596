"""Links that a user shares, and what whoever has one reads."""

from fastapi import APIRouter, Response

from services.console.http_bodies import LinkBody, LinkStart, MadeLinkBody, body_of
from services.console.http_callers import Changer, ConsoleParts, Reader
from services.console.layer_page import SharedLayer, layer_page
from services.console.page_routes import HTML, PAGE_POLICY, written_now
from services.console.session_bodies import MAPS_SIDE, CardBody, LookBody
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb

router = APIRouter(prefix="/api", tags=["links"])


@router.get("/runs/{run}/links", summary="The links to layers of a run, the newest first")
async def links(console: ConsoleParts, caller: Reader, run: str) -> list[LinkBody]:
    await console.runs.get(caller.user.id, run)
    return [LinkBody.of(link) for link in await console.links.list(caller.user.id, run)]


@router.post(
    "/runs/{run}/links", status_code=201, summary="Share what a layer is now, for whoever has the link to read"
)
async def share(console: ConsoleParts, caller: Changer, run: str, body: LinkStart) -> MadeLinkBody:
    user = caller.user.id
    found, session = await console.runs.get(user, run), await console.runs.session(user, run)
    ask = console.workbench.call
    look = await ask(user, "Look", pb.LookRequest(session=session, layer=body.layer, histogram=True))
    layer = look.visit.layer
    card = await ask(user, "GetLayer", pb.GetLayerRequest(session=session, layer=layer))
    maps = await ask(
        user, "DrawFeatureMaps", pb.DrawFeatureMapsRequest(session=session, layer=layer, most_side=MAPS_SIDE)
    )
    stands = (await ask(user, "GetSession", pb.GetSessionRequest(session=session))).session
    shared = SharedLayer(
        stands.model,
        found.request.mode.value,
        stands.edits,
        found.picture_name,
        body_of(CardBody, card),
        body_of(LookBody, look),
        maps.png,
    )
    made = await console.links.make(user, run, layer, layer_page(shared, written_now()))
    return MadeLinkBody(**dict(LinkBody.of(made.link)), address=f"/api/shared/{made.secret}")


@router.delete("/links/{link}", status_code=204, summary="Revoke a link: nobody reads it from now on")
async def revoke(console: ConsoleParts, caller: Changer, link: str) -> None:
    await console.links.revoke(caller.user.id, link)


@router.get("/shared/{secret}", summary="What is shared at an address", response_class=Response, responses=HTML)
async def shared(console: ConsoleParts, secret: str) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    return Response(await console.links.read(secret), media_type="text/html; charset=utf-8", headers=headers)
