"""Who a request is from: the cookie, and the token that a page sends with each change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, APIKeyHeader

from services.console.accounts import LOG_IN_S, Accounts, Caller, OpenedLogIn
from services.console.front_door import FrontDoorClient
from services.console.links import Links
from services.console.pipeline_jobs import PipelineJobs
from services.console.runs import Runs
from services.console.user_files import UserFiles
from services.console.workbench_client import WorkbenchClient
from services.edge.errors import Forbidden

COOKIE = "strata_log_in"
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Given by POST /api/account and /api/log-in")
_csrf = APIKeyHeader(name="X-CSRF-Token", auto_error=False, description="From GET /api/account, with each change")


@dataclass(frozen=True)
class Console:
    """What the routes call; `app.state.console`. `stopping` ends answers that have no end of their own."""

    accounts: Accounts
    files: UserFiles
    runs: Runs
    links: Links
    workbench: WorkbenchClient
    front_door: FrontDoorClient
    jobs: PipelineJobs
    secure_cookies: bool
    stopping: Callable[[], bool] = lambda: False


def _console(request: Request) -> Console:
    console = request.app.state.console
    assert isinstance(console, Console)
    return console


ConsoleParts = Annotated[Console, Depends(_console)]


async def _reader(console: ConsoleParts, secret: Annotated[str | None, Depends(_cookie)]) -> Caller:
    return await console.accounts.caller(secret)


def _same_site(request: Request) -> None:
    """Refuse what a browser says another site's page has sent (Fetch Metadata, W3C)."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Forbidden("a page of another site asked for this")


async def _changer(
    console: ConsoleParts,
    secret: Annotated[str | None, Depends(_cookie)],
    token: Annotated[str | None, Depends(_csrf)],
    _: Annotated[None, Depends(_same_site)],
) -> Caller:
    caller = await console.accounts.caller(secret)
    caller.check_csrf(token)
    return caller


SameSite = Depends(_same_site)
Reader = Annotated[Caller, Depends(_reader)]
Changer = Annotated[Caller, Depends(_changer)]


def set_cookie(response: Response, opened: OpenedLogIn, secure: bool) -> None:
    """Give a browser its secret."""
    response.set_cookie(
        COOKIE, opened.secret, max_age=LOG_IN_S, httponly=True, samesite="strict", secure=secure, path="/"
    )


def clear_cookie(response: Response, secure: bool) -> None:
    """Take it back."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=secure, path="/")
