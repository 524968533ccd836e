"""Many photos at once: submit, follow all of them on one watch, fetch each result as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from whitebg import errors, models
from whitebg.cli.problems import file_problem
from whitebg.cli.saving import OutputNames, save_result
from whitebg.client import AsyncClient

MAX_IN_FLIGHT = 4
"""Uploads at a time: each holds its photo in memory."""
MAX_BARREN_REFUSALS = 20
"""Times that a full quota is waited for while none of our own tasks can free it."""
MAX_EARLY = 1_000
"""Tasks of the same user whose updates are kept before they are known to belong to this batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A photo to be sent, or an earlier task's, and the pictures to make of it."""

    name: str
    """The photo's display name."""
    source: Path | int
    """A file, or the earlier task whose photo is used."""
    outputs: Sequence[models.TaskOptions]
    """Of the pictures, at least one."""
    mask: Path | None = None
    drop_mask: bool = False

    def label(self, options: models.TaskOptions) -> str:
        """Return the display name of one of the pictures."""
        return self.name if len(self.outputs) == 1 else f"{self.name} ({options.preset or 'custom'})"

    def stem(self, options: models.TaskOptions) -> str:
        """Return what the file name of one of the pictures begins with."""
        stem = Path(self.name).stem
        return stem if len(self.outputs) == 1 else f"{stem}-{options.preset or 'custom'}"


@dataclass(frozen=True, slots=True)
class Missing:
    """An argument that stands for no photo, and the reason."""

    name: str
    problem: str


Item = Request | Missing


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
    """Receives the batch's progress. ``key`` is the photo's index in the batch, from 0."""

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
    """One run of `whitebg submit` or `redo`."""

    def __init__(
        self,
        client: AsyncClient,
        reporter: Reporter,
        *,
        out: Path,
        force: bool = False,
        reuse: bool = False,
        run_at: datetime | None = None,
    ) -> None:
        self._client = client
        self._reporter = reporter
        self._names = OutputNames(out, force=force)
        self._reuse = reuse
        self._run_at = run_at
        self._followed: dict[int, _Followed] = {}
        self._early: dict[int, models.Task] = {}
        self._some_ended = asyncio.Event()
        self._uploads = asyncio.Semaphore(MAX_IN_FLIGHT)
        self.batch_id = f"cli-{uuid.uuid4().hex}"
        """Name of the service's batch that the tasks are submitted to."""
        self._unsent = 0

    @property
    def under_way(self) -> list[int]:
        """Ids of the tasks that were submitted and have not ended yet."""
        return [task_id for task_id, followed in self._followed.items() if not followed.ended.is_set()]

    async def run(self, items: Sequence[Item]) -> list[Outcome]:
        """Put all photos through, and return what became of each, in order. A bad one fails alone.

        Raises:
            WhitebgError: the service could not be watched at all, such as for a bad token.

        """
        labels: list[str] = []
        begins: list[int] = []
        for item in items:
            begins.append(len(labels))
            labels += [item.name] if isinstance(item, Missing) else [item.label(each) for each in item.outputs]
        self._reporter.begin(labels)
        self._unsent = sum(not isinstance(item, Missing) for item in items)
        cursor = await self._client.head()  # Before the first submit, so that the watch misses nothing.
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(cursor))
                outcomes = await asyncio.gather(*map(self._one, begins, items))
                watching.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None  # Only the watch can fail here, and it fails once.
        return [outcome for of_item in outcomes for outcome in of_item]

    async def _one(self, first: int, item: Item) -> list[Outcome]:
        """Process an item, whose first picture has the key ``first``."""
        if isinstance(item, Missing):
            outcome = Outcome(photo=item.name, problem=item.problem)
            self._reporter.finished(first, outcome)
            return [outcome]
        sending = asyncio.ensure_future(self._submit(first, item))
        try:
            return list(
                await asyncio.gather(
                    *(self._picture(item, number, sending, first + number) for number in range(len(item.outputs)))
                )
            )
        finally:
            sending.cancel()

    async def _picture(self, item: Request, number: int, sending: asyncio.Future[list[_Followed]], key: int) -> Outcome:
        options = item.outputs[number]
        label, followed, saved, problem = item.label(options), None, None, ""
        try:
            followed = (await asyncio.shield(sending))[number]
            await followed.ended.wait()
            task = followed.task.raise_for_state()
            saved = await save_result(self._client, task, self._names, item.stem(options))
        except errors.TaskFailed as error:
            problem = error.explanation
        except errors.WhitebgError as error:
            problem = error.message
        except OSError as error:
            problem = file_problem(error, label)
        outcome = Outcome(photo=label, task=followed.task if followed else None, saved=saved, problem=problem)
        self._reporter.finished(key, outcome)
        return outcome

    async def _note_sent(self) -> None:
        """Close the batch once everything is submitted, so that the service can record its end."""
        self._unsent -= 1
        if not self._unsent:
            # The pictures don't depend on it. Without a new task there is no batch, and older services know none.
            with contextlib.suppress(errors.WhitebgError):
                await self._client.close_batch(self.batch_id)

    async def _submit(self, first: int, item: Request) -> list[_Followed]:
        """Submit an item, waiting for room in the queue; return its tasks in order."""
        try:
            tasks = await self._sent(range(first, first + len(item.outputs)), item)
        except (errors.WhitebgError, OSError):
            await self._note_sent()
            raise
        # Before another call: progress of a task that is not followed yet is lost.
        followed = [self._follow(first + number, task) for number, task in enumerate(tasks)]
        await self._note_sent()
        return followed

    async def _sent(self, keys: Sequence[int], item: Request) -> list[models.Task]:
        idempotency_key, refusals = str(uuid.uuid4()), 0
        while True:
            self._some_ended.clear()
            try:
                async with self._uploads:
                    for key in keys:
                        self._reporter.uploading(key)
                    return await self._client.submit_outputs(
                        item.source,
                        item.outputs,
                        idempotency_key=idempotency_key,
                        reuse=self._reuse,
                        run_at=self._run_at,
                        mask=item.mask,
                        drop_mask=item.drop_mask,
                        batch_id=self.batch_id,
                    )
            except errors.QuotaExceeded as error:
                # Tasks of this batch free the quota when they end; with none under way, only others can.
                refusals = 0 if self.under_way else refusals + 1
                if refusals > MAX_BARREN_REFUSALS:
                    raise
                for key in keys:
                    self._reporter.waiting(key, "waits for room in the queue")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._some_ended.wait(), error.retry_after)

    def _follow(self, key: int, task: models.Task) -> _Followed:
        # Updates of the task may have arrived before the response to its submission.
        early = self._early.pop(task.task_id, None)
        followed = self._followed[task.task_id] = _Followed(key, task)
        self._reporter.progress(key, task.task_id, task.progress, task.stage, None)
        if early is not None:
            self._take(early)
        elif task.state.terminal:
            self._take(task)  # An earlier result: no updates will follow.
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
                self._report(followed, task.progress, task.activity, task.estimated_remaining)

    def _progress(self, news: models.TaskProgress) -> None:
        followed = self._followed.get(news.task_id)
        if followed is not None and not followed.ended.is_set() and news.attempt >= followed.task.attempt:
            self._report(followed, news.progress, news.activity, news.estimated_remaining)

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
