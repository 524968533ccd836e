"""Verifies that the configured image store belongs to this database; otherwise nothing in it is deleted.

Both sides hold the same random id: the database in its table ``image_store``, the image store in the object
`MARKER_KEY`. The marker also holds the highest log revision seen by a check, so that a database that was restored
from a backup, or copied, is detected although it has the same id.
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from enum import Enum, auto

from generator_service.blobs.contract import KINDS, BlobMissing, BlobStore
from generator_service.store.contract import TaskStore
from generator_service.store.image_contract import ImageBinding

logger = logging.getLogger(__name__)

MARKER_KEY = "whitebg-database.json"
IMAGE_FOLDERS = tuple(f"{kind}/" for kind in KINDS)
LIST_PAGE = 500
LIST_PAGES = 200
"""Pages searched for an image of this database when the image store has no marker: 100,000 images."""

_ADOPT = "if it is this database's, stop all services and run: python -P -m generator_service adopt-images"


@dataclass(frozen=True, slots=True)
class Marker:
    """The image store's side of a binding."""

    binding: str
    revision: int
    """The highest log revision seen by a check; 0 if none."""

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return json.dumps({"binding": self.binding, "revision": self.revision}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Marker:
        """Read the object's bytes.

        Raises:
            ValueError: the bytes are not a marker.

        """
        try:
            found = json.loads(data)
            return cls(str(found["binding"]), int(found["revision"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{MARKER_KEY} is damaged: {error!r}") from error


class Match(Enum):
    """Relation of an image store and a database."""

    BOUND = auto()
    """Both hold the same id."""
    NEW = auto()
    """Neither is bound yet."""
    HALF_BOUND = auto()
    """The database proposed an id, but image store or database have not recorded the rest, perhaps due to a crash."""
    FOREIGN = auto()
    """The image store belongs to another database."""
    UNMARKED = auto()
    """The image store lacks the marker that the database expects: not mounted, emptied, or a different one."""
    OUTDATED = auto()
    """The database is older than the image store: a restored backup, or a copy."""


def match(bound: ImageBinding | None, marker: Marker | None, revision: int) -> Match:
    """Compare both sides of a binding; ``revision`` is the head of the database's log."""
    if bound is None:
        return Match.NEW if marker is None else Match.FOREIGN
    if marker is None:
        return Match.UNMARKED if bound.confirmed else Match.HALF_BOUND
    if marker.binding != bound.id:
        return Match.FOREIGN
    if not bound.confirmed:
        return Match.HALF_BOUND
    return Match.OUTDATED if revision < marker.revision else Match.BOUND


def describe(found: Match, where: str) -> str | None:
    """Return an image store's problem and the remedy; None if there is none."""
    match found:
        case Match.FOREIGN:
            return f"the {where} belongs to another database; {_ADOPT}"
        case Match.UNMARKED:
            return f"the {where} lacks the marker {MARKER_KEY}: is it mounted, and the right one? {_ADOPT}"
        case Match.OUTDATED:
            return f"the {where} was used by a newer state of this database, which was restored or copied; {_ADOPT}"
        case Match.BOUND | Match.NEW | Match.HALF_BOUND:
            return None


async def read_marker(blobs: BlobStore) -> Marker | None:
    """Read the image store's side of its binding; None if it has none.

    Raises:
        BlobStoreUnavailable: the image store is unavailable.
        ValueError: the marker is damaged.

    """
    try:
        return Marker.decode(await blobs.get(MARKER_KEY))
    except BlobMissing:
        return None


class ImageStoreGuard:
    """Binds an unused image store to the database, and verifies the binding before anything is deleted.

    `problem` is the message for readiness and operators; None unless the latest check failed.
    """

    def __init__(self, store: TaskStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs
        self.problem: str | None = None

    async def __call__(self) -> None:
        """Check the binding; run by periodic maintenance."""
        await self.verified()

    async def verified(self) -> bool:
        """Check the binding, bind an unused image store, and return whether images may be deleted.

        Raises:
            BlobStoreUnavailable: the image store is unavailable.

        """
        problem = await self._check()
        if problem is not None and problem != self.problem:
            logger.error("image store refused: %s", problem)
        self.problem = problem
        return problem is None

    async def adopt(self) -> None:
        """Bind the image store to this database, regardless of an earlier binding.

        Raises:
            BlobStoreUnavailable: the image store is unavailable.

        """
        binding = secrets.token_hex(16)
        await self._write_marker(binding, await self._revision())
        await self._store.confirm_image_binding(binding)
        self.problem = None

    async def _check(self) -> str | None:
        try:
            bound, marker = await self._sides()
        except ValueError as error:
            return f"{error} in the {self._blobs.where}; {_ADOPT}"
        revision = await self._revision()
        found = match(bound, marker, revision)
        if found in {Match.NEW, Match.HALF_BOUND}:
            return await self._bind(revision)
        if found is Match.BOUND and marker is not None and revision > marker.revision:
            await self._write_marker(marker.binding, revision)
        return describe(found, self._blobs.where)

    async def _sides(self) -> tuple[ImageBinding | None, Marker | None]:
        """Read a consistent view of both sides of the binding, although another process may be binding them."""
        before = await self._store.image_binding()
        while True:
            marker = await read_marker(self._blobs)
            after = await self._store.image_binding()
            if after == before:
                return after, marker
            before = after

    async def _bind(self, revision: int) -> str | None:
        """Bind an image store without a marker if it is this database's; return the problem otherwise."""
        if not await self._is_ours():
            where = self._blobs.where
            return f"the {where} holds no image that this database knows: is it mounted, and the right one? {_ADOPT}"
        bound = await self._store.propose_image_binding(secrets.token_hex(16))
        await self._write_marker(bound.id, revision)
        marker = await read_marker(self._blobs)
        if marker is None or marker.binding != bound.id:
            return f"the {self._blobs.where} was bound to another database at the same moment; {_ADOPT}"
        await self._store.confirm_image_binding(bound.id)
        return None

    async def _is_ours(self) -> bool:
        """Return whether the image store holds an image of a task, or neither it nor the database holds anything.

        Keys are random, so one image named by a task is proof.
        """
        after, empty = "", True
        for _ in range(LIST_PAGES):
            page = await self._blobs.list(after=after, limit=LIST_PAGE)
            keys = [stored.key for stored in page if stored.key.startswith(IMAGE_FOLDERS)]
            if keys and await self._store.named_blobs(keys):
                return True
            empty = empty and not keys
            if len(page) < LIST_PAGE:
                break
            after = page[-1].key
        return empty and not any((await self._store.counts()).by_state.values())

    async def _revision(self) -> int:
        return (await self._store.latest_events(1)).head.position

    async def _write_marker(self, binding: str, revision: int) -> None:
        await self._blobs.put(MARKER_KEY, Marker(binding, revision).encode(), content_type="application/json")
