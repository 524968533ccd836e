"""The contract of the generator service in memory, behind a real gRPC server: for tests of those who call it.

`FakeLog` is the truth: tasks, and a log with revision, seq and epoch. `FakeServer` serves it and can be stopped and
started again on the same port, with the log kept, like a service that is restarted.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import jwt
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from protos.whitebg.v1 import event_pb2, task_pb2
from protos.whitebg.v1 import generator_service_pb2 as pb
from protos.whitebg.v1.generator_service_pb2_grpc import (
    GeneratorServiceServicer,
    add_GeneratorServiceServicer_to_server,
)

CHUNK = 64 * 1024
MAX_IMAGE = 25 * 1024 * 1024
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
TERMINAL = frozenset(
    {
        task_pb2.TASK_STATE_COMPLETED,
        task_pb2.TASK_STATE_FAILED,
        task_pb2.TASK_STATE_TIMEOUT,
        task_pb2.TASK_STATE_CANCELLED,
    }
)

Context = grpc.aio.ServicerContext[Any, Any]


class FakeLog:
    """Tasks and their log. Each verb is one transition with its event; watchers are woken at once."""

    def __init__(self, epoch: str = "e0") -> None:
        self.epoch = epoch
        self.tasks: dict[int, task_pb2.Task] = {}
        self.events: list[event_pb2.TaskEvent] = []
        self.images: dict[tuple[int, int], tuple[bytes, str]] = {}
        self.keys: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.max_pending = 1000
        self.dropped = 0
        self.floor: dict[str, int] = {}
        self.seqs: dict[str, int] = {}
        self.watchers: set[_Watcher] = set()
        self.watcher_joined = asyncio.Event()
        self.reads = 0

    @property
    def head_revision(self) -> int:
        return self.dropped + len(self.events)

    def user_cursor(self, user_id: str) -> str:
        return f"{self.epoch}:{self.seqs.get(user_id, 0)}"

    def log_cursor(self) -> str:
        return f"{self.epoch}:r{self.head_revision}"

    def user_events(self, user_id: str) -> list[event_pb2.TaskEvent]:
        return [event for event in self.events if event.task.user_id == user_id]

    def submit(self, user_id: str, *, filename: str = "cup.png", **fields: Any) -> task_pb2.Task:
        task = task_pb2.Task(
            task_id=len(self.tasks) + 1, user_id=user_id, max_attempts=3, stage="queued", queue_position=1, **fields
        )
        task.input.filename = filename
        task.created_at.GetCurrentTime()
        self.tasks[task.task_id] = task
        return self._transition(task, task_pb2.TASK_STATE_PENDING, event_pb2.EVENT_TYPE_CREATED)

    def start(self, task_id: int) -> task_pb2.Task:
        task = self.tasks[task_id]
        task.attempt += 1
        task.progress, task.stage, task.queue_position = 0, "starting", 0
        task.ClearField("error")
        task.started_at.GetCurrentTime()
        return self._transition(task, task_pb2.TASK_STATE_PROCESSING, event_pb2.EVENT_TYPE_STARTED)

    def retry(self, task_id: int) -> task_pb2.Task:
        task = self.tasks[task_id]
        task.progress, task.stage, task.queue_position = 0, "queued", 1
        task.error.code, task.error.message, task.error.retryable = "engine_crashed", "the engine crashed", True
        return self._transition(task, task_pb2.TASK_STATE_PENDING, event_pb2.EVENT_TYPE_RETRYING)

    def complete(self, task_id: int, image: bytes = MAGIC[0] + b"result") -> task_pb2.Task:
        task = self.tasks[task_id]
        self.images[task_id, pb.IMAGE_KIND_RESULT] = (image, "image/png")
        self.images[task_id, pb.IMAGE_KIND_THUMBNAIL] = (MAGIC[1] + b"thumb", "image/jpeg")
        task.progress = 100
        task.result.content_type, task.result.size_bytes = "image/png", len(image)
        task.result.engine, task.result.fill = task_pb2.ENGINE_LOCAL, 0.85
        return self._transition(task, task_pb2.TASK_STATE_COMPLETED, event_pb2.EVENT_TYPE_COMPLETED)

    def fail(self, task_id: int, code: str = "blocked", message: str = "the photo was refused") -> task_pb2.Task:
        task = self.tasks[task_id]
        task.error.code, task.error.message = code, message
        return self._transition(task, task_pb2.TASK_STATE_FAILED, event_pb2.EVENT_TYPE_FAILED)

    def cancel(self, task_id: int) -> task_pb2.Task:
        task = self.tasks[task_id]
        task.error.code, task.error.message = "cancelled", "cancelled on request"
        return self._transition(task, task_pb2.TASK_STATE_CANCELLED, event_pb2.EVENT_TYPE_CANCELLED)

    def progress(self, task_id: int, percent: int, stage: str = "segmenting") -> None:
        task = self.tasks[task_id]
        task.progress, task.stage = percent, stage
        news = event_pb2.TaskProgress(
            task_id=task_id, user_id=task.user_id, attempt=task.attempt, progress=percent, stage=stage
        )
        news.updated_at.GetCurrentTime()
        for watcher in self.watchers:
            watcher.tell(pb.WatchItem(progress=news))

    def compact(self, keep: int) -> None:
        """Drop all but the latest ``keep`` events."""
        gone = self.events[: len(self.events) - keep]
        for event in gone:
            self.floor[event.task.user_id] = event.seq
        self.events = self.events[len(gone) :]
        self.dropped += len(gone)

    def restore(self, epoch: str) -> None:
        """Come back from a backup of the tasks, without the log."""
        self.compact(0)
        self.epoch = epoch

    def gap(self, cursor: str, user_id: str | None) -> pb.SnapshotReason.ValueType | None:
        """Say why a cursor can't be resumed; None if it can."""
        epoch, _, position = cursor.partition(":")
        at = int(position.removeprefix("r"))
        head = self.head_revision if user_id is None else self.seqs.get(user_id, 0)
        oldest = self.dropped if user_id is None else self.floor.get(user_id, 0)
        if epoch != self.epoch:
            return pb.SNAPSHOT_REASON_EPOCH_CHANGED
        if at > head:
            return pb.SNAPSHOT_REASON_CURSOR_IN_FUTURE
        return pb.SNAPSHOT_REASON_CURSOR_TOO_OLD if at < oldest else None

    def after(self, cursor: str, user_id: str | None) -> list[event_pb2.TaskEvent]:
        at = int(cursor.partition(":")[2].removeprefix("r"))
        if user_id is None:
            return [event for event in self.events if event.revision > at]
        return [event for event in self.user_events(user_id) if event.seq > at]

    def _transition(
        self, task: task_pb2.Task, state: task_pb2.TaskState.ValueType, type_: event_pb2.EventType.ValueType
    ) -> task_pb2.Task:
        assert task.state not in TERMINAL
        task.state = state
        task.updated_at.GetCurrentTime()
        if state in TERMINAL:
            task.stage, task.queue_position = "", 0
            task.finished_at.CopyFrom(task.updated_at)
        task.seq = self.seqs[task.user_id] = self.seqs.get(task.user_id, 0) + 1
        event = event_pb2.TaskEvent(
            revision=self.head_revision + 1,
            seq=task.seq,
            cursor=self.user_cursor(task.user_id),
            type=type_,
            occurred_at=task.updated_at,
            task=task,
        )
        self.events.append(event)
        for watcher in self.watchers:
            watcher.tell(pb.WatchItem(event=event))
        return copy.deepcopy(task)


class _Watcher:
    """One open stream: what it is yet to be told."""

    def __init__(self, log: FakeLog, user_id: str | None) -> None:
        self._log = log
        self._user_id = user_id
        self._items: list[pb.WatchItem] = []
        self._wake = asyncio.Event()

    def tell(self, item: pb.WatchItem) -> None:
        owner = item.event.task.user_id if item.HasField("event") else item.progress.user_id
        if self._user_id in (None, owner):
            self._items.append(item)
            self._wake.set()

    async def next(self) -> list[pb.WatchItem]:
        while not self._items:
            self._wake.clear()
            await self._wake.wait()
        items, self._items = self._items, []
        return items

    @property
    def cursor(self) -> str:
        return self._log.log_cursor() if self._user_id is None else self._log.user_cursor(self._user_id)


class FakeService(GeneratorServiceServicer):
    """The RPCs over a `FakeLog`."""

    def __init__(self, log: FakeLog, secret: str) -> None:
        self._log = log
        self._secret = secret

    async def SubmitTask(self, request: pb.SubmitTaskRequest, context: Context) -> pb.SubmitTaskResponse:  # noqa: N802
        user = await self._user(request.user_id, context)
        key = (user, request.idempotency_key)
        fingerprint = request.SerializeToString(deterministic=True)
        if request.idempotency_key and key in self._log.keys:
            known, task_id = self._log.keys[key]
            if known != fingerprint:
                await _fail(
                    context,
                    grpc.StatusCode.ALREADY_EXISTS,
                    "IDEMPOTENCY_CONFLICT",
                    f"idempotency key {key[1]!r} was already used for task {task_id}",
                )
            return pb.SubmitTaskResponse(task=self._log.tasks[task_id], deduplicated=True)
        image = request.image
        if request.WhichOneof("source") == "source_task_id":
            source = await self._task(user, request.source_task_id, context)
            image = self._log.images[source.task_id, pb.IMAGE_KIND_INPUT][0]
        await _check(request, image, context)
        for made in self._log.tasks.values() if request.reuse else ():
            if made.user_id == user and made.state == task_pb2.TASK_STATE_COMPLETED:
                return pb.SubmitTaskResponse(task=made, reused=True)
        waiting = sum(t.state == task_pb2.TASK_STATE_PENDING and t.user_id == user for t in self._log.tasks.values())
        if waiting >= self._log.max_pending:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(7)
            await _fail(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "too many tasks wait", retry)
        task = self._log.submit(user, filename=request.filename, options=request.options)
        self._log.images[task.task_id, pb.IMAGE_KIND_INPUT] = (image, "image/png")
        if request.idempotency_key:
            self._log.keys[key] = (fingerprint, task.task_id)
        return pb.SubmitTaskResponse(task=task)

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:  # noqa: N802
        user = await self._user(request.user_id, context)
        return pb.GetTaskResponse(task=await self._task(user, request.task_id, context))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:  # noqa: N802
        user = await self._user(request.user_id, context)
        found = [
            task
            for task in reversed(self._log.tasks.values())
            if task.user_id == user and (not request.states or task.state in request.states)
        ]
        page = found[request.skip : request.skip + (request.page_size or 50)]
        return pb.ListTasksResponse(tasks=page, total_size=len(found), cursor=self._log.user_cursor(user))

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:  # noqa: N802
        user = await self._user(request.user_id, context)
        task = await self._task(user, request.task_id, context)
        if task.state == task_pb2.TASK_STATE_CANCELLED:
            return pb.CancelTaskResponse(task=task)
        if task.state in TERMINAL:
            await _fail(context, grpc.StatusCode.FAILED_PRECONDITION, "INVALID_TRANSITION", "it has already ended")
        return pb.CancelTaskResponse(task=self._log.cancel(task.task_id))

    async def WatchTasks(  # noqa: N802
        self, request: pb.WatchTasksRequest, context: Context
    ) -> AsyncIterator[pb.WatchTasksResponse]:
        user = None if request.all_users else await self._user(request.user_id, context)
        log, watcher = self._log, _Watcher(self._log, user)
        log.watchers.add(watcher)
        try:
            reason = log.gap(request.after, user) if request.after else None
            if reason is not None and request.on_gap == pb.ON_GAP_FAIL:
                await _fail(context, grpc.StatusCode.OUT_OF_RANGE, "CURSOR_GAP", "the cursor can't be resumed")
            if not request.after and request.snapshot:
                reason = pb.SNAPSHOT_REASON_REQUESTED
            if reason is not None:
                tasks = [task for task in log.tasks.values() if user in (None, task.user_id)]
                begin = pb.WatchItem(snapshot_begin=pb.SnapshotBegin(reason=reason))
                end = pb.WatchItem(snapshot_end=pb.SnapshotEnd(task_count=len(tasks)))
                items = [begin, *(pb.WatchItem(snapshot_task=task) for task in tasks), end]
                yield pb.WatchTasksResponse(items=items, cursor=watcher.cursor)
            elif request.after and (missed := log.after(request.after, user)):
                items = [pb.WatchItem(event=event) for event in missed]
                yield pb.WatchTasksResponse(items=items, cursor=watcher.cursor)
            log.reads += request.stop_at_head
            # Nothing was awaited since the watcher was registered, so nothing came in between.
            caught_up = pb.WatchItem(bookmark=pb.Bookmark(caught_up=True))
            yield pb.WatchTasksResponse(items=[caught_up], cursor=watcher.cursor)
            log.watcher_joined.set()
            while not request.stop_at_head:
                yield pb.WatchTasksResponse(items=await watcher.next(), cursor=watcher.cursor)
        finally:
            log.watchers.discard(watcher)

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:  # noqa: N802
        user = await self._user(request.user_id, context)
        after = request.after or f"{self._log.epoch}:{self._log.floor.get(user, 0)}"
        if self._log.gap(after, user) is not None:
            await _fail(context, grpc.StatusCode.OUT_OF_RANGE, "CURSOR_GAP", "the cursor can't be resumed")
        events = self._log.after(after, user)[: request.page_size or 500]
        cursor = events[-1].cursor if events else after
        return pb.ListEventsResponse(events=events, cursor=cursor, head=self._log.user_cursor(user))

    async def DownloadImage(  # noqa: N802
        self, request: pb.DownloadImageRequest, context: Context
    ) -> AsyncIterator[pb.DownloadImageResponse]:
        user = await self._user(request.user_id, context)
        await self._task(user, request.task_id, context)
        found = self._log.images.get((request.task_id, request.kind))
        if found is None:
            await _fail(context, grpc.StatusCode.NOT_FOUND, "IMAGE_NOT_FOUND", "the task has no such image yet")
        data, content_type = found
        if request.offset > len(data):
            await _fail(context, grpc.StatusCode.OUT_OF_RANGE, "OUT_OF_RANGE", "past the end")
        info = pb.ImageInfo(
            content_type=content_type, size_bytes=len(data), etag=f"{hash(data):x}", filename="杯 cup.png"
        )
        yield pb.DownloadImageResponse(info=info)
        end = request.offset + request.length if request.length else len(data)
        for at in range(request.offset, min(end, len(data)), CHUNK):
            yield pb.DownloadImageResponse(chunk=data[at : min(at + CHUNK, end)])

    async def ListPresets(self, _: pb.ListPresetsRequest, context: Context) -> pb.ListPresetsResponse:  # noqa: N802
        await self._user("", context)
        formats = [task_pb2.OUTPUT_FORMAT_JPEG]
        custom = pb.Preset(name="custom", rule="as asked", source="none", fill=0.85, format=task_pb2.OUTPUT_FORMAT_PNG)
        amazon = pb.Preset(name="amazon", rule="white", size_px=2000, fill=0.87, format=formats[0], formats=formats)
        return pb.ListPresetsResponse(presets=[custom, amazon])

    async def GetQueueStats(self, _: pb.GetQueueStatsRequest, context: Context) -> pb.GetQueueStatsResponse:  # noqa: N802
        await self._user("", context)
        counts: dict[task_pb2.TaskState.ValueType, int] = {}
        for task in self._log.tasks.values():
            counts[task.state] = counts.get(task.state, 0) + 1
        states = [pb.GetQueueStatsResponse.StateCount(state=state, count=count) for state, count in counts.items()]
        return pb.GetQueueStatsResponse(
            states=states,
            epoch=self._log.epoch,
            head_revision=self._log.head_revision,
            watchers=len(self._log.watchers),
            process_started_at=Timestamp(seconds=1),
        )

    async def _user(self, named: str, context: Context) -> str:
        """Return whose tasks are meant, if the token allows it."""
        metadata = dict(context.invocation_metadata() or ())
        token = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], audience="whitebg")
        except jwt.InvalidTokenError as error:
            await _fail(context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", str(error))
        if named and named != claims["sub"] and "service" not in claims["scope"].split():
            await _fail(context, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "needs the scope service")
        return named or str(claims["sub"])

    async def _task(self, user: str, task_id: int, context: Context) -> task_pb2.Task:
        task = self._log.tasks.get(task_id)
        if task is None or task.user_id != user:
            await _fail(context, grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND", f"task {task_id} does not exist")
        return copy.deepcopy(task)


async def _check(request: pb.SubmitTaskRequest, image: bytes, context: Context) -> None:
    """Refuse what is no photo, and options that are not known."""
    wrong = [
        (not image, "IMAGE_EMPTY", "image", "the file is empty"),
        (len(image) > MAX_IMAGE, "IMAGE_TOO_LARGE", "image", "the file has over 25 MiB"),
        (not image.startswith(MAGIC), "IMAGE_NOT_RECOGNISED", "image", "the file is no photo that can be read"),
        (request.options.preset not in ("", "custom", "amazon"), "INVALID_REQUEST", "options.preset", "is unknown"),
    ]
    for refused, reason, field, text in wrong:
        if refused:
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(field=field, description=text)
            await _fail(context, grpc.StatusCode.INVALID_ARGUMENT, reason, text, bad)


async def _fail(context: Context, code: grpc.StatusCode, reason: str, message: str, *details: Message) -> NoReturn:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="whitebg"), *details):
        status.details.add().Pack(detail)
    await context.abort(code, message, (("grpc-status-details-bin", status.SerializeToString()),))
    raise AssertionError("abort raises")


class FakeServer:
    """Serves a log; `stop` and `start` keep port and log."""

    def __init__(self, log: FakeLog, secret: str) -> None:
        self.log = log
        self._secret = secret
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 27 << 20)])
        add_GeneratorServiceServicer_to_server(FakeService(self.log, self._secret), server)
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        self.log.watcher_joined.clear()
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """End at once, as a killed service does."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
