"""Sign up, log in, log out."""

from fastapi import APIRouter, Request, Response

from services.console.accounts import Caller
from services.console.http_bodies import AccountBody, Credentials
from services.console.http_callers import (
    COOKIE,
    Changer,
    Console,
    ConsoleParts,
    Reader,
    SameSite,
    clear_cookie,
    set_cookie,
)

router = APIRouter(prefix="/api", tags=["account"])


@router.post("/account", status_code=201, dependencies=[SameSite], summary="Sign up, and log in")
async def sign_up(console: ConsoleParts, body: Credentials, response: Response) -> AccountBody:
    opened = await console.accounts.sign_up(body.name, body.password)
    set_cookie(response, opened, console.secure_cookies)
    return await _account(console, opened.caller)


@router.get("/account", summary="Who is logged in, and how much he keeps")
async def account(console: ConsoleParts, caller: Reader) -> AccountBody:
    return await _account(console, caller)


@router.post("/log-in", dependencies=[SameSite], summary="Log in")
async def log_in(console: ConsoleParts, body: Credentials, response: Response) -> AccountBody:
    opened = await console.accounts.log_in(body.name, body.password)
    set_cookie(response, opened, console.secure_cookies)
    return await _account(console, opened.caller)


@router.post("/log-out", status_code=204, summary="Log out")
async def log_out(console: ConsoleParts, _: Changer, request: Request, response: Response) -> None:
    await console.accounts.log_out(request.cookies[COOKIE])
    clear_cookie(response, console.secure_cookies)


async def _account(console: Console, caller: Caller) -> AccountBody:
    limits = console.files.limits
    return AccountBody(
        name=caller.user.name,
        csrf_token=caller.csrf_token,
        used_bytes=await console.files.used_bytes(caller.user.id),
        quota_bytes=limits.quota_bytes,
        file_bytes=limits.file_bytes,
    )
