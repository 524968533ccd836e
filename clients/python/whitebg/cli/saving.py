"""Saving results under names that are free."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from whitebg.client import GeneratorClient
from whitebg.models import Task

EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


def reserve(folder: Path, stem: str, content_type: str, *, force: bool) -> Path:
    """Return the path ``<stem>-white.<ext>`` in ``folder``, numbered ``-2``, ``-3`` … unless ``force``.

    Without ``force`` the name is taken by an empty file, so that no one else can take it meanwhile.
    """
    extension = EXTENSIONS.get(content_type, ".img")
    plain = folder / f"{stem}-white{extension}"
    if force:
        return plain
    for number in count(1):
        path = plain if number == 1 else folder / f"{stem}-white-{number}{extension}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() does not end")


async def save_result(client: GeneratorClient, task: Task, folder: Path, stem: str, *, force: bool) -> Path:
    """Download a completed task's result into ``folder``, and return where it lies.

    Raises:
        WhitebgError: the result can't be fetched; nothing is left on disk.
        OSError: it can't be written.

    """
    content_type = task.result.content_type if task.result else ""
    path = await asyncio.to_thread(reserve, folder, stem, content_type, force=force)
    try:
        return await client.download(task.task_id, path)
    except BaseException:
        if not force:
            path.unlink(missing_ok=True)  # The empty file that held the name.
        raise
