"""Where images go by their size, and that both places are read alike."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from generator_service.blobs.contract import BlobMissing, BlobStoreUnavailable
from generator_service.blobs.local import LocalBlobStore
from generator_service.images import RECENT_BYTES, Images, NewImage
from generator_service.store.reconnect import DatabaseUnavailable

SMALL, LARGE = b"small", b"l" * 200_000


class Database:
    """Small images in memory."""

    def __init__(self) -> None:
        self.images: dict[str, bytes] = {}

    async def inline_image(self, key: str) -> bytes | None:
        return self.images.get(key)


class LostDatabase:
    async def inline_image(self, key: str) -> bytes | None:
        raise DatabaseUnavailable


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def images(tmp_path: Path, database: Database) -> Images:
    return Images(LocalBlobStore(tmp_path), database, inline_bytes=100)


async def listed(images: Images) -> list[str]:
    return [stored.key for stored in await images.list(after="", limit=10)]


async def test_small_images_are_left_to_the_database_and_large_ones_stored(images: Images) -> None:
    small, large = images.new_key("input", len(SMALL)), images.new_key("result", len(LARGE), ".png")
    kept = await images.store([NewImage(small, SMALL, "image/png"), NewImage(large, LARGE, "image/png")])
    assert kept == {small: SMALL}
    assert await listed(images) == [large]
    assert await images.get(large) == LARGE


async def test_images_of_both_places_are_read_alike(images: Images, database: Database) -> None:
    for data in (SMALL, LARGE):
        key = images.new_key("input", len(data))
        database.images |= await images.store([NewImage(key, data, "image/png")])
        assert await images.get(key) == data
        chunks = [chunk async for chunk in images.stream(key, offset=1, length=3)]
        assert b"".join(chunks) == data[1:4]


async def test_a_large_image_in_the_database_is_read_in_chunks(images: Images, database: Database) -> None:
    database.images["inline/input/1"] = LARGE
    chunks = [chunk async for chunk in images.stream("inline/input/1", offset=0, length=len(LARGE))]
    assert b"".join(chunks) == LARGE
    assert max(map(len, chunks)) <= 64 * 1024


async def test_without_a_limit_every_image_is_a_file(tmp_path: Path, database: Database) -> None:
    images = Images(LocalBlobStore(tmp_path), database)
    key = images.new_key("input", 1)
    assert await images.store([NewImage(key, b"x", "image/png")]) == {}
    assert await listed(images) == [key]


async def test_the_database_deletes_its_images_itself(images: Images, database: Database) -> None:
    large = images.new_key("input", len(LARGE))
    await images.store([NewImage(large, LARGE, "image/png")])
    database.images["inline/input/1"] = SMALL
    await images.delete(large, "inline/input/1")
    assert await listed(images) == []
    assert await images.get("inline/input/1") == SMALL


async def test_a_missing_image_is_missing_and_has_no_link(images: Images) -> None:
    with pytest.raises(BlobMissing):
        await images.get("inline/input/1")
    link = await images.url("inline/input/1", lifetime=timedelta(minutes=1), content_type="image/png", disposition="")
    assert link is None


async def test_an_unavailable_database_is_waited_for_like_an_image_store(tmp_path: Path) -> None:
    images = Images(LocalBlobStore(tmp_path), LostDatabase(), inline_bytes=100)
    with pytest.raises(BlobStoreUnavailable, match="the images in the database can't be read"):
        await images.get("inline/input/1")


async def test_a_small_image_is_read_once_from_memory_and_then_from_the_database(
    images: Images, database: Database
) -> None:
    key = images.new_key("input", 3)
    database.images |= await images.store([NewImage(key, b"old", "image/png")])
    database.images[key] = b"new"
    assert await images.get(key) == b"old"
    assert await images.get(key) == b"new"


async def test_a_deleted_image_is_not_kept_in_memory(images: Images) -> None:
    key = images.new_key("input", 3)
    await images.store([NewImage(key, b"old", "image/png")])
    await images.delete(key)
    with pytest.raises(BlobMissing):
        await images.get(key)


async def test_few_small_images_are_kept_in_memory(tmp_path: Path, database: Database) -> None:
    size = RECENT_BYTES // 2
    images = Images(LocalBlobStore(tmp_path), database, inline_bytes=size)
    oldest, *others = [images.new_key("input", size) for _ in range(3)]
    for key in (oldest, *others):
        await images.store([NewImage(key, bytes(size), "image/png")])
    with pytest.raises(BlobMissing):
        await images.get(oldest)
    assert [len(await images.get(key)) for key in others] == [size, size]
