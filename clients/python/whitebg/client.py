"""The async client."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast, overload

from whitebg import errors
from whitebg.convert.options import engine_from_proto, preset_from_proto
from whitebg.convert.queue import stats_from_proto
from whitebg.convert.results import image_info_from_proto, kind_to_proto
from whitebg.convert.tasks import batch_from_proto, review_to_proto, state_to_proto, task_from_proto
from whitebg.files import Photo, StrPath, copy_to
from whitebg.models import (
    Batch,
    DeletedTasks,
    EngineInfo,
    Image,
    ImageInfo,
    ImageKind,
    OnGap,
    Preset,
    QueueStats,
    Review,
    ReviewedTasks,
    SnapshotEnd,
    SnapshotTask,
    Submission,
    SubmissionResult,
    Task,
    TaskEvent,
    TaskOptions,
    TaskState,
    WatchUpdate,
)
from whitebg.submitting import submit, submit_many
from whitebg.transfer import AtomicFile, fetch
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.watch import OnRetry, WatchRequest, follow
from whitebg.wire import Tls, Token, Wire
from whitebg_process.backoff import Backoff
from whitebg_process.threads import finish_in_thread

_MAX_NAMED = 1000
"""Tasks that one call of the service may delete."""
_SPOOL_BYTES = 8 * 1024 * 1024
"""Bytes of a download to a file object that are held in memory; more go to a temporary file."""


class AsyncClient:
    """Talks to the generator service.

    ::

        async with AsyncClient("127.0.0.1:50051", token) as client:
            task = await client.submit(Path("shoe.jpg"), TaskOptions(preset="amazon"))
            task = await client.wait(task.task_id)
            await client.download(task.raise_for_state().task_id, Path("shoe-white.jpg"))

    Calls are retried automatically while the service is unavailable, with backoff and within their timeout: each of
    them can be repeated safely. Where a call takes a ``user_id``, None means the token's own subject; another one
    needs a token with the scope ``service``.

    Every call may raise `Unauthenticated`, `PermissionDenied`, `ServiceUnavailable`, `DeadlineExceeded` and
    `ServiceError`, all of them a `WhitebgError`; further errors are listed with each call.
    """

    def __init__(
        self,
        target: str,
        token: Token,
        *,
        tls: Tls = False,
        timeout: float = 30.0,
        backoff: Backoff | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            target: ``host:port`` of the service.
            token: a JWT, or a function (async or not) that returns one; it is asked before every call.
            tls: False for plain text, True for TLS with gRPC's own roots, a `ClientTls`, or credentials of your own.
            timeout: seconds that one call may take with its repetitions, and a watch until its first connection;
                afterwards a watch is resumed for as long as it takes.
            backoff: waits between repetitions; 0.1 to 10 s with full jitter unless given.

        """
        self._backoff = backoff or Backoff()
        self._wire = Wire(target, token, tls=tls, timeout=timeout, backoff=self._backoff)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled. May be called twice."""
        await self._wire.close()

    async def ready(self, timeout: float = 5.0) -> None:
        """Wait until the service can be reached, at most ``timeout`` seconds.

        Raises:
            ServiceUnavailable: it could not be reached in time.

        """
        await self._wire.ready(timeout)

    async def submit(
        self,
        image: Photo,
        options: TaskOptions | None = None,
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        user_id: str | None = None,
        priority: int = 0,
        task_timeout: timedelta | None = None,
        run_at: datetime | None = None,
        reuse: bool = False,
        mask: Photo | None = None,
        batch_id: str | None = None,
    ) -> Task:
        """Send a photo. When it returns, the task is durable.

        Args:
            image: the photo's bytes, its path, or a binary file, read to its end; at most 25 MiB.
            options: what the picture should be.
            filename: the name to show; the file's name unless given. Bytes that are not UTF-8 are replaced.
            idempotency_key: the same key always means the same task, 1 to 200 characters; a fresh one unless
                given, so that repetitions within this call are safe.
            user_id: the owner.
            priority: higher runs first, -10 to 10; above 0 needs the scope ``service``.
            task_timeout: how long one attempt may run, 1 s to 15 min.
            run_at: earliest start, with a time zone, at most 30 days ahead; at once if it is past.
            reuse: whether an earlier completed task of the same photo, mask and options may answer.
            mask: the product's outline in place of the engine's own, in one of the forms of ``image``: a PNG, WebP or
                JPEG in white and black, or transparent where there is no product, with the upright photo's aspect
                ratio; at most 8 MiB.
            batch_id: add the task to the user's batch of this name, which begins with its first task: up to 100
                letters, digits and ``._~:-``. Call `close_batch` after the last one.

        Raises:
            InvalidRequest: the photo, the mask or an option can't be taken.
            WrongState: the batch is closed.
            IdempotencyConflict: the key was used with another request.
            QuotaExceeded: too many tasks are waiting.
            OSError: the file can't be read.
            TypeError: the image or the mask is neither bytes nor a path nor a binary file.

        """
        if isinstance(image, int):
            raise TypeError("a photo is bytes, a path or a binary file, not int; use resubmit for an earlier task")
        (task,) = await self.submit_outputs(
            image,
            [options or TaskOptions()],
            filename=filename,
            idempotency_key=idempotency_key,
            user_id=user_id,
            priority=priority,
            task_timeout=task_timeout,
            run_at=run_at,
            reuse=reuse,
            mask=mask,
            batch_id=batch_id,
        )
        return task

    def submit_many(self, submissions: Iterable[Submission]) -> AsyncGenerator[SubmissionResult]:
        """Send many photos, several in one call, and yield what became of each, in order: faster than a call for each.

        ::

            photos = [Submission(path) for path in Path("photos").glob("*.jpg")]
            async for result in client.submit_many(photos):
                print(result.submission.image, result.error or result.task.task_id)

        They are independent: one that is rejected does not affect the others. A file is read when its turn comes. What
        was yielded with tasks is durable. To repeat an interrupted run safely, name the ``idempotency_key`` of each.

        Args:
            submissions: the photos with their options, any number.

        Raises:
            WhitebgError: a call failed as a whole; those that were not yielded may have been taken or not.
            TypeError: an image or a mask is neither bytes nor a path nor a binary file.

        """
        return submit_many(self._wire, submissions, self._backoff)

    async def submit_outputs(
        self,
        image: Photo | int,
        outputs: Sequence[TaskOptions],
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        user_id: str | None = None,
        priority: int = 0,
        task_timeout: timedelta | None = None,
        run_at: datetime | None = None,
        reuse: bool = False,
        mask: Photo | None = None,
        drop_mask: bool = False,
        batch_id: str | None = None,
    ) -> list[Task]:
        """Make several pictures of one photo, such as one for each market: a task each, all or none.

        The photo is sent and stored once. Without ``batch_id``, the tasks are a closed batch of their own.

        Args:
            image: the photo as in `submit`, or the id of an earlier task whose photo is used, with its mask.
            outputs: the options of the pictures, 1 to 20.
            filename: as in `submit`.
            idempotency_key: as in `submit`; it stands for all tasks.
            user_id: as in `submit`.
            priority: as in `submit`.
            task_timeout: as in `submit`.
            run_at: as in `submit`.
            reuse: as in `submit`, for each picture.
            mask: as in `submit`, for all pictures.
            drop_mask: whether the earlier task's mask is not to be used again.
            batch_id: as in `submit`, for all tasks.

        Raises:
            ValueError: there are no outputs.
            InvalidRequest: the photo, the mask or an option can't be taken, or there are too many outputs.
            NotFound: there is no such earlier task, or its photo is no longer kept.
            WrongState: the batch is closed.
            IdempotencyConflict: the key was used with another request.
            QuotaExceeded: too many tasks are waiting.
            OSError: a file can't be read.
            TypeError: the image or the mask is neither bytes nor a path nor a binary file.

        """
        if not outputs:
            raise ValueError("there are no outputs; name the options of at least one picture")
        submission = Submission(
            image,
            outputs[0],
            more_options=outputs[1:],
            filename=filename,
            idempotency_key=idempotency_key,
            user_id=user_id,
            priority=priority,
            task_timeout=task_timeout,
            run_at=run_at,
            reuse=reuse,
            mask=mask,
            drop_mask=drop_mask,
            batch_id=batch_id,
        )
        return await submit(self._wire, submission)

    async def resubmit(
        self,
        source_task_id: int,
        options: TaskOptions | None = None,
        *,
        idempotency_key: str | None = None,
        user_id: str | None = None,
        priority: int = 0,
        task_timeout: timedelta | None = None,
        run_at: datetime | None = None,
        reuse: bool = False,
        mask: Photo | None = None,
        drop_mask: bool = False,
        batch_id: str | None = None,
    ) -> Task:
        """Make a new version of an earlier task's result: a new task of its photo. The earlier result stays.

        Args:
            source_task_id: the earlier task.
            options: what the picture should be; those of the earlier task are not used again.
            idempotency_key: as in `submit`.
            user_id: the owner of both tasks.
            priority: as in `submit`.
            task_timeout: as in `submit`.
            run_at: as in `submit`.
            reuse: as in `submit`.
            mask: a corrected mask, as in `submit`; the earlier task's own, if it has one, unless given.
            drop_mask: whether the earlier task's mask is not to be used again.
            batch_id: as in `submit`.

        Raises:
            NotFound: there is no such task, or its photo is no longer kept.
            InvalidRequest: the mask or an option can't be taken.
            WrongState: the batch is closed.
            IdempotencyConflict: the key was used with another request.
            QuotaExceeded: too many tasks are waiting.
            OSError: the mask's file can't be read.
            TypeError: the mask is neither bytes nor a path nor a binary file.

        """
        (task,) = await self.submit_outputs(
            source_task_id,
            [options or TaskOptions()],
            idempotency_key=idempotency_key,
            user_id=user_id,
            priority=priority,
            task_timeout=task_timeout,
            run_at=run_at,
            reuse=reuse,
            mask=mask,
            drop_mask=drop_mask,
            batch_id=batch_id,
        )
        return task

    async def get(self, task_id: int, *, user_id: str | None = None) -> Task:
        """Return a task as it stands.

        Raises:
            NotFound: there is no such task.

        """
        request = pb.GetTaskRequest(task_id=task_id, user_id=user_id or "")
        return task_from_proto((await self._wire.call(self._wire.stub.GetTask, request)).task)

    async def list_tasks(
        self,
        *,
        states: Iterable[TaskState] = (),
        batch_id: str | None = None,
        review: Review | str | None = None,
        user_id: str | None = None,
        page_size: int = 100,
    ) -> AsyncGenerator[Task]:
        """Yield a user's tasks, newest first, in one of ``states`` (all when empty); pages are fetched as needed.

        With ``batch_id``, only those of that batch; with ``review``, only completed ones with that decision.

        Raises:
            InvalidRequest: ``page_size`` is not within 1 to 500.
            ValueError: ``review`` is not a decision.

        """
        wanted = [state_to_proto(state) for state in states]
        request = pb.ListTasksRequest(
            user_id=user_id or "", states=wanted, page_size=page_size, batch_id=batch_id or ""
        )
        if review is not None:
            request.review = review_to_proto(Review(review))
        async for page in self._wire.pages(self._wire.stub.ListTasks, request):
            for task in page.tasks:
                yield task_from_proto(task)

    async def head(self, *, user_id: str | None = None) -> str:
        """Return the cursor of a user's latest event: a watch after it misses nothing from now on."""
        return (
            await self._wire.call(self._wire.stub.ListTasks, pb.ListTasksRequest(user_id=user_id or "", page_size=1))
        ).cursor

    async def cancel(self, task_id: int, *, user_id: str | None = None) -> Task:
        """Cancel a task, and return it. Cancelling a cancelled task does nothing.

        Raises:
            NotFound: there is no such task.
            WrongState: it has already ended.

        """
        request = pb.CancelTaskRequest(task_id=task_id, user_id=user_id or "")
        return task_from_proto((await self._wire.call(self._wire.stub.CancelTask, request)).task)

    async def delete(self, task_ids: Iterable[int], *, user_id: str | None = None) -> DeletedTasks:
        """Delete tasks with their images. Those that have not ended are cancelled first.

        Tasks that don't exist are returned as missing, so the call can be repeated. The idempotency keys of deleted
        tasks are free again.
        """
        wanted, deleted, missing = iter(dict.fromkeys(task_ids)), list[int](), list[int]()
        while chunk := list(islice(wanted, _MAX_NAMED)):
            request = pb.DeleteTasksRequest(task_ids=chunk, user_id=user_id or "")
            answer = await self._wire.call(self._wire.stub.DeleteTasks, request)
            deleted += answer.task_ids
            missing += answer.missing_task_ids
        return DeletedTasks(task_ids=tuple(deleted), missing=tuple(missing))

    async def delete_all(self, *, user_id: str | None = None) -> DeletedTasks:
        """Delete all tasks that a user has now, with their images; otherwise as `delete`."""
        request = pb.DeleteTasksRequest(all=True, user_id=user_id or "")
        answer = await self._wire.call(self._wire.stub.DeleteTasks, request)
        return DeletedTasks(task_ids=tuple(answer.task_ids))

    async def delete_batch(self, batch_id: str, *, user_id: str | None = None) -> DeletedTasks:
        """Delete all tasks of a batch, with their images; otherwise as `delete`.

        Raises:
            NotFound: there is no such batch.

        """
        request = pb.DeleteTasksRequest(batch_id=batch_id, user_id=user_id or "")
        answer = await self._wire.call(self._wire.stub.DeleteTasks, request)
        return DeletedTasks(task_ids=tuple(answer.task_ids))

    async def review(
        self, task_ids: Iterable[int], review: Review | str, *, user_id: str | None = None
    ) -> ReviewedTasks:
        """Accept or reject the results of tasks; `Review.OPEN` takes that back.

        Tasks without a result, and those that don't exist, are returned as such, so the call can be repeated.

        Raises:
            ValueError: ``review`` is not a decision.

        """
        decision = review_to_proto(Review(review))
        wanted, reviewed, unfinished, missing = iter(dict.fromkeys(task_ids)), list[int](), list[int](), list[int]()
        while chunk := list(islice(wanted, _MAX_NAMED)):
            request = pb.ReviewTasksRequest(task_ids=chunk, review=decision, user_id=user_id or "")
            answer = await self._wire.call(self._wire.stub.ReviewTasks, request)
            reviewed += answer.task_ids
            unfinished += answer.unfinished_task_ids
            missing += answer.missing_task_ids
        return ReviewedTasks(task_ids=tuple(reviewed), unfinished=tuple(unfinished), missing=tuple(missing))

    async def get_batch(self, batch_id: str, *, user_id: str | None = None) -> Batch:
        """Return a batch with the number of its tasks by state.

        Raises:
            NotFound: there is no such batch.

        """
        request = pb.GetBatchRequest(batch_id=batch_id, user_id=user_id or "")
        return batch_from_proto((await self._wire.call(self._wire.stub.GetBatch, request)).batch)

    async def close_batch(self, batch_id: str, *, user_id: str | None = None) -> Batch:
        """Let no more tasks be added to a batch; once all have ended, one event of type BATCH_FINISHED follows.

        Raises:
            NotFound: there is no such batch.

        """
        request = pb.CloseBatchRequest(batch_id=batch_id, user_id=user_id or "")
        return batch_from_proto((await self._wire.call(self._wire.stub.CloseBatch, request)).batch)

    async def cancel_batch(self, batch_id: str, *, user_id: str | None = None) -> Batch:
        """Close a batch, and cancel its tasks that have not ended.

        Raises:
            NotFound: there is no such batch.

        """
        request = pb.CancelBatchRequest(batch_id=batch_id, user_id=user_id or "")
        return batch_from_proto((await self._wire.call(self._wire.stub.CancelBatch, request)).batch)

    async def watch(
        self,
        after: str | None = None,
        *,
        task_ids: Iterable[int] = (),
        snapshot: bool = False,
        all_users: bool = False,
        user_id: str | None = None,
        on_gap: OnGap = OnGap.SNAPSHOT,
        stop_at_head: bool = False,
        on_retry: OnRetry | None = None,
    ) -> AsyncGenerator[WatchUpdate]:
        """Yield what happens to tasks, in order, each event once, over as many connections as it takes.

        Keep ``update.cursor`` to resume later. Without ``after`` it begins now, with a `Bookmark` whose
        ``caught_up`` is true.

        Args:
            after: resume behind this cursor.
            task_ids: only these tasks, at most 1,000; all when empty.
            snapshot: without ``after``, begin with the current tasks.
            all_users: watch the tasks of all users; needs the scope ``service``. Its cursors are of another kind.
            user_id: watch this user's tasks.
            on_gap: what to do when ``after`` can't be resumed.
            stop_at_head: end when all that was there at the beginning has been yielded.
            on_retry: called with the error and the seconds until the next try, whenever a stream broke.

        Raises:
            DeadlineExceeded: the service did not answer at all within the client's timeout.
            CursorGap: ``after`` can't be resumed and ``on_gap`` is FAIL.
            InvalidRequest: ``after`` is not a cursor, or one of the other kind.

        """
        request = WatchRequest(
            user_id=user_id,
            all_users=all_users,
            task_ids=tuple(task_ids),
            after=after,
            snapshot=snapshot,
            on_gap=on_gap,
            stop_at_head=stop_at_head,
        )
        updates = follow(
            lambda request: self._wire.stream(self._wire.stub.WatchTasks, request),
            request,
            backoff=self._backoff,
            connect_timeout=self._wire.timeout,
            on_retry=on_retry,
            renewable_token=self._wire.renewable_token,
        )
        async with aclosing(updates):
            async for update in updates:
                yield update

    async def wait(self, task_id: int, timeout: float | None = None, *, user_id: str | None = None) -> Task:
        """Wait until a task ends, and return it; `Task.raise_for_state` raises unless it completed.

        Args:
            task_id: the task.
            timeout: seconds to wait at most; None waits for as long as it takes.
            user_id: the owner.

        Raises:
            NotFound: there is no such task.
            DeadlineExceeded: it did not end in time and continues, or the service did not answer at all within
                ``timeout`` or the client's own timeout.

        """
        trouble = f"the service at {self._wire.target} has not answered; check the address"

        def note(problem: str) -> None:
            nonlocal trouble
            trouble = problem

        try:
            async with asyncio.timeout(timeout):
                return await self._wait(task_id, user_id, note)
        except errors.DeadlineExceeded:
            raise
        except TimeoutError:
            late = f"task {task_id} did not end within {timeout:g} s"
            raise errors.DeadlineExceeded(f"{late}: {trouble}" if trouble else f"{late}; it continues") from None

    async def _wait(self, task_id: int, user_id: str | None, note: Callable[[str], None]) -> Task:
        """Wait for the task's end. ``note`` is called with the connection's problem, empty if there is none."""
        seen = False
        updates = self.watch(
            task_ids=(task_id,), snapshot=True, user_id=user_id, on_retry=lambda error, _delay: note(error.message)
        )
        async with aclosing(updates):
            async for update in updates:
                note("")
                if isinstance(update, SnapshotTask | TaskEvent) and update.task.task_id == task_id:
                    seen = True
                    if update.task.state.terminal:
                        return update.task
                elif isinstance(update, SnapshotEnd) and not seen:
                    task = await self.get(task_id, user_id=user_id)  # Raises if there is none.
                    if task.state.terminal:
                        return task
        raise AssertionError("a watch without stop_at_head does not end")

    @overload
    async def download(
        self, task_id: int, to: StrPath, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Path: ...
    @overload
    async def download(
        self, task_id: int, to: BinaryIO, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> None: ...
    async def download(
        self, task_id: int, to: StrPath | BinaryIO, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Path | None:
        """Save one of a task's images and return its path; a broken stream resumes where it broke.

        The file appears under its name only when it is complete, and replaces an existing one. A file object is
        written only after the whole image has arrived.

        Args:
            task_id: the task.
            to: the file to write, a folder, where the service's own name for the image is used, or a binary file,
                which need not be seekable.
            kind: which image.
            user_id: the owner.

        Raises:
            NotFound: there is no such task, or it has no such image (yet).
            DownloadFailed: the bytes that came are not the whole image.
            OSError: the file can't be written.

        """
        request = _image_request(task_id, kind, user_id)
        if not isinstance(to, str | os.PathLike):
            # Kept apart until it is complete: an image that changes on the way starts over, and a pipe can't.
            with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
                await self._fetch(request, cast("BinaryIO", spool))
                await asyncio.to_thread(copy_to, cast("BinaryIO", spool), to)
            return None
        to = Path(to)
        is_folder = await asyncio.to_thread(to.is_dir)
        file = await finish_in_thread(partial(AtomicFile, to if is_folder else to.parent), AtomicFile.discard)
        try:
            info = await self._fetch(request, file.sink)
            path = to / info.filename if is_folder else to
            await finish_in_thread(partial(file.commit, path))
        finally:
            file.discard()
        return path

    async def read_image(
        self, task_id: int, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Image:
        """Return one of a task's images with its bytes; a broken stream resumes where it broke.

        Raises:
            NotFound: there is no such task, or it has no such image (yet).
            DownloadFailed: the bytes that came are not the whole image.

        """
        sink = io.BytesIO()
        info = await self._fetch(_image_request(task_id, kind, user_id), sink)
        return Image(
            content_type=info.content_type,
            size_bytes=info.size_bytes,
            etag=info.etag,
            filename=info.filename,
            data=sink.getvalue(),
        )

    async def image_info(
        self, task_id: int, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> ImageInfo:
        """Return the metadata of one of a task's images without its bytes.

        Raises:
            NotFound: there is no such task, or it has no such image (yet).

        """
        request = pb.GetImageRequest(task_id=task_id, user_id=user_id or "", kind=kind_to_proto(kind))
        return image_info_from_proto((await self._wire.call(self._wire.stub.GetImage, request)).image)

    async def image_url(
        self,
        task_id: int,
        kind: ImageKind = ImageKind.RESULT,
        *,
        lifetime: timedelta = timedelta(minutes=10),
        attachment: bool = False,
        user_id: str | None = None,
    ) -> str | None:
        """Return a URL to download one of a task's images from without a token; None where the service has none.

        Args:
            task_id: the task.
            kind: which image.
            lifetime: how long the URL is valid, 1 s to 1 h.
            attachment: whether a browser that opens the URL saves the image instead of displaying it.
            user_id: the owner.

        Raises:
            NotFound: there is no such task, or it has no such image (yet).
            InvalidRequest: the lifetime is out of range.

        """
        request = pb.CreateImageUrlRequest(
            task_id=task_id, user_id=user_id or "", kind=kind_to_proto(kind), attachment=attachment
        )
        request.lifetime.FromTimedelta(lifetime)
        return (await self._wire.call(self._wire.stub.CreateImageUrl, request)).url or None

    async def _fetch(self, request: pb.DownloadImageRequest, sink: BinaryIO) -> ImageInfo:
        return await fetch(
            lambda part: self._wire.stream(self._wire.stub.DownloadImage, part), request, sink, backoff=self._backoff
        )

    async def presets(self) -> list[Preset]:
        """Return the marketplace presets, ``custom`` first."""
        response = await self._wire.call(self._wire.stub.ListPresets, pb.ListPresetsRequest())
        return [preset_from_proto(each) for each in response.presets]

    async def engines(self) -> list[EngineInfo]:
        """Return all engines but AUTO: those that the service has first, in the order in which AUTO prefers them."""
        response = await self._wire.call(self._wire.stub.ListEngines, pb.ListEnginesRequest())
        return [engine_from_proto(each) for each in response.engines]

    async def stats(self) -> QueueStats:
        """Return the state of the queue; needs the scope ``admin`` or ``service``."""
        return stats_from_proto(await self._wire.call(self._wire.stub.GetQueueStats, pb.GetQueueStatsRequest()))


def _image_request(task_id: int, kind: ImageKind, user_id: str | None) -> pb.DownloadImageRequest:
    return pb.DownloadImageRequest(task_id=task_id, user_id=user_id or "", kind=kind_to_proto(kind))


GeneratorClient = AsyncClient
"""Deprecated name of `AsyncClient`."""
