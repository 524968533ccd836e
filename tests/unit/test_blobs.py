"""Images on disk: all of one or nothing, whatever breaks in between."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from generator_service.blobs import CHUNK, BlobMissing, LocalBlobs, new_key


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """Give an empty place."""
    return LocalBlobs(tmp_path)


def files(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def read(blobs: LocalBlobs, key: str, offset: int, length: int) -> list[bytes]:
    """Read a part in chunks."""
    return [chunk async for chunk in blobs.stream(key, offset=offset, length=length)]


async def test_what_is_put_can_be_got(blobs: LocalBlobs) -> None:
    keys = [new_key("input", ".jpg") for _ in range(20)]
    await asyncio.gather(*(blobs.put(key, key.encode()) for key in keys))
    for key in keys:
        assert await blobs.get(key) == key.encode()


def test_keys_can_not_be_guessed_and_stay_within_the_folder() -> None:
    keys = {new_key("result", ".png") for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"result/([0-9a-f]{2})/\1[0-9a-f]{30}\.png", key) for key in keys)


@pytest.mark.parametrize("step", ["fsync", "rename"])
async def test_a_crash_before_the_end_leaves_no_object(
    blobs: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr({"fsync": os, "rename": Path}[step], step, crash)
        with pytest.raises(Crash):
            await blobs.put("input/ab/abc", b"half")
    with pytest.raises(BlobMissing):
        await blobs.get("input/ab/abc")
    assert files(tmp_path) == [], "what was written aside is cleared away"
    await blobs.put("input/ab/abc", b"whole")
    assert await blobs.get("input/ab/abc") == b"whole"


async def test_an_object_is_whole_and_on_the_disk_before_it_has_its_name(
    blobs: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of what reaches the disk: the bytes, then the name, then every folder that leads there."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("bytes" if path.is_file() else f"folder {path.relative_to(tmp_path)}")
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        assert self.read_bytes() == b"data"
        steps.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    await blobs.put("input/ab/abc", b"data")
    assert steps == ["folder input", "folder .", "bytes", "name", "folder input/ab"]
    steps.clear()
    await blobs.put("input/ab/abd", b"data")
    assert steps == ["bytes", "name", "folder input/ab"], "folders that last are not synced again"


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 200_000), (0, 1), (199_999, 1), (CHUNK - 1, 2), (CHUNK, CHUNK), (70_000, 130_000), (0, 0), (200_000, 5)],
)
async def test_a_part_is_exactly_what_was_asked_for_in_small_chunks(
    blobs: LocalBlobs, offset: int, length: int
) -> None:
    data = bytes(range(250)) * 800
    await blobs.put("a/b", data)
    chunks = await read(blobs, "a/b", offset, length)
    assert b"".join(chunks) == data[offset : offset + length]
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


async def test_what_is_not_there_is_missing_and_may_be_deleted(blobs: LocalBlobs) -> None:
    await blobs.put("a/b", b"x")
    await blobs.delete("a/b")
    await blobs.delete("a/b")
    with pytest.raises(BlobMissing, match="a/b"):
        await blobs.get("a/b")
    with pytest.raises(BlobMissing, match="a/b"):
        await read(blobs, "a/b", 0, 1)


async def test_a_reader_keeps_what_is_deleted_under_it(blobs: LocalBlobs) -> None:
    data = bytes(3 * CHUNK)
    await blobs.put("a/b", data)
    stream = blobs.stream("a/b", offset=0, length=len(data))
    first = await anext(stream)
    await blobs.delete("a/b")
    assert first + b"".join([chunk async for chunk in stream]) == data
