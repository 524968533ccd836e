"""Submitting photos, and the photos of earlier tasks once more."""

from __future__ import annotations

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.http.dependencies import InGateway, TaskId, TaskUser, within
from ws_gateway.http.former_paths import add_former_path, succeeded_by
from ws_gateway.http.moments import Moment
from ws_gateway.http.problems import documented
from ws_gateway.http.task_models import SubmittedOut, TaskOut
from ws_gateway.http.tasks import ALWAYS, ONE_TASK, TASK, TASKS
from ws_gateway.http.uploads import (
    FORM_OVERHEAD,
    MAX_MASK_BYTES,
    UPLOAD_OPENAPI,
    VERSION_OPENAPI,
    read_upload,
    read_version,
    received_form,
)
from ws_gateway.upstream.wait import EndOfTask

router = APIRouter(tags=["tasks"])

_FORMER_SUBMIT, _FORMER_PROCESS = "/api/v2/tasks/async", "/api/v2/process"
_UPLOAD_PATHS = frozenset({TASKS, _FORMER_SUBMIT, _FORMER_PROCESS})
_VERSION_PATH = re.compile(r"/api/v2/tasks/[^/]+/versions")

IdempotencyKey = Annotated[
    str, Header(max_length=200, description="The same key always means the same task, so a request can be repeated")
]
Reuse = Annotated[
    bool, Query(description="Answer with an earlier result of the same photo and options, where one is kept")
]
InBatch = Annotated[
    str,
    Query(
        max_length=100,
        description="Add the task to the batch of this name: up to 100 letters, digits and ._~:-",
    ),
]
RunAt = Annotated[
    Moment | None,
    Query(description="Earliest start, at most 30 days ahead; at once if it is past. The deadline counts from it"),
]
Wait = Annotated[float, Query(ge=0, le=120, description="Seconds to wait for the task's end; 0 returns at once")]
DropMask = Annotated[bool, Query(description="Don't use the earlier task's mask again, if it has one")]
_TOO_MANY_UPLOADS = "too many photos in a minute"
_UPLOAD = documented(
    *ALWAYS,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def largest_form(path: str, max_upload_bytes: int) -> int | None:
    """Return how many bytes the form of a path may have; None where it takes none."""
    if path in _UPLOAD_PATHS:
        return max_upload_bytes + MAX_MASK_BYTES + FORM_OVERHEAD
    return MAX_MASK_BYTES + FORM_OVERHEAD if _VERSION_PATH.fullmatch(path) else None


@router.post(
    TASKS,
    status_code=HTTPStatus.ACCEPTED,
    responses=_UPLOAD | {200: {"model": SubmittedOut, "description": "The task ended within `wait`"}},
    openapi_extra=UPLOAD_OPENAPI,
)
async def submit(
    request: Request,
    response: Response,
    gateway: InGateway,
    user: TaskUser,
    wait: Wait = 0,
    reuse: Reuse = False,
    batch_id: InBatch = "",
    run_at: RunAt = None,
    idempotency_key: IdempotencyKey = "",
) -> SubmittedOut:
    """Queue a photo. When this returns, photo and task are durable; the WebSocket reports progress and the result.

    With `wait`, return 200 once the task has ended, with or without a picture, or 202 when the time is up.
    """
    if wait:
        end = EndOfTask()
        with gateway.hub.subscribed(user.subject, end):
            submitted = await _submit_upload(
                request, gateway, user.subject, idempotency_key, batch_id, run_at, reuse=reuse
            )
            task = await end.wait(gateway.service, submitted.task, wait)
    else:
        submitted = await _submit_upload(request, gateway, user.subject, idempotency_key, batch_id, run_at, reuse=reuse)
        task = submitted.task
    _describe(response, submitted, idempotency_key)
    result = SubmittedOut.of_request(task, submitted.more_tasks, gateway.image_urls.of(user))
    response.status_code = HTTPStatus.OK if wait and result.finished_at else HTTPStatus.ACCEPTED
    return result


add_former_path(router, _FORMER_SUBMIT, submit)


@router.post(
    _FORMER_PROCESS,
    responses=_UPLOAD | {202: {"model": SubmittedOut, "description": "Still running when the time was up"}},
    **succeeded_by(TASKS, UPLOAD_OPENAPI),
)
async def process(
    request: Request,
    response: Response,
    gateway: InGateway,
    user: TaskUser,
    timeout: Annotated[float, Query(gt=0, le=120, description="`wait` of the successor")] = 60.0,
    reuse: Reuse = False,
    batch_id: InBatch = "",
    run_at: RunAt = None,
    idempotency_key: IdempotencyKey = "",
) -> SubmittedOut:
    """Queue a photo and wait until its task has ended, with or without a picture."""
    return await submit(request, response, gateway, user, timeout, reuse, batch_id, run_at, idempotency_key)


@router.post(
    TASK + "/retry",
    status_code=HTTPStatus.ACCEPTED,
    responses=ONE_TASK | documented(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
)
async def retry(
    task_id: TaskId, response: Response, gateway: InGateway, user: TaskUser, idempotency_key: IdempotencyKey = ""
) -> TaskOut:
    """Queue the same photo with the same options, and the same mask, as a new task."""
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
    _describe(response, submitted, idempotency_key)
    return TaskOut.of(submitted.task, gateway.image_urls.of(user))


@router.post(
    TASK + "/versions",
    status_code=HTTPStatus.ACCEPTED,
    responses=_UPLOAD | documented(HTTPStatus.NOT_FOUND),
    openapi_extra=VERSION_OPENAPI,
)
async def create_version(
    task_id: TaskId,
    request: Request,
    response: Response,
    gateway: InGateway,
    user: TaskUser,
    reuse: Reuse = False,
    drop_mask: DropMask = False,
    batch_id: InBatch = "",
    run_at: RunAt = None,
    idempotency_key: IdempotencyKey = "",
) -> SubmittedOut:
    """Queue the same photo as a new task with other options, hints or mask; the earlier result stays as it is.

    Options that are left out are the preset's, not the earlier task's. A mask that is left out is the earlier task's.
    """
    await within(gateway.limits.uploads, _TOO_MANY_UPLOADS, user.subject)
    user_id = user.subject
    async with gateway.bodies.slot(user_id), received_form(request) as form, gateway.uploads.slot(user_id):
        version = read_version(form)
        submission = pb.SubmitTaskRequest(
            user_id=user_id,
            source_task_id=task_id,
            drop_source_mask=drop_mask,
            options=version.outputs[0],
            more_options=version.outputs[1:],
            idempotency_key=idempotency_key,
            reuse=reuse,
            batch_id=batch_id,
        )
        _schedule(submission, run_at)
        submitted = await gateway.service.submit(submission, mask=version.mask)
    _describe(response, submitted, idempotency_key)
    return SubmittedOut.of_request(submitted.task, submitted.more_tasks, gateway.image_urls.of(user))


async def _submit_upload(
    request: Request,
    gateway: InGateway,
    user_id: str,
    key: IdempotencyKey,
    batch_id: str,
    run_at: RunAt,
    *,
    reuse: bool,
) -> pb.SubmitTaskResponse:
    """Receive photo and mask into temporary files, then pass them on; a bounded number is in memory at any time."""
    await within(gateway.limits.uploads, _TOO_MANY_UPLOADS, user_id)
    async with gateway.bodies.slot(user_id), received_form(request) as form, gateway.uploads.slot(user_id):
        upload = read_upload(form, gateway.settings.max_upload_bytes)
        submission = pb.SubmitTaskRequest(
            user_id=user_id,
            filename=upload.filename,
            options=upload.outputs[0],
            more_options=upload.outputs[1:],
            idempotency_key=key,
            reuse=reuse,
            batch_id=batch_id,
        )
        _schedule(submission, run_at)
        return await gateway.service.submit(submission, image=upload.image, mask=upload.mask)


def _schedule(submission: pb.SubmitTaskRequest, run_at: datetime | None) -> None:
    if run_at is not None:
        submission.run_at.FromDatetime(run_at)


def _describe(response: Response, submitted: pb.SubmitTaskResponse, idempotency_key: str) -> None:
    """Set the headers for the task's address and for a task that an earlier request created."""
    response.headers["Location"] = f"{TASKS}/{submitted.task.task_id}"
    # Without a key of the client's own, the earlier request was this one: the call to the service was retried.
    if submitted.deduplicated and idempotency_key:
        response.headers["Idempotency-Replayed"] = "true"
    if submitted.reused:
        response.headers["Result-Reused"] = "true"
