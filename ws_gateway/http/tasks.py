"""Submitting, looking at, cancelling and repeating tasks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from protos.whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.http.dependencies import InGateway, TaskId, TaskUser, within
from ws_gateway.http.models import StatusFilter, TaskList, TaskOut, TaskStatus
from ws_gateway.http.problems import documented
from ws_gateway.http.uploads import OPENAPI, read_upload
from ws_gateway.waiting import EndOfTask

router = APIRouter(tags=["tasks"])

UPLOAD_PATHS = frozenset({"/api/v2/tasks/async", "/api/v2/process"})

IdempotencyKey = Annotated[
    str, Header(max_length=200, description="The same key always means the same task, so a request can be repeated")
]
Reuse = Annotated[
    bool, Query(description="Answer with an earlier result of the same photo and options, where one is kept")
]
_TOO_MANY_UPLOADS = "too many photos in a minute"
_ALWAYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
_ONE_TASK = documented(*_ALWAYS, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_UPLOAD = documented(
    *_ALWAYS,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


@router.post("/api/v2/tasks/async", status_code=HTTPStatus.ACCEPTED, responses=_UPLOAD, openapi_extra=OPENAPI)
async def submit(
    request: Request,
    response: Response,
    gateway: InGateway,
    user: TaskUser,
    reuse: Reuse = False,
    idempotency_key: IdempotencyKey = "",
) -> TaskOut:
    """Queue a photo. When this returns, photo and task are durable; watch the WebSocket for what becomes of it."""
    submitted = await _submit_upload(request, gateway, user.subject, idempotency_key, reuse=reuse)
    _describe(response, submitted)
    return TaskOut.of(submitted.task, gateway.image_urls.url)


@router.post(
    "/api/v2/process",
    responses=_UPLOAD | {202: {"model": TaskOut, "description": "Still running when the time was up"}},
    openapi_extra=OPENAPI,
)
async def process(
    request: Request,
    response: Response,
    gateway: InGateway,
    user: TaskUser,
    timeout: Annotated[float, Query(gt=0, le=120, description="Seconds to wait for the end")] = 60.0,
    reuse: Reuse = False,
    idempotency_key: IdempotencyKey = "",
) -> TaskOut:
    """Queue a photo and wait until its task has ended, however it did."""
    end = EndOfTask()
    with gateway.hub.subscribed(user.subject, end):
        submitted = await _submit_upload(request, gateway, user.subject, idempotency_key, reuse=reuse)
        task = await end.wait(gateway.service, submitted.task, timeout)
    _describe(response, submitted)
    result = TaskOut.of(task, gateway.image_urls.url)
    if result.finished_at is None:
        response.status_code = HTTPStatus.ACCEPTED
    return result


@router.get("/api/generation/tasks", responses=documented(*_ALWAYS, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_tasks(
    gateway: InGateway,
    user: TaskUser,
    skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    status: StatusFilter | None = None,
) -> TaskList:
    """List the caller's tasks, newest first."""
    states = [] if status is None else status.states()
    page = await gateway.service.list_tasks(user.subject, skip=skip, limit=limit, states=states)
    tasks = [TaskOut.of(task, gateway.image_urls.url) for task in page.tasks]
    return TaskList(tasks=tasks, total=page.total_size, skip=skip, limit=limit, cursor=page.cursor)


@router.get("/api/generation/tasks/{task_id}", responses=_ONE_TASK)
async def get_task(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskOut:
    """Return one of the caller's tasks."""
    return TaskOut.of(await gateway.service.get(user.subject, task_id), gateway.image_urls.url)


@router.get("/api/v2/tasks/{task_id}/status", responses=_ONE_TASK | documented(HTTPStatus.TOO_MANY_REQUESTS))
async def get_status(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskStatus:
    """Say where one of the caller's tasks stands; for clients that can't hold a WebSocket open.

    10 times a minute for one task, unless configured otherwise.
    """
    await within(gateway.limits.status_polls, "asked too often for this task", user.subject, str(task_id))
    return TaskStatus.of(await gateway.service.get(user.subject, task_id), gateway.image_urls.url)


@router.post("/api/v2/tasks/{task_id}/cancel", responses=_ONE_TASK | documented(HTTPStatus.CONFLICT))
async def cancel(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskOut:
    """Cancel a task; a second time changes nothing. 409 if it has already ended otherwise."""
    return TaskOut.of(await gateway.service.cancel(user.subject, task_id), gateway.image_urls.url)


@router.post(
    "/api/v2/tasks/{task_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    responses=_ONE_TASK | documented(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
)
async def retry(
    task_id: TaskId, response: Response, gateway: InGateway, user: TaskUser, idempotency_key: IdempotencyKey = ""
) -> TaskOut:
    """Queue the same photo with the same options as a new task."""
    await within(gateway.limits.uploads, _TOO_MANY_UPLOADS, user.subject)
    earlier = await gateway.service.get(user.subject, task_id)
    submitted = await gateway.service.submit(
        pb.SubmitTaskRequest(
            user_id=user.subject,
            source_task_id=task_id,
            filename=earlier.input.filename,
            options=earlier.options,
            idempotency_key=idempotency_key,
        )
    )
    _describe(response, submitted)
    return TaskOut.of(submitted.task, gateway.image_urls.url)


async def _submit_upload(
    request: Request, gateway: InGateway, user_id: str, idempotency_key: str, *, reuse: bool
) -> pb.SubmitTaskResponse:
    """Pass a photo on; a bounded number of them is in memory at any time."""
    await within(gateway.limits.uploads, _TOO_MANY_UPLOADS, user_id)
    async with gateway.uploads:
        upload = await read_upload(request, gateway.settings.max_upload_bytes)
        return await gateway.service.submit(
            pb.SubmitTaskRequest(
                user_id=user_id,
                image=upload.image,
                filename=upload.filename,
                options=upload.options,
                idempotency_key=idempotency_key,
                reuse=reuse,
            )
        )


def _describe(response: Response, submitted: pb.SubmitTaskResponse) -> None:
    """Say where the task lies, and whether an earlier request had made it."""
    response.headers["Location"] = f"/api/generation/tasks/{submitted.task.task_id}"
    if submitted.deduplicated:
        response.headers["Idempotency-Replayed"] = "true"
    if submitted.reused:
        response.headers["Result-Reused"] = "true"
