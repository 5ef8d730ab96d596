"""The console over HTTP: its interface below /api, and the page."""

from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import REGISTRY, CollectorRegistry

from services.console import (
    account_routes,
    file_routes,
    link_routes,
    live_routes,
    page_routes,
    run_routes,
    session_routes,
    work_routes,
)
from services.console.fault_page import for_people_too
from services.console.http_callers import Console
from services.console.pages import SafeHeaders, pages
from services.edge.http_app import Health, create_app

_ABOUT = """
Users, their files, and their runs of models, each with a session in which the model is stepped and edited.

Sign up or log in: the answer sets a cookie. Each change also needs the `csrf_token` of `GET /api/account`, as the
header `X-CSRF-Token`.
"""
_BODY_BYTES = 256 << 10
_MOST_BODIES = 64


def create_http_app(console: Console, health: Health, registry: CollectorRegistry = REGISTRY) -> FastAPI:
    """Build the application."""
    limits = {file_routes.UPLOAD_PATH: console.files.limits.file_bytes}
    app = create_app(
        "Strata console", version("strata"), _ABOUT, health, _BODY_BYTES, _MOST_BODIES, registry, max_bytes_at=limits
    )
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, for_people_too(handler))
    app.add_middleware(SafeHeaders)
    app.state.console = console
    accounts = (account_routes, file_routes, run_routes, session_routes, work_routes)
    for routes in (*accounts, page_routes, link_routes, live_routes):
        app.include_router(routes.router)
    app.mount("/", pages())
    return app
