"""Saving results under free names."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

from whitebg.client import AsyncClient
from whitebg.models import ImageKind, Task
from whitebg_process.printable import printable
from whitebg_process.result_files import file_names


class OutputNames:
    """The names of one run's images in its folder: ``<stem>-white.<ext>``, numbered ``-2``, ``-3`` … where taken.

    Masks are ``<stem>-mask.png``.

    With ``force`` a name that was there before the run is free; one that the run itself has given out never is.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        self._folder = folder
        self._force = force
        self._given: set[str] = set()
        self._lock = threading.Lock()  # Pictures are saved from several threads.

    def reserve(self, stem: str, content_type: str, kind: ImageKind = ImageKind.RESULT) -> Path:
        """Return a free path. A file holds the name until the picture arrives, so that no other run takes it.

        Raises:
            OSError: the folder can't be written.

        """
        what = "mask" if kind is ImageKind.MASK else "white"
        return self._reserve(self._folder, printable(stem), f"-{what}", content_type)

    def reserve_path(self, path: Path, content_type: str) -> Path:
        """Return a free path for a relative one without extension; folders are made. Held as by `reserve`.

        Raises:
            OSError: the folder can't be written.

        """
        folder = self._folder / path.parent
        folder.mkdir(parents=True, exist_ok=True)
        return self._reserve(folder, path.name, "", content_type)

    def _reserve(self, folder: Path, stem: str, suffix: str, content_type: str) -> Path:
        with self._lock:
            for name in file_names(stem, suffix, content_type):
                path = folder / name
                if self._take(path):
                    return path
        raise AssertionError("file_names does not end")

    def _take(self, path: Path) -> bool:
        key = str(path).casefold()  # Some file systems take names that differ in case for the same.
        if key in self._given:
            return False
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            if not self._force:
                return False
        self._given.add(key)
        return True


async def save_result(
    client: AsyncClient, task: Task, names: OutputNames, stem: str | Path, kind: ImageKind = ImageKind.RESULT
) -> Path:
    """Download a completed task's result, or its mask, and return the path.

    ``stem`` is the photo's name, or a relative path without extension.

    Raises:
        WhitebgError: the result can't be fetched; nothing new is left on disk.
        OSError: it can't be written.

    """
    content_type = "image/png" if kind is ImageKind.MASK else task.result.content_type if task.result else ""
    if isinstance(stem, Path):
        path = await asyncio.to_thread(names.reserve_path, stem, content_type)
    else:
        path = await asyncio.to_thread(names.reserve, stem, content_type, kind)
    try:
        return await client.download(task.task_id, path, kind)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == 0:
                path.unlink()  # The empty file that held the name.
        raise
