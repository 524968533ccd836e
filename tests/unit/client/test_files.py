"""Photos in every form that callers may pass."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from whitebg import errors
from whitebg.files import MAX_IMAGE_BYTES, read_photo


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_may_be_text_or_a_path(tmp_path: Path, kind: type[str | Path]) -> None:
    (tmp_path / "cap.png").write_bytes(b"photo")
    assert read_photo(kind(tmp_path / "cap.png")) == (b"photo", "cap.png")
    assert read_photo(kind(tmp_path / "cap.png"), "other.png") == (b"photo", "other.png")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_a_photo(kind: type[bytes]) -> None:
    assert read_photo(kind(b"photo")) == (b"photo", "")


def test_an_open_file_is_read_from_its_position_and_names_itself(tmp_path: Path) -> None:
    (tmp_path / "cap.png").write_bytes(b"xxphoto")
    with (tmp_path / "cap.png").open("rb") as file:
        file.seek(2)
        assert read_photo(file) == (b"photo", "cap.png")
    assert read_photo(io.BytesIO(b"photo")) == (b"photo", "")


def test_a_pipe_is_read_to_its_end() -> None:
    end, start = os.pipe()
    photo = bytes(300_000)  # Larger than a pipe's buffer, so that one read can't return it.

    def write() -> None:
        with os.fdopen(start, "wb") as file:
            file.write(photo)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(end, "rb", buffering=0) as file:
        assert not file.seekable()
        assert read_photo(file) == (photo, "")
    writer.join()


def test_a_text_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "cap.png").write_text("photo")
    with (tmp_path / "cap.png").open() as file, pytest.raises(TypeError, match="binary mode"):
        read_photo(file)  # type: ignore[arg-type]  # that is the test


class _Endless(io.RawIOBase):
    taken = 0

    def read(self, size: int = -1, /) -> bytes:
        self.taken += size
        return bytes(size)


def test_a_file_without_end_is_read_no_further_than_the_limit() -> None:
    endless = _Endless()
    with pytest.raises(errors.InvalidRequest, match="at most 25 MiB"):
        read_photo(endless)  # type: ignore[arg-type]  # a RawIOBase whose read never returns None
    assert endless.taken <= MAX_IMAGE_BYTES + 1024 * 1024


def test_a_name_that_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"photo")
    assert read_photo(path) == (b"photo", "caf\ufffd.png")
    with path.open("rb") as file:
        assert read_photo(file) == (b"photo", "caf\ufffd.png")
