"""Reading, cancelling, reviewing and deleting tasks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from whitebg.v1 import task_pb2
from ws_gateway.http.dependencies import InGateway, TaskId, TaskUser, within
from ws_gateway.http.former_paths import add_former_path
from ws_gateway.http.problems import Problem, documented
from ws_gateway.http.task_models import (
    DeletedOut,
    DeleteIn,
    ReviewedOut,
    ReviewIn,
    ReviewName,
    StatusFilter,
    TaskList,
    TaskOut,
    TaskStatus,
)

router = APIRouter(tags=["tasks"])

TASKS = "/api/v2/tasks"
TASK = TASKS + "/{task_id}"

ALWAYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
ONE_TASK = documented(*ALWAYS, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


@router.get(TASKS, responses=documented(*ALWAYS, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_tasks(
    gateway: InGateway,
    user: TaskUser,
    skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    status: StatusFilter | None = None,
    page_token: Annotated[str, Query(max_length=200, description="`next_page_token` of the page before")] = "",
    batch_id: Annotated[str, Query(max_length=100, description="Only tasks of this batch")] = "",
    review: Annotated[ReviewName | None, Query(description="Only completed tasks with this decision")] = None,
) -> TaskList:
    """List the caller's tasks, newest first.

    Pages by token repeat no task and miss none while tasks arrive; with `skip` they may.
    """
    states = [] if status is None else status.states()
    page = await gateway.service.list_tasks(
        user.subject,
        skip=skip,
        limit=limit,
        states=states,
        page_token=page_token,
        batch_id=batch_id,
        review=task_pb2.REVIEW_UNSPECIFIED if review is None else review.to_proto(),
    )
    tasks = [TaskOut.of(task, gateway.image_urls.of(user)) for task in page.tasks]
    return TaskList(
        tasks=tasks,
        total=page.total_size,
        skip=skip,
        limit=limit,
        cursor=page.cursor,
        next_page_token=page.next_page_token,
    )


add_former_path(router, "/api/generation/tasks", list_tasks)


@router.get(TASK, responses=ONE_TASK)
async def get_task(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskOut:
    """Return one of the caller's tasks."""
    return TaskOut.of(await gateway.service.get(user.subject, task_id), gateway.image_urls.of(user))


add_former_path(router, "/api/generation/tasks/{task_id}", get_task)


@router.get(TASK + "/status", responses=ONE_TASK | documented(HTTPStatus.TOO_MANY_REQUESTS))
async def get_status(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskStatus:
    """Return the status of one of the caller's tasks; for clients that can't keep a WebSocket open.

    10 times a minute for one task, unless configured otherwise.
    """
    await within(gateway.limits.status_polls, "asked too often for this task", user.subject, str(task_id))
    return TaskStatus.of(await gateway.service.get(user.subject, task_id), gateway.image_urls.of(user))


@router.post(TASK + "/cancel", responses=ONE_TASK | documented(HTTPStatus.CONFLICT))
async def cancel(task_id: TaskId, gateway: InGateway, user: TaskUser) -> TaskOut:
    """Cancel a task; a second time changes nothing. 409 if it has already ended otherwise."""
    return TaskOut.of(await gateway.service.cancel(user.subject, task_id), gateway.image_urls.of(user))


@router.delete(TASK, status_code=HTTPStatus.NO_CONTENT, response_class=Response, responses=ONE_TASK)
async def delete(task_id: TaskId, gateway: InGateway, user: TaskUser) -> None:
    """Delete a task with its images. One that has not ended is cancelled first.

    A repeated call returns 404, as for an unknown task: after a lost response, it means that the task is deleted.
    `POST /api/v2/tasks/delete` returns such tasks as missing instead.
    """
    deleted = await gateway.service.delete(user.subject, [task_id])
    if not deleted.task_ids:
        raise Problem(HTTPStatus.NOT_FOUND, "task_not_found", f"task {task_id} does not exist; check the id")


@router.post(
    TASKS + "/delete", responses=documented(*ALWAYS, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.GATEWAY_TIMEOUT)
)
async def delete_tasks(selected: DeleteIn, gateway: InGateway, user: TaskUser) -> DeletedOut:
    """Delete several tasks, or all that the caller has, with their images.

    Those that have not ended are cancelled first. A call that failed may have deleted a part of them: repeat it.
    """
    if selected.all:
        deleted = await gateway.service.delete_all(user.subject)
    else:
        deleted = await gateway.service.delete(user.subject, selected.task_ids)
    return DeletedOut(task_ids=list(deleted.task_ids), missing_task_ids=list(deleted.missing_task_ids))


@router.post(
    TASKS + "/review", responses=documented(*ALWAYS, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.GATEWAY_TIMEOUT)
)
async def review_tasks(decision: ReviewIn, gateway: InGateway, user: TaskUser) -> ReviewedOut:
    """Accept or reject the results of tasks, or take that back. Each that changes is sent to all watchers.

    A call that failed may have changed a part of them: repeat it.
    """
    done = await gateway.service.review(user.subject, decision.task_ids, decision.review.to_proto())
    return ReviewedOut(
        task_ids=list(done.task_ids),
        unfinished_task_ids=list(done.unfinished_task_ids),
        missing_task_ids=list(done.missing_task_ids),
    )
