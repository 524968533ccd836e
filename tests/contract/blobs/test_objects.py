"""Storing, reading and deleting objects behaves the same in every store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from generator_service.blobs.contract import CHUNK, BlobMissing, BlobStore, discard, new_key

PNG = "image/png"
DATA = bytes(range(250)) * 800


async def read(blobs: BlobStore, key: str, offset: int, length: int) -> list[bytes]:
    """Read a range in chunks."""
    return [chunk async for chunk in blobs.stream(key, offset=offset, length=length)]


async def test_what_is_put_can_be_got(blobs: BlobStore) -> None:
    keys = [new_key("input", ".jpg") for _ in range(20)]
    await asyncio.gather(*(blobs.put(key, key.encode(), content_type=PNG) for key in keys))
    for key in keys:
        assert await blobs.get(key) == key.encode()


async def test_a_large_photo_comes_back_as_it_was(blobs: BlobStore) -> None:
    photo = DATA * 125
    await blobs.put("input/ab/abc", photo, content_type=PNG)
    assert await blobs.get("input/ab/abc") == photo
    assert b"".join(await read(blobs, "input/ab/abc", 0, len(photo))) == photo


async def test_nothing_can_be_stored_too(blobs: BlobStore) -> None:
    await blobs.put("input/ab/abc", b"", content_type=PNG)
    assert await blobs.get("input/ab/abc") == b""
    assert await read(blobs, "input/ab/abc", 0, 10) == []


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 200_000), (0, 1), (199_999, 1), (CHUNK - 1, 2), (CHUNK, CHUNK), (70_000, 130_000), (0, 0), (200_000, 5)],
)
async def test_a_part_is_exactly_what_was_asked_for_in_small_chunks(blobs: BlobStore, offset: int, length: int) -> None:
    await blobs.put("input/ab/abc", DATA, content_type=PNG)
    chunks = await read(blobs, "input/ab/abc", offset, length)
    assert b"".join(chunks) == DATA[offset : offset + length]
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


async def test_a_reader_may_leave_early(blobs: BlobStore) -> None:
    await blobs.put("input/ab/abc", DATA, content_type=PNG)
    stream = blobs.stream("input/ab/abc", offset=0, length=len(DATA))
    async for chunk in stream:
        assert DATA.startswith(chunk)
        break
    await stream.aclose()  # type: ignore[attr-defined]  # a generator, in both places
    assert await blobs.get("input/ab/abc") == DATA


async def test_what_is_not_there_is_missing_and_may_be_deleted(blobs: BlobStore) -> None:
    await blobs.put("input/ab/abc", b"x", content_type=PNG)
    await blobs.delete("input/ab/abc")
    await blobs.delete("input/ab/abc")
    await discard(blobs, "input/ab/abc", "input/ab/abd")
    with pytest.raises(BlobMissing, match="input/ab/abc"):
        await blobs.get("input/ab/abc")
    for length in (0, 1):
        with pytest.raises(BlobMissing, match="input/ab/abc"):
            await read(blobs, "input/ab/abc", 0, length)


async def test_many_are_deleted_and_nothing_else(blobs: BlobStore) -> None:
    keys = [f"result/{number % 7:02}/{number:04}" for number in range(60)]
    await asyncio.gather(*(blobs.put(key, b"x", content_type=PNG) for key in keys))
    await blobs.delete(*keys[:50], "result/00/was-never-there")
    await blobs.delete()
    assert {stored.key for stored in await blobs.list(after="", limit=1000)} == set(keys[50:])


async def test_all_are_listed_in_order_page_by_page(blobs: BlobStore) -> None:
    assert await blobs.list(after="", limit=10) == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    names = ["ab/abc", "ab/abd.png", "ab/abd", "ac/abc", "b0/b", "a0/z"]
    keys = sorted(f"{kind}/{name}" for kind in ("input", "result", "thumbnail") for name in names)
    await asyncio.gather(*(blobs.put(key, b"x", content_type=PNG) for key in keys))
    listed: list[str] = []
    while page := await blobs.list(after=listed[-1] if listed else "", limit=4):
        assert len(page) <= 4
        assert all(before <= stored.at <= datetime.now(UTC) + timedelta(seconds=2) for stored in page)
        listed += [stored.key for stored in page]
    assert listed == keys
    # Also after a key that does not exist.
    after = await blobs.list(after="result/ab/abcc", limit=2)
    assert [stored.key for stored in after] == ["result/ab/abd", "result/ab/abd.png"]
    assert await blobs.list(after="thumbnail/ff", limit=2) == []
