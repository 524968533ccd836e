"""The images of tasks: small ones in the database, beside the row that names them; others in the image store.

A small image is committed in the transaction of its task, so it costs no file, no sync and no wait of its own, and is
deleted with the task's row. An image's key says where it is, so a limit that changes moves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from generator_service.blobs.contract import CHUNK, BlobMissing, BlobStore, BlobStoreUnavailable, Stored, new_key
from generator_service.store.reconnect import DatabaseUnavailable

INLINE = "inline/"
"""What keys of images in the database begin with."""
RECENT_BYTES = 4 * 1024 * 1024
"""Bytes of small images that are kept in memory after they were stored."""


class InlineImages(Protocol):
    """What the database offers for small images; `generator_service.store.contract.TaskStore` does."""

    async def inline_image(self, key: str) -> bytes | None:
        """Read an image that is stored beside its task; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to be stored under a key that `Images.new_key` made for its size."""

    key: str
    data: bytes = field(repr=False)
    content_type: str


class Images:
    """A `BlobStore` that also finds the images in the database, and stores new ones where they belong.

    ``inline_bytes`` is the size of the largest image that goes into the database; 0 for none. Listing, and objects that
    are no images of tasks, concern the image store alone.
    """

    def __init__(self, blobs: BlobStore, database: InlineImages, *, inline_bytes: int = 0) -> None:
        self._blobs = blobs
        self._database = database
        self._inline_bytes = inline_bytes
        self._recent: dict[str, bytes] = {}
        """Small images stored last, up to `RECENT_BYTES`, until each is read once: a task often starts at once, and its
        photo need not be read back. Keys are unique, so an image whose task was rejected is never found."""
        self._recent_bytes = 0

    @property
    def where(self) -> str:
        """A description of the image store."""
        return self._blobs.where

    def is_small(self, size: int) -> bool:
        """Return whether images of this size go into the database."""
        return size <= self._inline_bytes

    def new_key(self, kind: str, size: int, suffix: str = "") -> str:
        """Return an unguessable key for a new image."""
        return f"{INLINE if self.is_small(size) else ''}{new_key(kind, suffix)}"

    async def store(self, images: Iterable[NewImage]) -> Mapping[str, bytes]:
        """Store the large images; return the small ones by key, to be committed with the row that names them.

        Raises:
            BlobStoreUnavailable: the image store is unavailable; some of the images may have been stored.

        """
        small: dict[str, bytes] = {}
        for image in images:
            if image.key.startswith(INLINE):
                small[image.key] = image.data
                self._remember(image)
            else:
                await self._blobs.put(image.key, image.data, content_type=image.content_type)
        return small

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object in the image store."""
        await self._blobs.put(key, data, content_type=content_type)

    async def get(self, key: str) -> bytes:
        """Read a whole image."""
        return await self._inline(key) if key.startswith(INLINE) else await self._blobs.get(key)

    async def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read a part of an image in chunks."""
        if not key.startswith(INLINE):
            async for chunk in self._blobs.stream(key, offset=offset, length=length):
                yield chunk
            return
        part = (await self._inline(key))[offset : offset + length]
        for start in range(0, len(part), CHUNK):
            yield part[start : start + CHUNK]

    async def delete(self, *keys: str) -> None:
        """Delete images of the image store; those in the database are deleted with their rows."""
        for key in keys:
            self._recall(key)
        if stored := [key for key in keys if not key.startswith(INLINE)]:
            await self._blobs.delete(*stored)

    async def list(self, *, after: str, limit: int) -> Sequence[Stored]:
        """Return the next objects of the image store."""
        return await self._blobs.list(after=after, limit=limit)

    async def url(self, key: str, *, lifetime: timedelta, content_type: str, disposition: str) -> str | None:
        """Sign a link to an image; None if it is in the database, or the image store has no public address."""
        if key.startswith(INLINE):
            return None
        return await self._blobs.url(key, lifetime=lifetime, content_type=content_type, disposition=disposition)

    def _remember(self, image: NewImage) -> None:
        self._recent[image.key] = image.data
        self._recent_bytes += len(image.data)
        while self._recent_bytes > RECENT_BYTES:
            self._recall(next(iter(self._recent)))

    def _recall(self, key: str) -> bytes | None:
        data = self._recent.pop(key, None)
        self._recent_bytes -= len(data or b"")
        return data

    async def _inline(self, key: str) -> bytes:
        if (recent := self._recall(key)) is not None:
            return recent
        try:
            data = await self._database.inline_image(key)
        except DatabaseUnavailable as error:
            raise BlobStoreUnavailable(f"the images in the database can't be read: {error}") from error
        if data is None:
            raise BlobMissing(key)
        return data
