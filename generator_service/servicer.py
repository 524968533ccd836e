"""The gRPC API: reads a request, asks store and feeds, answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from grpc import aio

from generator_service.auth import Caller, Scope
from generator_service.blobs.contract import BlobMissing, Blobs
from generator_service.convert import messages, requests
from generator_service.domain.clock import Clock
from generator_service.domain.cursor import UserCursor
from generator_service.domain.errors import ImageNotFound, InvalidRequest, OffsetOutOfRange
from generator_service.domain.presets import PRESETS
from generator_service.domain.task import Task
from generator_service.interceptors import caller, request_id
from generator_service.store.contract import TaskStore
from generator_service.submission import Submissions
from generator_service.watch.feed import Batch, Feeds, check_cursor
from generator_service.watch.queue_view import QueueView
from protos.whitebg.v1 import generator_service_pb2 as pb
from protos.whitebg.v1 import generator_service_pb2_grpc

logger = logging.getLogger(__name__)

Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicer(generator_service_pb2_grpc.GeneratorServiceServicer):
    """Answers `whitebg.v1.GeneratorService`. Errors are raised; `CallInterceptor` tells them to the caller."""

    store: TaskStore
    feeds: Feeds
    view: QueueView
    blobs: Blobs
    submissions: Submissions
    clock: Clock
    started_at: datetime

    async def SubmitTask(self, request: pb.SubmitTaskRequest, context: Context) -> pb.SubmitTaskResponse:  # noqa: N802, ARG002
        """Store a photo and queue it."""
        who = caller()
        if request.priority > 0:
            who.require(Scope.SERVICE)
        enqueued = await self.submissions.take(requests.submission(request, who.acting_for(request.user_id)))
        # From here on the task's own log lines carry its id; this one ties it to the request.
        extra = {
            "task_id": enqueued.task.task_id,
            "user_id": enqueued.task.user_id,
            "request_id": request_id(),
            "deduplicated": enqueued.deduplicated,
            "reused": enqueued.reused,
        }
        logger.info("task_submitted", extra=extra)
        return pb.SubmitTaskResponse(
            task=self._present(enqueued.task), deduplicated=enqueued.deduplicated, reused=enqueued.reused
        )

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:  # noqa: N802, ARG002
        """Return one task."""
        task = await self.store.get(request.task_id, caller().owner_filter(request.user_id))
        return pb.GetTaskResponse(task=self._present(task))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:  # noqa: N802, ARG002
        """Return a page of tasks."""
        user_id = caller().acting_for(request.user_id)
        query = requests.task_query(request)
        page = await self.store.list_tasks(
            user_id, states=query.states, before=query.before, skip=query.skip, limit=query.limit
        )
        return pb.ListTasksResponse(
            tasks=[self._present(task) for task in page.tasks],
            next_page_token=str(page.tasks[-1].task_id) if page.has_more else "",
            total_size=page.total,
            cursor=str(UserCursor(page.head.epoch, page.head.position)),
        )

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:  # noqa: N802, ARG002
        """Cancel a task."""
        task = await self.store.cancel(request.task_id, caller().owner_filter(request.user_id))
        return pb.CancelTaskResponse(task=self._present(task))

    async def WatchTasks(  # noqa: N802
        self,
        request: pb.WatchTasksRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.WatchTasksResponse]:
        """Stream what happens."""
        wanted = requests.watch_request(request, self._watched_user(caller(), request))
        async for batch in self.feeds.watch(wanted):
            yield self._response(batch)

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:  # noqa: N802, ARG002
        """Return a page of one user's events."""
        user_id = caller().acting_for(request.user_id)
        limit = requests.page_size(
            request.page_size, default=requests.EVENTS_PER_PAGE, most=requests.MAX_EVENTS_PER_PAGE
        )
        after = UserCursor.parse(request.after) if request.after else None
        page = await self.store.user_events_after(user_id, after.position if after else 0, limit=limit)
        if after is not None:
            check_cursor(after, page.head)
        epoch = page.head.epoch
        position = page.events[-1].seq if page.events else max(page.head.compacted, after.position if after else 0)
        return pb.ListEventsResponse(
            events=[messages.event(event, epoch) for event in page.events],
            cursor=str(UserCursor(epoch, position)),
            head=str(UserCursor(epoch, page.head.position)),
        )

    async def DownloadImage(  # noqa: N802
        self,
        request: pb.DownloadImageRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.DownloadImageResponse]:
        """Stream an image, or say where it can be fetched."""
        task = await self.store.get(request.task_id, caller().owner_filter(request.user_id))
        blob, info = requests.image(task, request.kind)
        lifetime = requests.url_lifetime(request)
        if lifetime is not None:
            header = requests.disposition(info.filename, attachment=request.url_attachment)
            url = await self.blobs.url(blob, lifetime=lifetime, content_type=info.content_type, disposition=header)
            if url is not None:
                info.url = url
                yield pb.DownloadImageResponse(info=info)
                return
        size = info.size_bytes
        if request.offset < 0 or request.length < 0:
            raise InvalidRequest("offset", "offset and length must not be negative")
        if request.offset > size:
            raise OffsetOutOfRange(request.offset, size)
        length = min(request.length or size, size - request.offset)
        first = pb.DownloadImageResponse(info=info)
        try:
            async for chunk in self.blobs.stream(blob, offset=request.offset, length=length):
                first.chunk = chunk
                yield first
                first = pb.DownloadImageResponse()
        except BlobMissing:
            kind = pb.ImageKind.Name(request.kind)
            raise ImageNotFound(task.task_id, kind, "it is not in the blob store any more") from None
        if first.HasField("info"):
            yield first

    async def ListPresets(self, request: pb.ListPresetsRequest, context: Context) -> pb.ListPresetsResponse:  # noqa: N802, ARG002
        """Return the marketplace presets."""
        return pb.ListPresetsResponse(presets=[messages.preset(each) for each in PRESETS.values()])

    async def GetQueueStats(self, request: pb.GetQueueStatsRequest, context: Context) -> pb.GetQueueStatsResponse:  # noqa: N802, ARG002
        """Return queue, log and watchers in figures."""
        caller().require(Scope.ADMIN, Scope.SERVICE)
        counts = await self.store.counts()
        head = (await self.store.latest_events(1)).head
        waiting = self.clock.now() - counts.oldest_runnable if counts.oldest_runnable else timedelta()
        return pb.GetQueueStatsResponse(
            states=[
                pb.GetQueueStatsResponse.StateCount(state=messages.STATES[state], count=count)
                for state, count in counts.by_state.items()
            ],
            oldest_pending_age=messages.duration(max(waiting, timedelta())),
            epoch=head.epoch,
            head_revision=head.position,
            tail_revision=self.feeds.tail.revision,
            watchers=len(self.feeds.watchers),
            ring_events=len(self.feeds.ring),
            database_replays=self.feeds.count.from_database,
            process_started_at=messages.timestamp(self.started_at),
        )

    def _watched_user(self, who: Caller, request: pb.WatchTasksRequest) -> str | None:
        if request.all_users:
            who.require(Scope.SERVICE)
            return None
        return who.acting_for(request.user_id)

    def _present(self, task: Task) -> messages.TaskMessage:
        return messages.task(self.view.present(task), self.view)

    def _response(self, batch: Batch) -> pb.WatchTasksResponse:
        epoch = self.feeds.tail.epoch if batch.cursor is None else batch.cursor.epoch
        return pb.WatchTasksResponse(
            items=[messages.watch_item(item, epoch, self.view) for item in batch.items],
            cursor="" if batch.cursor is None else str(batch.cursor),
        )
