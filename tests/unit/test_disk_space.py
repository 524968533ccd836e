"""Free disk space, and the guard that reserves it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from generator_service.domain.errors import DiskFull
from generator_service.ops.disk_space import DiskGuard, DiskSpace, disk_space

MIB = 1024 * 1024


def test_reads_the_file_system_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    space = disk_space(tmp_path / "not" / "there")

    assert space.total == shutil.disk_usage(tmp_path).total
    assert 0 < space.free <= space.total


async def test_rejects_a_photo_that_leaves_too_little(tmp_path: Path) -> None:
    total = disk_space(tmp_path).total

    await DiskGuard(folders=[tmp_path], min_free=0).require(MIB)
    with pytest.raises(DiskFull, match=r"MiB must stay free; try again later"):
        await DiskGuard(folders=[tmp_path], min_free=0).require(total)
    with pytest.raises(DiskFull):
        await DiskGuard(folders=[tmp_path], min_free=total).require(MIB)


async def test_photos_let_through_since_the_last_reading_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Path] = []

    def read(folder: Path) -> DiskSpace:
        readings.append(folder)
        return DiskSpace(free=10 * MIB if len(readings) == 1 else 3 * MIB, total=100 * MIB)

    monkeypatch.setattr("generator_service.ops.disk_space.disk_space", read)
    monkeypatch.setattr("generator_service.ops.disk_space.READ_AGAIN", 3600.0)
    guard = DiskGuard(folders=[tmp_path], min_free=2 * MIB)
    await guard.require(4 * MIB)
    await guard.require(4 * MIB)
    assert len(readings) == 1
    with pytest.raises(DiskFull):
        await guard.require(4 * MIB)  # Two MiB would be left by the first reading, so it reads again.
    assert len(readings) == 2


async def test_without_folders_there_is_nothing_to_guard() -> None:
    await DiskGuard(folders=[], min_free=2**62).require(MIB)
