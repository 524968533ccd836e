"""What a client missed: from memory where that reaches back far enough, else from the service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.protocol.cursor import Since, Start, UserCursor
from ws_gateway.protocol.messages import Encoder, Page, SyncMode, TaskMessage
from ws_gateway.telemetry.metrics import Metrics
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.errors import ServiceError
from ws_gateway.upstream.event_buffer import EventRing

_SCAN_PAGE = 1000
_MAX_SCANNED = 20_000
TOO_OLD, TOO_MANY = "cursor_too_old", "too_many_events"


class History:
    """Reads one page of a user's history at a time, so that a long history doesn't fill the memory.

    ``concurrency`` bounds the reads that the service is asked for at the same time.
    """

    def __init__(
        self, *, service: ServiceClient, ring: EventRing, encoder: Encoder, concurrency: int, metrics: Metrics
    ) -> None:
        self._service = service
        self._ring = ring
        self._encoder = encoder
        self._metrics = metrics
        self._slots = asyncio.Semaphore(concurrency)

    async def read(self, user_id: str, since: Since, *, limit: int = 500) -> Page:
        """Return what follows on ``since``, at most ``limit`` events of it.

        A snapshot comes whole: all tasks not ended, and all ended ones that are kept.

        Raises:
            ServiceError: the service is unavailable, or can't use the cursor.

        """
        asked = False
        page = self._remembered(user_id, since, limit)
        if page is None:
            async with self._slots:
                # While this one waited, a read for another client of the user may have brought it.
                page = self._remembered(user_id, since, limit)
                if page is None:
                    asked = True
                    page = await self._ask(user_id, since, limit)
        # A client that starts at "now" has missed nothing; one that is not at the end yet reads again.
        if since is not Start.NOW and not page.more:
            self._metrics.synced(page.mode, page.reason, from_memory=not asked)
        return page

    def _remembered(self, user_id: str, since: Since, limit: int) -> Page | None:
        """Answer from memory; None if that does not reach."""
        if isinstance(since, UserCursor):
            events = self._ring.after(user_id, since)
            return None if events is None else self._replay(events[:limit], since, more=len(events) > limit)
        head = self._ring.head(user_id) if since is Start.NOW else None
        return None if head is None else Page(SyncMode.REPLAY, (), head)

    async def _ask(self, user_id: str, since: Since, limit: int) -> Page:
        """Have the service answer."""
        if isinstance(since, datetime):
            return await self._since_time(user_id, since, limit)
        after = since if isinstance(since, UserCursor) else None
        return await self._watch(user_id, after, limit, snapshot=since is Start.SNAPSHOT)

    async def _watch(self, user_id: str, after: UserCursor | None, limit: int, *, snapshot: bool) -> Page:
        reading, mark = _Reading(), self._ring.mark
        async with aclosing(self._service.history(user_id, after, snapshot=snapshot)) as responses:
            async for response in responses:
                if reading.take(response, limit):
                    break
        if reading.head is None:
            raise ServiceError(grpc.StatusCode.INTERNAL, "the service ended a history without saying where it stands")
        if not reading.more:
            self._ring.learn(user_id, reading.events, reading.head, mark)
        if reading.reason is None:
            return self._replay(reading.events, reading.head, more=reading.more)
        return self._snapshot(list(reading.tasks.values()), reading.head, reading.reason)

    async def _since_time(self, user_id: str, since: datetime, limit: int) -> Page:
        """Replay from the first event after the time, if the kept log is known to hold it."""
        instant = Timestamp()
        instant.FromDatetime(since)
        begin, after = (instant.seconds, instant.nanos), ""
        scanned = 0
        # The service's pages may be shorter than asked for, as their bytes are bounded.
        while scanned < _MAX_SCANNED:
            page = await self._service.list_events(user_id, after=after, page_size=_SCAN_PAGE)
            if not scanned and not _reaches_back(page, begin):
                return await self._snapshot_because(user_id, limit, TOO_OLD)
            first = next((at for at, event in enumerate(page.events) if _when(event) > begin), None)
            if first is not None:
                events = page.events[first : first + limit]
                more = first + limit < len(page.events) or page.cursor != page.head
                return self._replay(events, UserCursor.parse(page.cursor), more=more)
            if page.cursor == page.head:
                return Page(SyncMode.REPLAY, (), UserCursor.parse(page.head))
            after = page.cursor
            scanned += max(1, len(page.events))
        return await self._snapshot_because(user_id, limit, TOO_MANY)

    async def _snapshot_because(self, user_id: str, limit: int, reason: str) -> Page:
        page = await self._watch(user_id, None, limit, snapshot=True)
        return Page(page.mode, page.messages, page.head, reason=reason)

    def _replay(self, events: Sequence[event_pb2.TaskEvent], head: UserCursor, *, more: bool) -> Page:
        messages = tuple(self._encoder.event(event) for event in events)
        last = messages[-1].cursor if messages else None
        return Page(SyncMode.REPLAY, messages, last or head, more=more)

    def _snapshot(self, tasks: Sequence[task_pb2.Task], head: UserCursor, reason: str) -> Page:
        messages: list[TaskMessage] = []
        # Oldest update first: a client that shows the latest message shows the latest state.
        for left, task in zip(range(len(tasks) - 1, -1, -1), sorted(tasks, key=lambda task: task.seq), strict=True):
            messages.append(self._encoder.snapshot_task(task, last_of=None if left else head))
        return Page(SyncMode.SNAPSHOT, tuple(messages), head, reason=reason)


class _Reading:
    """The part of a history that has been read so far."""

    def __init__(self) -> None:
        self.events: list[event_pb2.TaskEvent] = []
        self.tasks: dict[int, task_pb2.Task] = {}
        self.reason: str | None = None
        """Why it is a snapshot; None for a replay."""
        self.head: UserCursor | None = None
        self.more = False

    def take(self, response: pb.WatchTasksResponse, limit: int) -> bool:
        """Take a batch in; return whether that is enough."""
        for item in response.items:
            match item.WhichOneof("item"):
                case "event" if self.reason is not None:
                    # It happened while the snapshot was sent; the task as it left it belongs to the snapshot.
                    if item.event.type == event_pb2.EVENT_TYPE_DELETED:
                        self.tasks.pop(item.event.task.task_id, None)
                    else:
                        self.tasks[item.event.task.task_id] = item.event.task
                case "event" if len(self.events) == limit:
                    self.more = True
                    self.head = UserCursor.parse(self.events[-1].cursor)
                    return True
                case "event":
                    self.events.append(item.event)
                case "snapshot_begin":
                    name = pb.SnapshotReason.Name(item.snapshot_begin.reason)
                    self.reason = name.removeprefix("SNAPSHOT_REASON_").lower()
                    self.events.clear()
                    self.tasks.clear()
                case "snapshot_task":
                    self.tasks[item.snapshot_task.task_id] = item.snapshot_task
                case _:
                    continue
        if response.cursor:
            self.head = UserCursor.parse(response.cursor)
        return False


def _when(event: event_pb2.TaskEvent) -> tuple[int, int]:
    return event.occurred_at.seconds, event.occurred_at.nanos


def _reaches_back(page: pb.ListEventsResponse, instant: tuple[int, int]) -> bool:
    """Return whether a log whose oldest page this is contains every event after the time."""
    if not page.events:
        return UserCursor.parse(page.head).seq == 0
    oldest = page.events[0]
    return oldest.seq == 1 or _when(oldest) <= instant
