"""Sign up, log in, log out; and who a request is from."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from services.console.domain import LogIn, User, check_password, check_user_name
from services.console.records import AccountRecords
from services.edge.errors import Forbidden, TooManyLogIns, Unauthenticated

LOG_IN_S = 14 * 24 * 3600
MOST_FAILURES = 5
FAILURE_WINDOW_S = 300.0
"""So many wrong passwords for one name in this time; the next attempt has to wait for the oldest to be that old."""
_HASHES_AT_A_TIME = 2
"""Each takes 64 MiB for a moment."""


class Hasher(Protocol):
    """Keeps passwords so that they cannot be read."""

    def hash(self, password: str) -> str: ...

    def fits(self, password_hash: str, password: str) -> bool: ...


@dataclass(frozen=True)
class Caller:
    """Who a request is from."""

    user: User
    csrf_token: str

    def check_csrf(self, token: str | None) -> None:
        """Refuse a change that a page of somebody else's made. Raises Forbidden."""
        if token is None or not secrets.compare_digest(token.encode(), self.csrf_token.encode()):
            raise Forbidden("send the csrf_token that GET /api/account gives as the header X-CSRF-Token")


@dataclass(frozen=True)
class OpenedLogIn:
    """A new log-in, and the secret that the cookie gets."""

    caller: Caller
    secret: str


class Accounts:
    """The users.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, records: AccountRecords, hasher: Hasher, clock: Callable[[], float]):
        self._records, self._hasher, self._clock = records, hasher, clock
        self._hashing = asyncio.Semaphore(_HASHES_AT_A_TIME)
        self._turns = WeakValueDictionary[str, asyncio.Lock]()
        self._nobodys_hash: str | None = None

    async def sign_up(self, name: str, password: str) -> OpenedLogIn:
        """Make an account and log in. Raises InvalidInput, NameTaken."""
        checked = check_user_name(name)
        check_password(password)
        hashed = await self._hash(password)
        user = User(secrets.token_hex(16), checked, hashed)
        await self._records.add_user(user)
        return await self._open(user)

    async def log_in(self, name: str, password: str) -> OpenedLogIn:
        """Log in.

        Raises:
            Unauthenticated: no such user, or another password; which of both is not said.
            TooManyLogIns: wrong passwords before this one.
        """
        folded = name.strip().lower()[:80]
        # Of one name one at a time: many at once would all be tried before the first is known to be wrong.
        turn = self._turns.setdefault(folded, asyncio.Lock())
        async with turn:
            return await self._log_in(folded, password)

    async def _log_in(self, folded: str, password: str) -> OpenedLogIn:
        now_s = self._clock()
        failures = await self._records.failures_since(folded, now_s - FAILURE_WINDOW_S)
        if len(failures) >= MOST_FAILURES:
            wait_s = failures[-MOST_FAILURES] + FAILURE_WINDOW_S - now_s
            raise TooManyLogIns(f"too many wrong passwords for this name; try again in {wait_s:.0f} s", wait_s)
        user = await self._records.user_of_name(folded)
        # Of no user too: how long an answer takes does not say whether there is one.
        if not await self._fits(user, password[:1000]) or user is None:
            await self._records.add_failure(folded, now_s)
            raise Unauthenticated("no such user and password")
        await self._records.remove_log_ins_until(now_s)
        return await self._open(user)

    async def caller(self, secret: str | None) -> Caller:
        """Who has this secret in his cookie. Raises Unauthenticated."""
        found = await self._records.user_of_log_in(_digest(secret), self._clock()) if secret else None
        if found is None:
            raise Unauthenticated("nobody is logged in: log in first")
        user, log_in = found
        return Caller(user, log_in.csrf_token)

    async def log_out(self, secret: str) -> None:
        """Make a cookie's secret worth nothing."""
        await self._records.remove_log_in(_digest(secret))

    async def _open(self, user: User) -> OpenedLogIn:
        secret, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        await self._records.add_log_in(LogIn(_digest(secret), user.id, csrf_token, self._clock() + LOG_IN_S))
        return OpenedLogIn(Caller(user, csrf_token), secret)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _fits(self, user: User | None, password: str) -> bool:
        if self._nobodys_hash is None:
            self._nobodys_hash = await self._hash(secrets.token_hex(16))
        password_hash = user.password_hash if user else self._nobodys_hash
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.fits, password_hash, password)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
