"""Many photos at once: submit, follow all of them on one watch, fetch each result as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from whitebg import errors, models
from whitebg.cli.photos import NoPhotos
from whitebg.cli.saving import save_result
from whitebg.client import GeneratorClient

MAX_IN_FLIGHT = 4
"""Uploads at a time: each holds its photo in memory."""
MAX_BARREN_REFUSALS = 20
"""Times that a full quota is waited for while none of our own tasks can free it."""
MAX_EARLY = 1_000
"""Tasks of the same user whose news is kept although they are not known to be ours (yet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one photo."""

    photo: str
    task: models.Task | None = None
    saved: Path | None = None
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a picture on disk."""
        return self.saved is not None


class Reporter(Protocol):
    """Is told how it goes. ``key`` is the photo's place in the order, from 0."""

    def begin(self, photos: list[str]) -> None:
        """Learn which photos are going to be worked on."""
        ...

    def uploading(self, key: int) -> None:
        """Learn that a photo is on its way to the service."""
        ...

    def waiting(self, key: int, why: str) -> None:
        """Learn that a photo can't go on just now."""
        ...

    def progress(self, key: int, task_id: int, percent: int, stage: str, remaining: float | None) -> None:
        """Learn that a task got on; ``remaining`` is in seconds."""
        ...

    def finished(self, key: int, outcome: Outcome) -> None:
        """Learn that a photo is done with, one way or the other."""
        ...

    def connection(self, error: errors.WhitebgError, delay: float) -> None:
        """Learn that the watch broke and is opened again in ``delay`` seconds."""
        ...


class _Followed:
    """A task that was submitted, as far as it is known."""

    def __init__(self, key: int, task: models.Task) -> None:
        self.key = key
        self.task = task
        self.ended = asyncio.Event()


class Batch:
    """One run of `whitebg submit`."""

    def __init__(
        self,
        client: GeneratorClient,
        reporter: Reporter,
        *,
        out: Path,
        options: models.TaskOptions,
        force: bool = False,
        reuse: bool = False,
    ) -> None:
        self._client = client
        self._reporter = reporter
        self._out = out
        self._options = options
        self._force = force
        self._reuse = reuse
        self._followed: dict[int, _Followed] = {}
        self._early: dict[int, models.Task] = {}
        self._some_ended = asyncio.Event()
        self._uploads = asyncio.Semaphore(MAX_IN_FLIGHT)

    @property
    def under_way(self) -> list[int]:
        """Ids of the tasks that were submitted and have not ended yet."""
        return [task_id for task_id, followed in self._followed.items() if not followed.ended.is_set()]

    async def run(self, photos: Iterable[Path | NoPhotos]) -> list[Outcome]:
        """Put all photos through, and return what became of each, in order. A bad one fails alone.

        Raises:
            WhitebgError: the service could not be watched at all, such as for a bad token.

        """
        items = list(photos)
        self._reporter.begin([item.argument if isinstance(item, NoPhotos) else item.name for item in items])
        cursor = await self._client.head()  # Before the first submit, so that the watch misses nothing.
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(cursor))
                outcomes = await asyncio.gather(*(self._one(key, item) for key, item in enumerate(items)))
                watching.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None  # Only the watch can fail here, and it fails once.
        return list(outcomes)

    async def _one(self, key: int, photo: Path | NoPhotos) -> Outcome:
        if isinstance(photo, NoPhotos):
            outcome = Outcome(photo=photo.argument, problem=str(photo))
        else:
            outcome = await self._put_through(key, photo)
        self._reporter.finished(key, outcome)
        return outcome

    async def _put_through(self, key: int, photo: Path) -> Outcome:
        followed: _Followed | None = None
        try:
            followed = await self._submit(key, photo)
            await followed.ended.wait()
            task = followed.task.raise_for_state()
            saved = await save_result(self._client, task, self._out, photo.stem, force=self._force)
        except errors.TaskFailed as error:
            return Outcome(photo=photo.name, task=followed.task if followed else None, problem=error.explanation)
        except errors.WhitebgError as error:
            return Outcome(photo=photo.name, task=followed.task if followed else None, problem=error.message)
        except OSError as error:
            problem = f"{error.filename or photo}: {error.strerror or error}"
            return Outcome(photo=photo.name, task=followed.task if followed else None, problem=problem)
        return Outcome(photo=photo.name, task=followed.task, saved=saved)

    async def _submit(self, key: int, photo: Path) -> _Followed:
        idempotency_key, refusals = str(uuid.uuid4()), 0
        while True:
            self._some_ended.clear()
            try:
                async with self._uploads:
                    self._reporter.uploading(key)
                    task = await self._client.submit(
                        photo, self._options, idempotency_key=idempotency_key, reuse=self._reuse
                    )
            except errors.QuotaExceeded as error:
                # Our own tasks make room when they end; with none under way, somebody else's must.
                refusals = 0 if self.under_way else refusals + 1
                if refusals > MAX_BARREN_REFUSALS:
                    raise
                self._reporter.waiting(key, "waits for room in the queue")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._some_ended.wait(), error.retry_after)
            else:
                return self._follow(key, task)

    def _follow(self, key: int, task: models.Task) -> _Followed:
        # News of the task may have come before the answer to its submission.
        early = self._early.pop(task.task_id, None)
        followed = self._followed[task.task_id] = _Followed(key, task)
        self._reporter.progress(key, task.task_id, task.progress, task.stage, None)
        if early is not None:
            self._take(early)
        elif task.state.terminal:
            self._take(task)  # An earlier result: there will be no news of it.
        return followed

    async def _watch(self, cursor: str) -> None:
        snapshot: set[int] | None = None
        async with aclosing(self._client.watch(cursor, on_retry=self._reporter.connection)) as updates:
            async for update in updates:
                match update:
                    case models.TaskEvent(task=task):
                        self._take(task)
                    case models.TaskProgress():
                        self._progress(update)
                    case models.SnapshotBegin():
                        snapshot = set()
                    case models.SnapshotTask(task=task):
                        if snapshot is not None:
                            snapshot.add(task.task_id)
                        self._take(task)
                    case models.SnapshotEnd():
                        await self._look_for_lost(snapshot or set())
                        snapshot = None

    def _take(self, task: models.Task) -> None:
        followed = self._followed.get(task.task_id)
        if followed is None:
            self._early[task.task_id] = task
            while len(self._early) > MAX_EARLY:
                self._early.pop(next(iter(self._early)))
        elif not followed.ended.is_set() and task.seq >= followed.task.seq:
            followed.task = task
            if task.state.terminal:
                followed.ended.set()
                self._some_ended.set()
            else:
                self._report(followed, task.progress, task.stage, task.estimated_remaining)

    def _progress(self, news: models.TaskProgress) -> None:
        followed = self._followed.get(news.task_id)
        if followed is not None and not followed.ended.is_set() and news.attempt >= followed.task.attempt:
            self._report(followed, news.progress, news.stage, news.estimated_remaining)

    def _report(self, followed: _Followed, percent: int, stage: str, remaining: timedelta | None) -> None:
        seconds = remaining.total_seconds() if remaining is not None else None
        self._reporter.progress(followed.key, followed.task.task_id, percent, stage, seconds)

    async def _look_for_lost(self, snapshot: set[int]) -> None:
        """Ask for what a snapshot left out: after a restored database, a task may be gone."""
        for task_id in self.under_way:
            if task_id not in snapshot:
                try:
                    self._take(await self._client.get(task_id))
                except errors.NotFound:
                    followed = self._followed[task_id]
                    gone = models.TaskError(code="task_lost", message="the service no longer knows it; submit it again")
                    followed.task = replace(followed.task, state=models.TaskState.FAILED, error=gone)
                    followed.ended.set()
                    self._some_ended.set()
