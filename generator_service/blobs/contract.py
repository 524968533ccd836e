"""What every place for images offers. `tests/contract/blobs` holds each to it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
KINDS = ("input", "result", "thumbnail")
"""What keys of images begin with."""


class BlobMissing(Exception):
    """There is no object under this key."""


class BlobsAway(Exception):
    """The place can't be reached or refuses; try again shortly. Whether a last `put` was carried out is not known.

    The string is for a person: which place, and why. No secret is in it.
    """


class BlobsUnusable(Exception):
    """The settings name a place that can't be used, whatever one waits for; the string says what to change."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is there."""

    key: str
    at: datetime
    """When it was stored, by the clock of the place."""


class Blobs(Protocol):
    """A place for images. Keys are made by `new_key`; an object is never changed once it is there.

    Every method raises `BlobsAway` if the place can't be used at present.
    """

    @property
    def where(self) -> str:
        """The place in words, such as ``bucket images at https://s3.example.com``."""
        ...

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object. It is durable and complete once this returns; nobody sees a part of it before."""
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
        """Sign a link to an object, for who may not use the place: good for ``lifetime``, for this object alone.

        Who follows it gets ``content_type`` and ``disposition`` as headers. None if nobody can reach the place so.
        Whether the object is there is not looked at.
        """
        ...


def new_key(kind: str, suffix: str = "") -> str:
    """Make a key that nobody can guess, spread over 256 folders."""
    name = secrets.token_hex(16)
    return f"{kind}/{name[:2]}/{name}{suffix}"


async def discard(blobs: Blobs, *keys: str) -> None:
    """Delete what nobody needs. What can't be deleted now is left to the sweep of orphans."""
    try:
        await blobs.delete(*keys)
    except BlobsAway as error:
        logger.warning("%d images that nobody needs are left for the sweep: %s", len(keys), error)
