"""The interface of image stores. `tests/contract/blobs` verifies every implementation."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
KINDS = ("input", "mask", "result", "thumbnail")
"""What keys of images begin with."""


class BlobMissing(Exception):
    """There is no object under this key."""


class BlobStoreUnavailable(Exception):
    """The store is unreachable or refuses; retry shortly. Whether the last `put` took effect is unknown.

    The message is for a person: it names the store and the reason, and contains no secret.
    """


class BlobStoreConfigError(Exception):
    """The configured store can't be used, and waiting doesn't help; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is there."""

    key: str
    at: datetime
    """When it was stored, by the store's clock."""


class BlobStore(Protocol):
    """A store of images. Keys are made by `new_key`; an object is never changed once stored.

    Every method raises `BlobStoreUnavailable` while the store is unavailable.
    """

    @property
    def where(self) -> str:
        """A description of the store, such as ``bucket images at https://s3.example.com``."""
        ...

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object. It is durable and complete once this returns, and invisible before."""
        ...

    async def get(self, key: str) -> bytes:
        """Read a whole object.

        Raises:
            BlobMissing: there is none.

        """
        ...

    def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read ``length`` bytes from ``offset``, or as many as there are, in chunks of at most 64 KiB.

        Raises:
            BlobMissing: there is none.

        """
        ...

    async def delete(self, *keys: str) -> None:
        """Delete objects; those that are not there are no error."""
        ...

    async def list(self, *, after: str, limit: int) -> Sequence[Stored]:
        """Return the next ``limit`` objects whose keys come after ``after``, in the keys' order; fewer at the end."""
        ...

    async def url(self, key: str, *, lifetime: timedelta, content_type: str, disposition: str) -> str | None:
        """Sign a link to an object, for clients without credentials: valid for ``lifetime``, for this object only.

        Responses have ``content_type`` and ``disposition`` as headers. None if the store has no public address.
        Whether the object exists is not checked.
        """
        ...


def new_key(kind: str, suffix: str = "") -> str:
    """Return an unguessable key; keys are spread over 256 folders."""
    name = secrets.token_hex(16)
    return f"{kind}/{name[:2]}/{name}{suffix}"


async def try_writing(blobs: BlobStore, key: str) -> None:
    """Write a small object and delete it.

    Raises:
        BlobStoreUnavailable: that is not possible.

    """
    await blobs.put(key, b"probe\n", content_type="text/plain")
    await blobs.delete(key)


async def discard(blobs: BlobStore, *keys: str) -> None:
    """Delete objects that are no longer needed. On failure they are left to the sweep of orphans."""
    try:
        await blobs.delete(*keys)
    except BlobStoreUnavailable as error:
        logger.warning("%d unneeded images are left for the sweep: %s", len(keys), error)
