"""Implements `whitebg.v1.AdminService`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from grpc import aio

from generator_service.deletion import Deletions
from generator_service.domain.breaker import Condition, is_pause
from generator_service.domain.clock import Clock
from generator_service.domain.errors import InvalidRequest, InvalidTransition, TaskNotFound, Unauthenticated
from generator_service.domain.revocation import revocation_of
from generator_service.domain.task import Task, TaskState
from generator_service.notifier.contract import Notifier, Topic
from generator_service.requeue import requeue
from generator_service.rpc.admin import convert
from generator_service.rpc.admin.webhooks import WebhookAdmin
from generator_service.rpc.auth import Scope
from generator_service.rpc.convert import messages, requests, usage
from generator_service.rpc.convert.pages import first_page
from generator_service.rpc.interceptors import caller, request_id
from generator_service.store.contract import TaskStore
from generator_service.submission import Submissions
from generator_service.watch.api_key_checks import ApiKeyChecker
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.revocations import RevocationTail
from generator_service.webhooks.addresses import origin_of
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import admin_service_pb2_grpc
from whitebg_process.settings import SettingInEffect

logger = logging.getLogger(__name__)

Context = aio.ServicerContext[Any, Any]

ALL_STATES = set(TaskState)
LIVE = {TaskState.PENDING, TaskState.PROCESSING}
ENDED_BADLY = {TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED}
MAX_CANCELLED = 1000
CANCELLED_TOGETHER = 100
REQUEUED_PER_PAGE, MAX_REQUEUED_PER_PAGE = 100, 200
USERS_PER_PAGE, MAX_USERS_PER_PAGE = 100, 500
USAGE_PER_PAGE, MAX_USAGE_PER_PAGE = 500, 1000
MAX_HISTORY = 100
RATE_WINDOW = timedelta(minutes=5)
"""How far back the overview counts completed and failed tasks."""
FAILURES_FOR = timedelta(days=1)
"""How far back the overview groups failures."""
DELETE_ROUNDS = 10
"""How often the deletion of a user is repeated where tasks arrive meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Control of the queue and of the tasks of all users. Errors are raised; `CallInterceptor` returns them."""

    store: TaskStore
    view: QueueView
    submissions: Submissions
    wake: Notifier
    keys: ApiKeyChecker
    revocations: RevocationTail
    clock: Clock
    webhooks: WebhookAdmin
    deletions: Deletions
    settings: Sequence[SettingInEffect]
    """The settings of this process, without secrets."""

    async def PauseQueue(self, request: pb.PauseQueueRequest, context: Context) -> pb.PauseQueueResponse:  # noqa: N802, ARG002
        """Stop claims."""
        _begin("pause_queue", request)
        engine, note, lasts = convert.pause_request(request)
        paused = await self.store.admin.pause(engine, note=note, lasts=lasts)
        await self._refresh()
        return pb.PauseQueueResponse(pause=convert.pause(paused, self.view))

    async def ResumeQueue(self, request: pb.ResumeQueueRequest, context: Context) -> pb.ResumeQueueResponse:  # noqa: N802, ARG002
        """End a pause."""
        _begin("resume_queue", request)
        await self.store.admin.resume(convert.engine(request.engine))
        await self._refresh()
        return pb.ResumeQueueResponse()

    async def GetQueueControl(  # noqa: N802
        self,
        request: pb.GetQueueControlRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.GetQueueControlResponse:
        """Return pauses and limits."""
        caller().require(Scope.ADMIN)
        now = self.store.queue_time()
        breakers = await self.store.breakers()
        return pb.GetQueueControlResponse(
            pauses=[
                convert.pause(each, self.view)
                for name, each in breakers.items()
                if is_pause(name) and each.condition(now) is not Condition.CLOSED
            ],
            limits=[convert.limit(each) for each in (await self.store.admin.engine_limits()).values()],
        )

    async def GetOverview(self, request: pb.GetOverviewRequest, context: Context) -> pb.GetOverviewResponse:  # noqa: N802, ARG002
        """Return the queue by engine, running tasks, recent failures, live workers and settings."""
        caller().require(Scope.ADMIN)
        now = self.clock.now()
        failures_from = now - FAILURES_FOR
        found = await self.store.admin.overview(now=now, ended_from=now - RATE_WINDOW, failures_from=failures_from)
        running = (pb.RunningTask(task=self._present(each), worker=each.lease_owner or "") for each in found.running)
        return pb.GetOverviewResponse(
            engines=[convert.engine_queue(each) for each in found.engines],
            running=first_page(running),
            failures=[convert.failure_group(each) for each in found.failures],
            failures_from=messages.timestamp(failures_from),
            rate_window=messages.duration(RATE_WINDOW),
            workers=[convert.live_worker(each) for each in found.workers],
            settings=[
                pb.SettingInEffect(name=each.name, value=each.value, changed=each.changed) for each in self.settings
            ],
        )

    async def SetEngineLimit(self, request: pb.SetEngineLimitRequest, context: Context) -> pb.SetEngineLimitResponse:  # noqa: N802, ARG002
        """Replace the limits of an engine."""
        _begin("set_engine_limit", request)
        await self.store.admin.set_engine_limit(convert.limit_from(request.limit))
        await self._refresh()
        return pb.SetEngineLimitResponse()

    async def FindTasks(self, request: pb.FindTasksRequest, context: Context) -> pb.FindTasksResponse:  # noqa: N802, ARG002
        """Return a page of tasks of all users."""
        caller().require(Scope.ADMIN)
        page = await self.store.admin.find_tasks(
            convert.filter_from(request.filter, default=set(), allowed=ALL_STATES),
            before=convert.token_from(request.page_token),
            limit=requests.page_size(
                request.page_size, default=requests.TASKS_PER_PAGE, most=requests.MAX_TASKS_PER_PAGE
            ),
        )
        await self.view.rank()
        tasks = first_page(self._present(task) for task in page.tasks)
        return pb.FindTasksResponse(
            tasks=tasks,
            next_page_token=str(tasks[-1].task_id) if page.has_more or len(tasks) < len(page.tasks) else "",
            total_size=page.total,
        )

    async def InspectTask(self, request: pb.InspectTaskRequest, context: Context) -> pb.InspectTaskResponse:  # noqa: N802, ARG002
        """Return a task and its history."""
        caller().require(Scope.ADMIN)
        task = await self.store.get(request.task_id, None)
        events = await self.store.admin.history(request.task_id, limit=MAX_HISTORY)
        epoch = (await self.store.latest_events(1)).head.epoch
        await self.view.rank()
        newest = first_page(messages.event(event, epoch) for event in reversed(events))
        return pb.InspectTaskResponse(task=self._present(task), events=reversed(newest))

    async def CancelTasks(self, request: pb.CancelTasksRequest, context: Context) -> pb.CancelTasksResponse:  # noqa: N802, ARG002
        """Cancel tasks of any user."""
        _begin("cancel_tasks", request)
        by_filter = request.HasField("filter")
        if by_filter == bool(request.task_ids):
            raise InvalidRequest("task_ids", "name either tasks or a filter")
        if len(request.task_ids) > MAX_CANCELLED:
            raise InvalidRequest("task_ids", f"names {len(request.task_ids)} tasks; at most {MAX_CANCELLED}")
        if not by_filter:
            if request.dry_run:
                raise InvalidRequest("dry_run", "goes with a filter; named tasks are known")
            skipped = await self._cancel(request.task_ids)
            return pb.CancelTasksResponse(cancelled=len(request.task_ids) - len(skipped), skipped_task_ids=skipped)
        wanted = convert.filter_from(request.filter, default=LIVE, allowed=LIVE)
        page = await self.store.admin.find_tasks(wanted, before=None, limit=MAX_CANCELLED)
        if request.dry_run:
            return pb.CancelTasksResponse(cancelled=len(page.tasks), remaining=page.total - len(page.tasks))
        skipped = await self._cancel([task.task_id for task in page.tasks])
        return pb.CancelTasksResponse(cancelled=len(page.tasks) - len(skipped), remaining=page.total - len(page.tasks))

    async def RequeueTasks(self, request: pb.RequeueTasksRequest, context: Context) -> pb.RequeueTasksResponse:  # noqa: N802, ARG002
        """Submit failed tasks again."""
        _begin("requeue_tasks", request)
        wanted = convert.filter_from(request.filter, default={TaskState.FAILED, TaskState.TIMEOUT}, allowed=ENDED_BADLY)
        limit = requests.page_size(request.page_size, default=REQUEUED_PER_PAGE, most=MAX_REQUEUED_PER_PAGE)
        page = await self.store.admin.find_tasks(
            wanted, before=convert.token_from(request.page_token), limit=1 if request.dry_run else limit
        )
        if request.dry_run:
            return pb.RequeueTasksResponse(total_size=page.total)
        new, skipped = await requeue(self.submissions, page.tasks)
        return pb.RequeueTasksResponse(
            total_size=page.total,
            tasks=[self._present(task) for task in new],
            skipped=[pb.SkippedTask(task_id=each.task_id, reason=each.reason) for each in skipped],
            next_page_token=str(page.tasks[-1].task_id) if page.has_more else "",
        )

    async def SetPriority(self, request: pb.SetPriorityRequest, context: Context) -> pb.SetPriorityResponse:  # noqa: N802, ARG002
        """Change the priority of a waiting task."""
        _begin("set_priority", request)
        task = await self.store.admin.set_priority(request.task_id, convert.priority(request.priority))
        return pb.SetPriorityResponse(task=self._present(task))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> pb.ListUsersResponse:  # noqa: N802, ARG002
        """Return a page of users."""
        caller().require(Scope.ADMIN)
        limit = requests.page_size(request.page_size, default=USERS_PER_PAGE, most=MAX_USERS_PER_PAGE)
        if request.page_token:
            convert.require_name(request.page_token, "page_token")
        found = await self.store.admin.users(after=request.page_token, limit=limit + 1)
        page = found[:limit]
        return pb.ListUsersResponse(
            users=[convert.user(each) for each in page],
            next_page_token=page[-1].user_id if len(found) > limit else "",
        )

    async def SetUserLimits(self, request: pb.SetUserLimitsRequest, context: Context) -> pb.SetUserLimitsResponse:  # noqa: N802, ARG002
        """Replace the limits of a user."""
        _begin("set_user_limits", request)
        convert.require_name(request.user_id, "user_id")
        await self.store.admin.set_user_limits(request.user_id, convert.user_limits_from(request.limits))
        await self._refresh()
        return pb.SetUserLimitsResponse()

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Context) -> pb.DeleteUserResponse:  # noqa: N802, ARG002
        """Delete a user with all data."""
        _begin("delete_user", request)
        convert.require_name(request.user_id, "user_id")
        now = self.clock.now()
        sessions = [request.user_id, *await self._sessions_of_keys(request.user_id)]
        for number, name in enumerate(sessions):
            who = {"session_id": name} if number else {"user_id": name}
            await self.revocations.revoke(revocation_of(**who, at=now))
        deleted, complete = 0, False
        for _ in range(DELETE_ROUNDS):
            deleted += len(await self.deletions.delete_all(request.user_id))
            if complete := await self.store.admin.purge_user(request.user_id):
                break
        await self.keys.load()
        await self._refresh()
        return pb.DeleteUserResponse(deleted_tasks=deleted, complete=complete)

    async def _sessions_of_keys(self, user_id: str) -> list[str]:
        return [key.session_id for key in await self.store.admin.api_keys() if key.user_id == user_id]

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:  # noqa: N802, ARG002
        """Create an API key."""
        _begin("create_api_key", request)
        now = self.clock.now()
        key, text = convert.new_api_key(request, by=caller().subject, now=now)
        await self.store.admin.create_api_key(key)
        await self.keys.load()
        return pb.CreateApiKeyResponse(api_key=convert.api_key(key), key=text)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:  # noqa: N802, ARG002
        """Return all API keys."""
        caller().require(Scope.ADMIN)
        return pb.ListApiKeysResponse(api_keys=[convert.api_key(each) for each in await self.store.admin.api_keys()])

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> pb.RevokeApiKeyResponse:  # noqa: N802, ARG002
        """Revoke an API key, and end what it opened."""
        _begin("revoke_api_key", request)
        key = await self.store.admin.revoke_api_key(request.key_id)
        await self.keys.load()
        await self.revocations.revoke(revocation_of(session_id=key.session_id, at=self.clock.now()))
        return pb.RevokeApiKeyResponse(api_key=convert.api_key(key))

    async def GetUsage(  # noqa: N802
        self,
        request: pb.AdminServiceGetUsageRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.AdminServiceGetUsageResponse:
        """Return a page of usage."""
        caller().require(Scope.ADMIN)
        limit = requests.page_size(request.page_size, default=USAGE_PER_PAGE, most=MAX_USAGE_PER_PAGE)
        if request.user_id:
            convert.require_name(request.user_id, "user_id")
        first, last = usage.period(request.first_day, request.last_day, now=self.clock.now())
        found = await self.store.admin.usage(
            first=first,
            last=last,
            user_id=request.user_id or None,
            after=usage.entry_of(request.page_token),
            limit=limit + 1,
        )
        return pb.AdminServiceGetUsageResponse(
            usage=[usage.day_usage(each) for each in found[:limit]],
            next_page_token=usage.page_token(found[limit - 1]) if len(found) > limit else "",
        )

    async def ExchangeApiKey(self, request: pb.ExchangeApiKeyRequest, context: Context) -> pb.ExchangeApiKeyResponse:  # noqa: N802, ARG002
        """Return the identity of an API key's holder."""
        caller().require(Scope.SERVICE)
        try:
            key = self.keys.check(request.key)
        except Unauthenticated as error:
            return pb.ExchangeApiKeyResponse(problem=str(error))
        return pb.ExchangeApiKeyResponse(
            user_id=key.user_id,
            scopes=sorted(key.scopes),
            session_id=key.session_id,
            expires_at=messages.timestamp(key.expires_at),
        )

    async def CreateWebhook(  # noqa: N802
        self,
        request: pb.CreateWebhookRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.CreateWebhookResponse:
        """Create a webhook."""
        # The rest of an address often is a secret that lets one post to it.
        logged = pb.CreateWebhookRequest(url=origin_of(request.url), user_id=request.user_id, types=request.types)
        _begin("create_webhook", logged)
        return await self.webhooks.create(request)

    async def ListWebhooks(  # noqa: N802
        self,
        request: pb.ListWebhooksRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.ListWebhooksResponse:
        """Return all webhooks."""
        caller().require(Scope.ADMIN)
        return await self.webhooks.list()

    async def DeleteWebhook(  # noqa: N802
        self,
        request: pb.DeleteWebhookRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.DeleteWebhookResponse:
        """Delete a webhook."""
        _begin("delete_webhook", request)
        return await self.webhooks.delete(request)

    async def RotateWebhookSecret(  # noqa: N802
        self,
        request: pb.RotateWebhookSecretRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.RotateWebhookSecretResponse:
        """Give a webhook a new secret."""
        _begin("rotate_webhook_secret", request)
        return await self.webhooks.rotate(request)

    async def ListDeadLetters(  # noqa: N802
        self,
        request: pb.ListDeadLettersRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ListDeadLettersResponse:
        """Return messages that could not be delivered."""
        caller().require(Scope.ADMIN)
        return await self.webhooks.dead_letters(request)

    async def ReplayDeadLetters(  # noqa: N802
        self,
        request: pb.ReplayDeadLettersRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ReplayDeadLettersResponse:
        """Deliver dead letters again."""
        _begin("replay_dead_letters", request)
        return await self.webhooks.replay(request)

    async def _refresh(self) -> None:
        """Apply a change at once where this process shows the queue, and let its worker look for tasks."""
        self.view.take_breakers(await self.store.breakers())
        self.view.take_user_limits(await self.store.admin.user_limits())
        self.wake.notify(Topic.TASKS_READY)

    async def _cancel(self, task_ids: Sequence[int]) -> list[int]:
        """Cancel tasks; return those that don't exist or had ended otherwise."""
        skipped = []
        for start in range(0, len(task_ids), CANCELLED_TOGETHER):
            some = task_ids[start : start + CANCELLED_TOGETHER]
            outcomes = await asyncio.gather(*(self.store.cancel(each, None) for each in some), return_exceptions=True)
            for task_id, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, TaskNotFound | InvalidTransition):
                    skipped.append(task_id)
                elif isinstance(outcome, BaseException):
                    raise outcome
        return skipped

    def _present(self, task: Task) -> messages.TaskMessage:
        return messages.task(self.view.present(task), self.view)


def _begin(action: str, request: object) -> None:
    """Require the scope, and log who changes what."""
    caller().require(Scope.ADMIN)
    text = " ".join(str(request).split())[:500]
    extra = {"action": action, "by": caller().subject, "request": text, "request_id": request_id()}
    logger.info("admin_action", extra=extra)
