"""Images on disk are stored completely or not at all, wherever a write fails."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from generator_service.blobs.contract import CHUNK, BlobMissing, BlobStore, BlobStoreUnavailable, new_key
from generator_service.blobs.local import LocalBlobStore


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    """Return an empty store."""
    return LocalBlobStore(tmp_path)


def files(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_keys_can_not_be_guessed_and_stay_within_the_folder() -> None:
    keys = {new_key("result", ".png") for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"result/([0-9a-f]{2})/\1[0-9a-f]{30}\.png", key) for key in keys)


@pytest.mark.parametrize("step", ["fsync", "rename"])
async def test_a_crash_before_the_end_leaves_no_object(
    blobs: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr({"fsync": os, "rename": Path}[step], step, crash)
        with pytest.raises(Crash):
            await blobs.put("input/ab/abc", b"half", content_type="image/png")
    with pytest.raises(BlobMissing):
        await blobs.get("input/ab/abc")
    assert files(tmp_path) == [], "temporary files are removed"
    await blobs.put("input/ab/abc", b"whole", content_type="image/png")
    assert await blobs.get("input/ab/abc") == b"whole"


async def test_an_object_is_whole_and_on_the_disk_before_it_has_its_name(
    blobs: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data is flushed in order: the bytes, then the name, then every parent folder."""
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
    await blobs.put("input/ab/abc", b"data", content_type="image/png")
    assert steps == ["folder input", "folder .", "bytes", "name", "folder input/ab"]
    steps.clear()
    await blobs.put("input/ab/abd", b"data", content_type="image/png")
    assert steps == ["bytes", "name", "folder input/ab"], "folders that last are not synced again"


async def test_a_reader_keeps_what_is_deleted_under_it(blobs: LocalBlobStore) -> None:
    data = bytes(3 * CHUNK)
    await blobs.put("a/b", data, content_type="image/png")
    stream = blobs.stream("a/b", offset=0, length=len(data))
    first = await anext(stream)
    await blobs.delete("a/b")
    assert first + b"".join([chunk async for chunk in stream]) == data


async def test_a_folder_that_can_not_be_used_is_named_with_the_reason(blobs: LocalBlobStore, tmp_path: Path) -> None:
    (tmp_path / "input").rmdir()
    (tmp_path / "input").write_text("in the way")
    with pytest.raises(BlobStoreUnavailable, match=f"folder {tmp_path} can't be used: Not a directory"):
        await blobs.get("input/ab/abc")
    with pytest.raises(BlobStoreUnavailable, match="Not a directory"):
        await blobs.put("input/ab/abc", b"x", content_type="image/png")


@pytest.mark.parametrize("gone", ["the folder", "its content", "a file in its path"])
async def test_an_unmounted_folder_is_unavailable_and_not_made_again(tmp_path: Path, gone: str) -> None:
    root, share = tmp_path / "blobs", tmp_path / "share"
    blobs = LocalBlobStore(root)
    await blobs.put("input/ab/abc", b"photo", content_type="image/png")
    root.rename(share)
    if gone == "its content":
        root.mkdir()
    elif gone == "a file in its path":
        root.write_bytes(b"")
    for use in (
        lambda: blobs.get("input/ab/abc"),
        lambda: anext(blobs.stream("input/ab/abc", offset=0, length=1)),
        lambda: blobs.put("result/ab/abc", b"picture", content_type="image/png"),
        lambda: blobs.put("probe/readiness", b"probe", content_type="text/plain"),
        lambda: blobs.put("marker.json", b"{}", content_type="application/json"),
        lambda: blobs.get("marker.json"),
        lambda: blobs.delete("input/ab/abc"),
        lambda: LocalBlobStore(root, create=False).get("input/ab/abc"),
    ):
        with pytest.raises(BlobStoreUnavailable, match=r"folder .*blobs.* can't be used"):
            await use()
    assert not root.is_dir() or not list(root.iterdir()), "no other folder was created"
    if root.is_dir():
        root.rmdir()
    else:
        root.unlink(missing_ok=True)
    share.rename(root)
    assert await blobs.get("input/ab/abc") == b"photo"
    with pytest.raises(BlobMissing):
        await blobs.get("input/ab/abd")


async def test_a_share_unmounted_during_a_put_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "blobs"
    blobs = LocalBlobStore(root)
    check = blobs._require

    def unmounted_after_check(path: Path) -> Path:
        folder = check(path)
        root.rename(tmp_path / "share")
        root.mkdir()
        return folder

    monkeypatch.setattr(blobs, "_require", unmounted_after_check)
    with pytest.raises(BlobStoreUnavailable):
        await blobs.put("input/ab/abc", b"photo", content_type="image/png")
    assert not list(root.iterdir())


async def test_what_was_left_half_written_is_listed_with_the_rest(blobs: LocalBlobStore, tmp_path: Path) -> None:
    await blobs.put("input/ab/abc", b"x", content_type="image/png")
    (tmp_path / "input" / "ab" / "abd.1234.part").write_bytes(b"half")
    assert [stored.key for stored in await blobs.list(after="", limit=9)] == ["input/ab/abc", "input/ab/abd.1234.part"]


async def test_nobody_else_can_reach_a_folder(tmp_path: Path) -> None:
    blobs: BlobStore = LocalBlobStore(tmp_path)
    assert await blobs.url("a/b", lifetime=timedelta(minutes=1), content_type="image/png", disposition="inline") is None
