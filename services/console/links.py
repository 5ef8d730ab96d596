"""Links to what a layer was: a page made when the link is, which whoever has the link can read until it is revoked."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.artifacts.store import ObjectStore
from services.console.domain import Link
from services.console.records import LinkRecords
from services.edge.errors import ArtifactNotFound


@dataclass(frozen=True)
class MadeLink:
    """A new link, and the secret in its address, which is not kept and shown this once."""

    link: Link
    secret: str


class Links:
    """The links of all users.

    A page stands by itself: who reads it reaches no session, no file and no other page.

    Args:
        quota_bytes: of all that one user keeps, these pages included.
        clock: seconds since 1970.
    """

    def __init__(self, records: LinkRecords, store: ObjectStore, quota_bytes: int, clock: Callable[[], float]):
        self._records, self._store, self._quota_bytes, self._clock = records, store, quota_bytes, clock

    async def make(self, user: str, run: str, layer: str, page: str) -> MadeLink:
        """Share a page about a layer of a run of the user's. Raises QuotaExceeded, RunNotFound."""
        secret, content = secrets.token_urlsafe(32), page.encode()
        link = Link(secrets.token_hex(16), user, run, layer, _digest(secret), len(content), self._clock())
        await self._store.write(_key(link), content)
        try:
            await self._records.add_link(link, self._quota_bytes)
        except BaseException:
            await self._store.remove([_key(link)])
            raise
        return MadeLink(link, secret)

    async def list(self, user: str, run: str) -> Sequence[Link]:
        """A user's of one run, the newest first."""
        return await self._records.links(user, run)

    async def read(self, secret: str) -> bytes:
        """The page behind an address. Raises ArtifactNotFound: none, or it was revoked."""
        link = await self._records.link_of(_digest(secret))
        with suppress(ArtifactNotFound):  # revoked meanwhile; the store's own words name the user
            if link is not None:
                return await self._store.read(_key(link))
        raise ArtifactNotFound("nothing is shared at this address, or no longer")

    async def revoke(self, user: str, link: str) -> None:
        """End a link. Raises ArtifactNotFound."""
        if not await self._remove(user, link):
            raise ArtifactNotFound(f"no link '{link[:40]}' of yours")

    async def revoke_all(self, user: str, run: str) -> None:
        """End all links of a run that goes."""
        for link in await self._records.links(user, run):
            await self._remove(user, link.id)

    async def _remove(self, user: str, link: str) -> bool:
        """False where there was none."""
        removed = await self._records.remove_link(user, link)
        if removed is None:
            return False
        await self._store.remove([_key(removed)])
        return True


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(link: Link) -> str:
    return f"users/{link.user}/links/{link.id}"
