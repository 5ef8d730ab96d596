"""The database behind the records: SQLite in a file, or PostgreSQL by its URL; its tables are the newest when open."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

from services.edge.deadline import Clock, Deadline
from services.edge.errors import InvalidDeclaration, StoreUnavailable

_MIGRATIONS = Path(__file__).with_name("migrations")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_LOCK = 7_203_405
"""Any number: held in PostgreSQL while tables are changed, so that two processes do not do so at once."""

_POLL_S = 0.5
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Database:
    """Transactions in threads; one ends whole or not at all. Raises StoreUnavailable where it does not answer."""

    def __init__(self, engine: Engine):
        self._engine = engine

    async def do(self, work: Callable[[Session], Result]) -> Result:
        """Do one transaction."""
        return await asyncio.to_thread(self._do, work)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def _do(self, work: Callable[[Session], Result]) -> Result:
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                return work(session)
        except OperationalError as error:
            raise StoreUnavailable(f"the database did not answer: {error.orig}") from error


def open_database(url: str) -> Database:
    """Open a database and bring its tables up to date.

    Args:
        url: `sqlite:////FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.
    Raises:
        InvalidDeclaration: another kind of URL.
        StoreUnavailable: nothing answers there.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed.set(drivername=_DRIVERS[parsed.drivername]))
    except (ArgumentError, KeyError) as error:
        raise InvalidDeclaration(
            "the database's URL is sqlite:////FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        _migrate(engine)
    except OperationalError as error:
        engine.dispose()
        raise StoreUnavailable(f"the database did not answer: {error.orig}") from error
    return Database(engine)


async def open_database_within(
    url: str, patience_s: float, clock: Clock, sleep: Callable[[float], Awaitable[None]]
) -> Database:
    """Open a database that may be starting still, as one that was installed together with its callers.

    Raises:
        InvalidDeclaration: as `open_database`.
        StoreUnavailable: a file cannot be opened, or nothing has answered for `patience_s`.
    """
    patience = Deadline.after(0.0 if url.startswith("sqlite:") else patience_s, clock)
    while True:
        try:
            return await asyncio.to_thread(open_database, url)
        except StoreUnavailable as error:
            if patience.passed:
                raise
            _log.info("waiting: %s", error)
        await sleep(_POLL_S)


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # Python would begin a transaction at its first change alone
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Wait for the one writer now: a transaction that reads first and then writes could not wait for it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
