"""`whitebg download`: saving results under free names."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.text import Text

from whitebg import errors
from whitebg.cli.connection import Connection, connected
from whitebg.cli.naming import result_file
from whitebg.cli.problems import Problem, file_problem
from whitebg.client import AsyncClient
from whitebg.models import ImageKind, Review, Task
from whitebg_process.printable import one_line, printable
from whitebg_process.result_files import REPORT_NAME, FreeNames, NamePattern, report_text
from whitebg_process.threads import finish_in_thread


class OutputNames:
    """The names of one run's images in its folder: ``<stem>-white.<ext>``, numbered ``-2``, ``-3`` … where taken.

    Masks are ``<stem>-mask.png``.

    With ``force`` a name that was there before the run is free; one that the run itself has given out never is.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        self._folder = folder
        self._force = force
        self._given: set[str] = set()
        self._names = FreeNames()
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
            return self._names.first(folder, stem, suffix, content_type, self._take)

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


async def make_folder(out: Path) -> None:
    """Make the folder of ``--out`` if it is missing.

    Raises:
        Problem: it can't be made.

    """
    try:
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"the folder {out} can't be made: {error.strerror}", "name another with --out") from error


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
        reserve = partial(names.reserve_path, stem, content_type)
    else:
        reserve = partial(names.reserve, stem, content_type, kind)
    path = await finish_in_thread(reserve, _remove_empty)
    try:
        return await client.download(task.task_id, path, kind)
    except BaseException:
        _remove_empty(path)
        raise


def _remove_empty(path: Path) -> None:
    """Remove the empty file that held a name."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == 0:
            path.unlink()


async def save_results(
    service: Connection,
    task_ids: list[int],
    *,
    out: Path,
    kind: ImageKind = ImageKind.RESULT,
    pattern: NamePattern | None = None,
    report: bool = False,
    force: bool,
    console: Console,
) -> bool:
    """Save the results of tasks, or their masks, each on its own and waited for; return whether all could be.

    Without ``task_ids``, all that the owner has accepted, earliest first. With ``report``, write ``report.csv`` with
    the verdicts of those that were saved.

    Raises:
        Problem: nothing answers, or ``out`` can't be made, or the report can't be written.
        WhitebgError: the service refuses us altogether.

    """
    fine = True
    lines: list[tuple[str, ...]] = []
    names = OutputNames(out, force=force)
    await make_folder(out)
    async with connected(service) as client:
        if not task_ids:
            accepted = [task.task_id async for task in client.list_tasks(review=Review.ACCEPTED, page_size=500)]
            task_ids = accepted[::-1]
        for number, task_id in enumerate(task_ids, 1):
            try:
                task = (await client.wait(task_id)).raise_for_state()
                saved = result_file(task)
                stem = Path(pattern.path(saved, number)) if pattern else Path(task.input.filename).stem or str(task_id)
                path = await save_result(client, task, names, stem, kind)
            except (errors.NotFound, errors.TaskFailed, errors.DownloadFailed) as error:
                fine = False
                console.print(Text(one_line(error.message), style="red"), soft_wrap=True)
            except OSError as error:
                fine = False
                problem = f"task {task_id} can't be saved: {file_problem(error)}"
                console.print(Text(problem, style="red"), soft_wrap=True)
            else:
                lines.append(saved.report_line(PurePosixPath(path.relative_to(out).as_posix())))
                console.print(Text(one_line(str(path))), soft_wrap=True)
    if report:
        file = out / REPORT_NAME
        try:
            await asyncio.to_thread(file.write_text, report_text(lines), encoding="utf-8", newline="")
        except OSError as error:
            raise Problem(f"{file} can't be written: {error.strerror}", "remove it, or name another --out") from error
        console.print(Text(one_line(str(file))), soft_wrap=True)
    return fine
