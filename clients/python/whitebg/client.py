"""The async client."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from protos.whitebg.v1 import generator_service_pb2 as pb
from whitebg import convert, errors
from whitebg.models import (
    Image,
    ImageInfo,
    ImageKind,
    OnGap,
    Preset,
    QueueStats,
    SnapshotEnd,
    SnapshotTask,
    Task,
    TaskEvent,
    TaskOptions,
    TaskState,
    WatchUpdate,
)
from whitebg.retry import Backoff
from whitebg.transfer import AtomicFile, fetch
from whitebg.watch import OnRetry, WatchRequest, follow
from whitebg.wire import Tls, Token, Wire

MAX_IMAGE_BYTES = 25 * 1024 * 1024
"""The largest photo that the service takes."""


class GeneratorClient:
    """Talks to the generator service.

    ::

        async with GeneratorClient("127.0.0.1:50051", token) as client:
            task = await client.submit(Path("shoe.jpg"), TaskOptions(preset="amazon"))
            task = await client.wait(task.task_id)
            await client.download(task.raise_for_state().task_id, Path("shoe-white.jpg"))

    Calls are repeated by themselves while the service is away, with backoff and within their timeout: every one of
    them can be repeated safely. Where a call takes a ``user_id``, None means the token's own subject; another one
    needs a token with the scope ``service``.

    Every call may raise `Unauthenticated`, `PermissionDenied`, `ServiceUnavailable`, `DeadlineExceeded` and
    `ServiceError`, all of them a `WhitebgError`; what else it raises stands with it.
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
            timeout: seconds that one call may take with its repetitions. Watches have none.
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
        image: bytes | Path,
        options: TaskOptions | None = None,
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        user_id: str | None = None,
        priority: int = 0,
        task_timeout: timedelta | None = None,
        reuse: bool = False,
    ) -> Task:
        """Send a photo. When it returns, the task is durable.

        Args:
            image: the photo's bytes, or its path; at most 25 MiB.
            options: what the picture should be.
            filename: the name to show; the path's name unless given.
            idempotency_key: the same key always means the same task, 1 to 200 characters; a fresh one unless
                given, so that repetitions within this call are safe.
            user_id: the owner.
            priority: higher runs first, -10 to 10; above 0 needs the scope ``service``.
            task_timeout: how long one attempt may run, 1 s to 15 min.
            reuse: whether an earlier completed task of the same photo and options may answer.

        Raises:
            InvalidRequest: the photo or an option can't be taken.
            IdempotencyConflict: the key was used with another photo or other options.
            QuotaExceeded: too many tasks are waiting.
            OSError: the path can't be read.

        """
        if isinstance(image, Path):
            filename = image.name if filename is None else filename
            image = await asyncio.to_thread(_read_photo, image)
        _check_size(filename or "the image", len(image))
        request = _submission(options, idempotency_key, user_id, priority, task_timeout)
        request.image, request.filename, request.reuse = image, filename or "", reuse
        return convert.task_from_proto((await self._wire.call(self._wire.stub.SubmitTask, request)).task)

    async def resubmit(
        self,
        source_task_id: int,
        options: TaskOptions | None = None,
        *,
        idempotency_key: str | None = None,
        user_id: str | None = None,
        priority: int = 0,
        task_timeout: timedelta | None = None,
    ) -> Task:
        """Make a new task of an earlier task's photo. Arguments are those of `submit`.

        Raises:
            NotFound: there is no such task, or its photo is no longer kept.
            InvalidRequest: an option can't be taken.
            IdempotencyConflict: the key was used with another photo or other options.
            QuotaExceeded: too many tasks are waiting.

        """
        request = _submission(options, idempotency_key, user_id, priority, task_timeout)
        request.source_task_id = source_task_id
        return convert.task_from_proto((await self._wire.call(self._wire.stub.SubmitTask, request)).task)

    async def get(self, task_id: int, *, user_id: str | None = None) -> Task:
        """Return a task as it stands.

        Raises:
            NotFound: there is no such task.

        """
        request = pb.GetTaskRequest(task_id=task_id, user_id=user_id or "")
        return convert.task_from_proto((await self._wire.call(self._wire.stub.GetTask, request)).task)

    async def list_tasks(
        self, *, states: Iterable[TaskState] = (), user_id: str | None = None, page_size: int = 100
    ) -> AsyncGenerator[Task]:
        """Yield a user's tasks, newest first, in one of ``states`` (all when empty); pages are fetched as needed.

        Raises:
            InvalidRequest: ``page_size`` is not within 1 to 500.

        """
        wanted = [convert.state_to_proto(state) for state in states]
        request = pb.ListTasksRequest(user_id=user_id or "", states=wanted, page_size=page_size)
        while True:
            page = await self._wire.call(self._wire.stub.ListTasks, request)
            for task in page.tasks:
                yield convert.task_from_proto(task)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

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
        return convert.task_from_proto((await self._wire.call(self._wire.stub.CancelTask, request)).task)

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

        Keep ``update.cursor`` to resume later. Without ``after`` it begins now: a `Bookmark` with ``caught_up``
        says that it has.

        Args:
            after: resume behind this cursor.
            task_ids: only these tasks, at most 1,000; all when empty.
            snapshot: without ``after``, begin with the tasks as they stand.
            all_users: watch everybody's tasks; needs the scope ``service``. Its cursors are of another kind.
            user_id: watch this user's tasks.
            on_gap: what to do when ``after`` can't be resumed.
            stop_at_head: end when all that was there at the beginning has been yielded.
            on_retry: called with the error and the seconds until the next try, whenever a stream broke.

        Raises:
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
            on_retry=on_retry,
            renewable_token=self._wire.renewable_token,
        )
        async with aclosing(updates):
            async for update in updates:
                yield update

    async def wait(self, task_id: int, timeout: float | None = None, *, user_id: str | None = None) -> Task:
        """Wait until a task ends, however it ends, and return it; `Task.raise_for_state` tells the two apart.

        Args:
            task_id: the task.
            timeout: seconds to wait at most; None is for as long as it takes.
            user_id: the owner.

        Raises:
            NotFound: there is no such task.
            DeadlineExceeded: it did not end in time; it goes on.

        """
        try:
            async with asyncio.timeout(timeout):
                return await self._wait(task_id, user_id)
        except errors.DeadlineExceeded:
            raise
        except TimeoutError:
            raise errors.DeadlineExceeded(f"task {task_id} did not end within {timeout:g} s; it goes on") from None

    async def _wait(self, task_id: int, user_id: str | None) -> Task:
        seen = False
        updates = self.watch(task_ids=(task_id,), snapshot=True, user_id=user_id)
        async with aclosing(updates):
            async for update in updates:
                if isinstance(update, SnapshotTask | TaskEvent) and update.task.task_id == task_id:
                    seen = True
                    if update.task.state.terminal:
                        return update.task
                elif isinstance(update, SnapshotEnd) and not seen:
                    task = await self.get(task_id, user_id=user_id)  # Says that there is none, or is the end of it.
                    if task.state.terminal:
                        return task
        raise AssertionError("a watch without stop_at_head does not end")

    async def download(
        self, task_id: int, to: Path, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Path:
        """Save one of a task's images, and return where it lies; a broken stream resumes where it broke.

        The file appears under its name only when it is complete, and takes the place of one that is there.

        Args:
            task_id: the task.
            to: the file to write, or a folder, where the service's own name for the image is used.
            kind: which image.
            user_id: the owner.

        Raises:
            NotFound: there is no such task, or it has no such image (yet).
            DownloadFailed: the bytes that came are not the whole image.
            OSError: the file can't be written.

        """
        is_folder = await asyncio.to_thread(to.is_dir)
        file = await asyncio.to_thread(AtomicFile, to if is_folder else to.parent)
        try:
            info = await self._fetch(_image_request(task_id, kind, user_id), file.sink)
            path = to / info.filename if is_folder else to
            await asyncio.to_thread(file.commit, path)
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

    async def _fetch(self, request: pb.DownloadImageRequest, sink: BinaryIO) -> ImageInfo:
        return await fetch(
            lambda part: self._wire.stream(self._wire.stub.DownloadImage, part), request, sink, backoff=self._backoff
        )

    async def presets(self) -> list[Preset]:
        """Return the marketplace presets, ``custom`` first."""
        response = await self._wire.call(self._wire.stub.ListPresets, pb.ListPresetsRequest())
        return [convert.preset_from_proto(each) for each in response.presets]

    async def stats(self) -> QueueStats:
        """Return the state of the queue; needs the scope ``admin`` or ``service``."""
        return convert.stats_from_proto(await self._wire.call(self._wire.stub.GetQueueStats, pb.GetQueueStatsRequest()))


def _submission(
    options: TaskOptions | None,
    idempotency_key: str | None,
    user_id: str | None,
    priority: int,
    task_timeout: timedelta | None,
) -> pb.SubmitTaskRequest:
    request = pb.SubmitTaskRequest(
        user_id=user_id or "",
        options=convert.options_to_proto(options or TaskOptions()),
        idempotency_key=idempotency_key or str(uuid.uuid4()),
        priority=priority,
    )
    if task_timeout is not None:
        request.timeout.FromTimedelta(task_timeout)
    return request


def _image_request(task_id: int, kind: ImageKind, user_id: str | None) -> pb.DownloadImageRequest:
    return pb.DownloadImageRequest(task_id=task_id, user_id=user_id or "", kind=convert.kind_to_proto(kind))


def _read_photo(path: Path) -> bytes:
    _check_size(path.name, path.stat().st_size)  # Before reading: nobody wants a film in memory.
    return path.read_bytes()


def _check_size(name: str, size: int) -> None:
    if size > MAX_IMAGE_BYTES:
        message = f"{name} has {size / 2**20:.1f} MiB; at most 25 MiB are taken: send a smaller or more compressed file"
        raise errors.InvalidRequest(message, (errors.FieldViolation("image", message),), reason="IMAGE_TOO_LARGE")
