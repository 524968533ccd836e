"""Sends submissions: one, or many in calls of several each."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from whitebg import errors
from whitebg.convert.options import options_to_proto
from whitebg.convert.tasks import task_from_proto
from whitebg.files import read_mask, read_photo
from whitebg.models import Submission, SubmissionResult, Task
from whitebg.status import error_of_submission
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.wire import Wire
from whitebg_process.backoff import Backoff

_MAX_TASKS_PER_CALL = 256
"""The service's own limit."""
_BYTES_PER_CALL = 8 * 1024 * 1024
"""A call with larger requests gains nothing, and takes longer to be repeated."""


async def submit(wire: Wire, submission: Submission) -> list[Task]:
    """Send one submission and return its tasks.

    Raises:
        WhitebgError: it was rejected.
        OSError: a file can't be read.
        TypeError: the image or the mask is neither bytes nor a path nor a binary file.

    """
    return _tasks(await wire.call(wire.stub.SubmitTask, await _read(submission)))


async def submit_many(
    wire: Wire, submissions: Iterable[Submission], backoff: Backoff
) -> AsyncGenerator[SubmissionResult]:
    """Send submissions, and yield what became of each, in order.

    Raises:
        WhitebgError: a call failed. Each of its submissions, none of which was yielded, may have been taken or not.
        TypeError: an image or a mask is neither bytes nor a path nor a binary file.

    """
    async for group in _groups(submissions):
        requests = [each.request for each in group if isinstance(each.request, pb.SubmitTaskRequest)]
        responses = iter(await _send_all(wire, requests, backoff))
        for each in group:
            found = each.request if isinstance(each.request, OSError | errors.WhitebgError) else next(responses)
            if isinstance(found, pb.SubmitTaskResponse):
                yield SubmissionResult(submission=each.submission, tasks=_tasks(found))
            else:
                yield SubmissionResult(submission=each.submission, error=found)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A submission, and its request or the reason why it has none."""

    submission: Submission
    request: pb.SubmitTaskRequest | errors.WhitebgError | OSError


async def _groups(submissions: Iterable[Submission]) -> AsyncIterator[Sequence[_Prepared]]:
    """Yield submissions in groups of one call each; only one group is in memory."""
    group: list[_Prepared] = []
    tasks = size = 0
    for submission in submissions:
        try:
            request = await _read(submission)
        except (errors.WhitebgError, OSError) as error:
            group.append(_Prepared(submission, error))
            continue
        more, larger = 1 + len(submission.more_options), request.ByteSize()
        if group and (tasks + more > _MAX_TASKS_PER_CALL or size + larger > _BYTES_PER_CALL):
            yield group
            group, tasks, size = [], 0, 0
        group.append(_Prepared(submission, request))
        tasks, size = tasks + more, size + larger
    if group:
        yield group


async def _send_all(
    wire: Wire, requests: Sequence[pb.SubmitTaskRequest], backoff: Backoff
) -> Sequence[pb.SubmitTaskResponse | errors.WhitebgError]:
    """Send requests in one call, or in smaller ones if the service rejects that as a whole, such as for many hints.

    Raises:
        WhitebgError: a call failed.

    """
    try:
        return await _send(wire, requests, backoff)
    except errors.InvalidRequest as error:
        if len(requests) == 1:
            return [error]
        middle = len(requests) // 2
        halves = [await _send_all(wire, half, backoff) for half in (requests[:middle], requests[middle:])]
        return [result for half in halves for result in half]


async def _send(
    wire: Wire, requests: Sequence[pb.SubmitTaskRequest], backoff: Backoff
) -> Sequence[pb.SubmitTaskResponse | errors.WhitebgError]:
    """Send requests; send those again, as late as the service asks, that it can't take at present.

    Raises:
        WhitebgError: the call itself failed.

    """
    found: dict[int, pb.SubmitTaskResponse | errors.WhitebgError] = {}
    deadline = time.monotonic() + wire.timeout
    waiting = list(range(len(requests)))
    for failures in count(1):
        if not waiting:
            break
        request = pb.SubmitTasksRequest(requests=[requests[number] for number in waiting])
        answer = await wire.call(wire.stub.SubmitTasks, request)
        delay, again = backoff.delay(failures), []
        for number, result in zip(waiting, answer.results, strict=True):
            if result.HasField("submitted"):
                found[number] = result.submitted
                continue
            found[number] = error = error_of_submission(result.error, wire.target)
            if isinstance(error, errors.ServiceUnavailable):
                delay = max(delay, error.retry_after or 0.0)
                again.append(number)
        if time.monotonic() + delay >= deadline:
            break
        waiting = again
        if waiting:
            await asyncio.sleep(delay)
    return [found[number] for number in range(len(requests))]


async def _read(submission: Submission) -> pb.SubmitTaskRequest:
    """Return the request of a submission, with its files read.

    Raises:
        InvalidRequest: a file is too large or empty, a text is not valid Unicode, a time has no time zone, or a value
            can't be sent.
        OSError: a file can't be read.
        TypeError: the image or the mask is neither bytes nor a path nor a binary file.

    """
    try:
        request = pb.SubmitTaskRequest(
            user_id=submission.user_id or "",
            options=options_to_proto(submission.options),
            more_options=map(options_to_proto, submission.more_options),
            idempotency_key=submission.idempotency_key or str(uuid.uuid4()),
            priority=submission.priority,
            reuse=submission.reuse,
            drop_source_mask=submission.drop_mask,
            batch_id=submission.batch_id or "",
        )
        if isinstance(submission.image, int):
            request.source_task_id, request.filename = submission.image, submission.filename or ""
    except UnicodeEncodeError as error:
        raise errors.InvalidRequest(f"{error.object!r} is not valid Unicode; remove the lone surrogates") from error
    except ValueError as error:
        raise errors.InvalidRequest(f"an option, the priority or the task can't be sent: {error}") from error
    if submission.task_timeout is not None:
        request.timeout.FromTimedelta(submission.task_timeout)
    if submission.run_at is not None:
        if submission.run_at.utcoffset() is None:
            raise errors.InvalidRequest(f"run_at: {submission.run_at} has no time zone; add one, such as UTC")
        request.run_at.FromDatetime(submission.run_at)
    if not isinstance(submission.image, int):
        request.image, request.filename = await asyncio.to_thread(read_photo, submission.image, submission.filename)
    request.mask = await asyncio.to_thread(read_mask, submission.mask)
    return request


def _tasks(response: pb.SubmitTaskResponse) -> list[Task]:
    return [task_from_proto(task) for task in (response.task, *response.more_tasks)]
