"""Submissions that the service can't take at present are sent again, and only those."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from whitebg import Submission, errors
from whitebg.submitting import submit_many
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.wire import Wire
from whitebg_process.backoff import Backoff

BUSY = pb.SubmitTaskResult(error=pb.SubmitTaskError(code=14, reason="OVERLOADED", message="busy"))
WRONG = pb.SubmitTaskResult(error=pb.SubmitTaskError(code=3, reason="IMAGE_EMPTY", message="empty", field="image"))
NEWER = pb.SubmitTaskResult(error=pb.SubmitTaskError(code=99, message="newer than this client"))


def taken(task_id: int) -> pb.SubmitTaskResult:
    return pb.SubmitTaskResult(submitted=pb.SubmitTaskResponse(task=task_pb2.Task(task_id=task_id)))


class Script:
    """A wire whose calls are answered in turn; it records the number of requests in each."""

    target = "127.0.0.1:1"
    stub = SimpleNamespace(SubmitTasks=None)

    def __init__(self, *answers: Sequence[pb.SubmitTaskResult], timeout: float = 30.0) -> None:
        self.timeout = timeout
        self.calls: list[list[str]] = []
        self._answers = iter(answers)

    async def call(self, _: Any, request: pb.SubmitTasksRequest) -> pb.SubmitTasksResponse:
        self.calls.append([each.idempotency_key for each in request.requests])
        return pb.SubmitTasksResponse(results=next(self._answers))


async def sent(script: Script, count: int) -> list[int | errors.WhitebgError | OSError]:
    submissions = [Submission(b"photo", idempotency_key=str(number)) for number in range(count)]
    results = submit_many(cast("Wire", script), submissions, Backoff(base=0.001, cap=0.001))
    return [each.error or each.task.task_id async for each in results]


async def test_those_that_can_not_be_taken_now_are_sent_again_in_their_place() -> None:
    script = Script([taken(1), BUSY, WRONG, BUSY], [BUSY, taken(4)], [taken(2)])
    first, second, third, fourth = await sent(script, 4)
    assert script.calls == [["0", "1", "2", "3"], ["1", "3"], ["1"]]
    assert (first, second, fourth) == (1, 2, 4)
    assert isinstance(third, errors.InvalidRequest)


async def test_without_time_for_another_call_they_stay_unavailable() -> None:
    script = Script([taken(1), BUSY], timeout=0.0)
    first, second = await sent(script, 2)
    assert first == 1
    assert isinstance(second, errors.ServiceUnavailable)
    assert len(script.calls) == 1


async def test_a_code_that_is_newer_than_this_client_is_an_error_too() -> None:
    (found,) = await sent(Script([NEWER]), 1)
    assert isinstance(found, errors.ServiceError)
