"""The gRPC API: reads requests, queries store and feeds, and responds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from grpc import aio

from generator_service.batching import Batches
from generator_service.blobs.contract import BlobMissing, BlobStore
from generator_service.deletion import Deletions
from generator_service.domain.batch import check_batch_id
from generator_service.domain.breaker import without_pauses
from generator_service.domain.clock import Clock
from generator_service.domain.cursor import LogCursor, UserCursor
from generator_service.domain.engine_info import EngineInfo
from generator_service.domain.errors import ImageNotFound, InvalidRequest, OffsetOutOfRange
from generator_service.domain.presets import PRESETS
from generator_service.domain.task import Task
from generator_service.ops.readiness import ReadinessMonitor
from generator_service.rpc.auth import Caller, Scope
from generator_service.rpc.convert import messages, picture_options, requests, usage
from generator_service.rpc.convert.pages import first_page, split
from generator_service.rpc.convert.texts import require_no_nul
from generator_service.rpc.interceptors import caller, problem_of, request_id
from generator_service.store.contract import TaskStore
from generator_service.submission import Submissions
from generator_service.watch.feed import Batch, Feeds, check_cursor
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.revocations import RevocationTail
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import generator_service_pb2_grpc

logger = logging.getLogger(__name__)

Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicer(generator_service_pb2_grpc.GeneratorServiceServicer):
    """Implements `whitebg.v1.GeneratorService`. Errors are raised; `CallInterceptor` returns them to the caller."""

    store: TaskStore
    feeds: Feeds
    view: QueueView
    blobs: BlobStore
    submissions: Submissions
    deletions: Deletions
    batches: Batches
    revocations: RevocationTail
    clock: Clock
    started_at: datetime
    readiness: ReadinessMonitor
    engines: Sequence[EngineInfo]

    async def SubmitTask(self, request: pb.SubmitTaskRequest, context: Context) -> pb.SubmitTaskResponse:  # noqa: N802, ARG002
        """Store a photo and queue it."""
        taking = self._submit(request)
        del request  # With it, the memory of one of two copies of the photo.
        return await taking

    async def SubmitTasks(self, request: pb.SubmitTasksRequest, context: Context) -> pb.SubmitTasksResponse:  # noqa: N802, ARG002
        """Store and queue many photos, independently of each other."""
        requests.check_submissions(request)
        results = [self._submit_one_of_many(each) for each in request.requests]
        del request
        return pb.SubmitTasksResponse(results=await asyncio.gather(*results))

    async def _submit_one_of_many(self, request: pb.SubmitTaskRequest) -> pb.SubmitTaskResult:
        try:
            require_no_nul(request)
            return pb.SubmitTaskResult(submitted=await self._submit(request))
        except Exception as error:  # noqa: BLE001 (as in an interceptor: every error is returned to the caller)
            return pb.SubmitTaskResult(error=problem_of(error, "SubmitTasks").submit_task_error())

    async def _submit(self, request: pb.SubmitTaskRequest) -> pb.SubmitTaskResponse:
        who = caller()
        if request.priority > 0:
            who.require(Scope.SERVICE)
        submission = requests.submission(request, who.acting_for(request.user_id), now=self.clock.now())
        del request
        first, *others = enqueued = await self.submissions.take(submission)
        # Further log lines carry the task's id; this one links it to the request.
        for each in enqueued:
            extra = {
                "task_id": each.task.task_id,
                "user_id": each.task.user_id,
                "request_id": request_id(),
                "deduplicated": each.deduplicated,
                "reused": each.reused,
            }
            logger.info("task_submitted", extra=extra)
        return pb.SubmitTaskResponse(
            task=self._present(first.task),
            deduplicated=first.deduplicated,
            reused=first.reused,
            more_tasks=[self._present(each.task) for each in others],
        )

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:  # noqa: N802, ARG002
        """Return one task."""
        task = await self.store.get(request.task_id, caller().owner_filter(request.user_id))
        await self.view.rank()
        return pb.GetTaskResponse(task=self._present(task))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:  # noqa: N802, ARG002
        """Return a page of tasks."""
        user_id = caller().acting_for(request.user_id)
        query = requests.task_query(request)
        page = await self.store.list_tasks(
            user_id,
            states=query.states,
            before=query.before,
            skip=query.skip,
            limit=query.limit,
            batch_id=query.batch_id,
            review=query.review,
        )
        await self.view.rank()
        tasks = first_page(self._present(task) for task in page.tasks)
        return pb.ListTasksResponse(
            tasks=tasks,
            next_page_token=str(tasks[-1].task_id) if page.has_more or len(tasks) < len(page.tasks) else "",
            total_size=page.total,
            cursor=str(UserCursor(page.head.epoch, page.head.position)),
        )

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:  # noqa: N802, ARG002
        """Cancel a task."""
        task = await self.store.cancel(request.task_id, caller().owner_filter(request.user_id))
        return pb.CancelTaskResponse(task=self._present(task))

    async def DeleteTasks(self, request: pb.DeleteTasksRequest, context: Context) -> pb.DeleteTasksResponse:  # noqa: N802, ARG002
        """Delete tasks and their images."""
        requests.check_deletion(request)
        if request.batch_id:
            deleted = await self.deletions.delete_batch(caller().acting_for(request.user_id), request.batch_id)
        elif request.all:
            deleted = await self.deletions.delete_all(caller().acting_for(request.user_id))
        else:
            deleted = await self.deletions.delete(request.task_ids, caller().owner_filter(request.user_id))
        extra = {"user_id": request.user_id or caller().subject, "tasks": len(deleted), "request_id": request_id()}
        logger.info("tasks_deleted", extra=extra)
        return pb.DeleteTasksResponse(
            task_ids=deleted, missing_task_ids=sorted(set(request.task_ids).difference(deleted))
        )

    async def ReviewTasks(self, request: pb.ReviewTasksRequest, context: Context) -> pb.ReviewTasksResponse:  # noqa: N802, ARG002
        """Record a decision on results."""
        review = requests.review(request)
        reviewed = await self.store.review_tasks(request.task_ids, caller().owner_filter(request.user_id), review)
        known = {*reviewed.task_ids, *reviewed.unfinished}
        return pb.ReviewTasksResponse(
            task_ids=reviewed.task_ids,
            unfinished_task_ids=reviewed.unfinished,
            missing_task_ids=sorted(set(request.task_ids) - known),
        )

    async def GetBatch(self, request: pb.GetBatchRequest, context: Context) -> pb.GetBatchResponse:  # noqa: N802, ARG002
        """Return a batch."""
        batch = await self.batches.get(caller().acting_for(request.user_id), check_batch_id(request.batch_id))
        return pb.GetBatchResponse(batch=messages.batch(batch))

    async def CloseBatch(self, request: pb.CloseBatchRequest, context: Context) -> pb.CloseBatchResponse:  # noqa: N802, ARG002
        """Close a batch."""
        batch = await self.batches.close(caller().acting_for(request.user_id), check_batch_id(request.batch_id))
        return pb.CloseBatchResponse(batch=messages.batch(batch))

    async def CancelBatch(self, request: pb.CancelBatchRequest, context: Context) -> pb.CancelBatchResponse:  # noqa: N802, ARG002
        """Cancel a batch."""
        batch = await self.batches.cancel(caller().acting_for(request.user_id), check_batch_id(request.batch_id))
        return pb.CancelBatchResponse(batch=messages.batch(batch))

    async def WatchTasks(  # noqa: N802
        self,
        request: pb.WatchTasksRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.WatchTasksResponse]:
        """Stream events and progress."""
        wanted = requests.watch_request(request, self._watched_user(caller(), request), caller().session)
        async for batch in self.feeds.watch(wanted):
            for response in self._responses(batch):
                yield response

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
        events = first_page(messages.event(event, epoch) for event in page.events)
        position = events[-1].seq if events else max(page.head.compacted, after.position if after else 0)
        return pb.ListEventsResponse(
            events=events,
            cursor=str(UserCursor(epoch, position)),
            head=str(UserCursor(epoch, page.head.position)),
        )

    async def DownloadImage(  # noqa: N802
        self,
        request: pb.DownloadImageRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[pb.DownloadImageResponse]:
        """Stream an image, or return a URL for it."""
        task, blob, info = await self._image(request)
        if request.HasField("url_lifetime"):  # Deprecated, for clients without CreateImageUrl.
            lifetime = requests.url_lifetime(request.url_lifetime, "url_lifetime")
            url = await self._image_url(blob, info, lifetime, attachment=request.url_attachment)
            if url:
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

    async def GetImage(self, request: pb.GetImageRequest, context: Context) -> pb.GetImageResponse:  # noqa: N802, ARG002
        """Return an image's metadata."""
        _, _, info = await self._image(request)
        return pb.GetImageResponse(image=info)

    async def CreateImageUrl(self, request: pb.CreateImageUrlRequest, context: Context) -> pb.CreateImageUrlResponse:  # noqa: N802, ARG002
        """Sign a URL for an image."""
        lifetime = requests.DEFAULT_URL_LIFETIME
        if request.HasField("lifetime"):
            lifetime = requests.url_lifetime(request.lifetime, "lifetime")
        _, blob, info = await self._image(request)
        url = await self._image_url(blob, info, lifetime, attachment=request.attachment)
        return pb.CreateImageUrlResponse(url=url, image=info)

    async def ListPresets(self, request: pb.ListPresetsRequest, context: Context) -> pb.ListPresetsResponse:  # noqa: N802, ARG002
        """Return the marketplace presets."""
        return pb.ListPresetsResponse(presets=[picture_options.preset(each) for each in PRESETS.values()])

    async def ListEngines(self, request: pb.ListEnginesRequest, context: Context) -> pb.ListEnginesResponse:  # noqa: N802, ARG002
        """Return the engines."""
        return pb.ListEnginesResponse(engines=[picture_options.engine_info(each) for each in self.engines])

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:  # noqa: N802, ARG002
        """Return what a user used."""
        user_id = caller().acting_for(request.user_id)
        first, last = usage.short_period(request.first_day, request.last_day, now=self.clock.now())
        found = await self.store.admin.usage(first=first, last=last, user_id=user_id, after=None, limit=usage.MAX_DAYS)
        return pb.GetUsageResponse(usage=[usage.day_usage(each) for each in found])

    async def GetQueueStats(self, request: pb.GetQueueStatsRequest, context: Context) -> pb.GetQueueStatsResponse:  # noqa: N802, ARG002
        """Return statistics of queue, log and watchers."""
        caller().require(Scope.ADMIN, Scope.SERVICE)
        counts = await self.store.counts()
        head = (await self.store.latest_events(1)).head
        now = self.store.queue_time()
        return pb.GetQueueStatsResponse(
            states=[
                pb.GetQueueStatsResponse.StateCount(state=messages.STATES[state], count=count)
                for state, count in counts.by_state.items()
            ],
            oldest_pending_age=messages.duration(self.view.oldest_waiting()),
            epoch=head.epoch,
            head_revision=head.position,
            tail_revision=self.feeds.tail.revision,
            watchers=len(self.feeds.watchers),
            ring_events=len(self.feeds.ring),
            database_replays=self.feeds.count.from_database,
            process_started_at=messages.timestamp(self.started_at),
            breakers=[
                messages.breaker(each, now, self.view)
                for each in without_pauses(await self.store.breakers()).values()
                if not each.closed
            ],
            ready=not self.readiness.reasons,
            not_ready_reasons=[
                pb.NotReadyReason(code=reason.code, message=reason.message) for reason in self.readiness.reasons
            ],
            queue_stalled=messages.duration(self.readiness.stalled),
        )

    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Context) -> pb.RevokeSessionResponse:  # noqa: N802, ARG002
        """Revoke sessions."""
        caller().require(Scope.ADMIN, Scope.SERVICE)
        new = requests.revocation(request, now=self.clock.now())
        recorded = await self.revocations.revoke(new)
        extra = {"number": recorded.number, "user_id": recorded.user_id, "request_id": request_id()}
        logger.info("session_revoked", extra=extra)
        return pb.RevokeSessionResponse(revocation=messages.revocation(recorded))

    async def ListRevocations(self, request: pb.ListRevocationsRequest, context: Context) -> pb.ListRevocationsResponse:  # noqa: N802, ARG002
        """Return a page of revocations."""
        caller().require(Scope.SERVICE)
        limit = requests.page_size(
            request.page_size, default=requests.MAX_REVOCATIONS_PER_PAGE, most=requests.MAX_REVOCATIONS_PER_PAGE
        )
        page = await self.store.revocations_after(request.after, limit=limit)
        return pb.ListRevocationsResponse(
            revocations=[messages.revocation(each) for each in page.revocations], head=page.head, epoch=page.epoch
        )

    async def _image(
        self, request: pb.DownloadImageRequest | pb.GetImageRequest | pb.CreateImageUrlRequest
    ) -> tuple[Task, str, pb.ImageInfo]:
        """Return the task of an image, the image's key in the blob store, and its metadata."""
        task = await self.store.get(request.task_id, caller().owner_filter(request.user_id))
        return task, *requests.image(task, request.kind)

    async def _image_url(self, blob: str, info: pb.ImageInfo, lifetime: timedelta, *, attachment: bool) -> str:
        header = requests.disposition(info.filename, attachment=attachment)
        url = await self.blobs.url(blob, lifetime=lifetime, content_type=info.content_type, disposition=header)
        return url or ""

    def _watched_user(self, who: Caller, request: pb.WatchTasksRequest) -> str | None:
        if request.all_users:
            who.require(Scope.SERVICE)
            return None
        return who.acting_for(request.user_id)

    def _present(self, task: Task) -> messages.TaskMessage:
        return messages.task(self.view.present(task), self.view)

    def _responses(self, batch: Batch) -> Iterator[pb.WatchTasksResponse]:
        """Yield a batch in as many responses as its size requires, each with the cursor after its items."""
        epoch = self.feeds.tail.epoch if batch.cursor is None else batch.cursor.epoch
        sent = 0
        cursor = ""
        for items in split(messages.watch_item(item, epoch, self.view) for item in batch.items):
            sent += len(items)
            if batch.cursor is not None and sent == len(batch.items):
                cursor = str(batch.cursor)
            elif batch.cursor is not None and items[-1].HasField("event"):
                last = items[-1].event
                position = last.revision if isinstance(batch.cursor, LogCursor) else last.seq
                cursor = str(replace(batch.cursor, position=position))
            yield pb.WatchTasksResponse(items=items, cursor=cursor)
