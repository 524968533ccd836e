"""The Python client's watch over a service whose streams break, and a user of it that stops at any update."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any
from unittest.mock import patch

from tools.checker.history import Config, Finished, Logged, Moved, Opened, Received, Record
from tools.checker.verdict import check
from tools.simulation.schedule import Broken, Step
from whitebg import errors, models
from whitebg.convert.tasks import task_from_proto
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.watch import WatchRequest, follow
from whitebg_process.backoff import Backoff

_NO_WAIT = Backoff(base=0.0, cap=0.0)
_BROKEN = (errors.ServiceUnavailable("away"), errors.Overloaded("slow"), errors.QuotaExceeded("full", 0.0))


class ClientWorld:
    """``batch`` is sent by the stream, ``break`` ends it with an error, ``stop`` stops the user within a batch."""

    steps: Mapping[str, int] = {"batch": 6, "bookmark": 2, "break": 3, "stop": 2}

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule, and check what the user of the client received."""
        script = _Script(schedule)
        # A task of this world is a function of its number: converting it again and again would take most of the time.
        with patch("whitebg.convert.updates.task_from_proto", _converted):
            history = _drive(script.consume())
        if violations := check(history).violations:
            raise Broken("; ".join(map(str, violations)))


def _drive(coroutine: Coroutine[Any, Any, list[Record]]) -> list[Record]:
    """Run a coroutine that waits for nothing: an event loop for each schedule would take most of the time."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            records: list[Record] = done.value
            return records


class _Script:
    """The service's log, which grows by what the schedule sends, and the user."""

    def __init__(self, schedule: Sequence[Step]) -> None:
        self._steps = list(reversed(schedule))
        self._sizes = [1 + number % 4 for name, number in schedule if name == "batch"]
        self._head = sum(self._sizes)
        self._stop_in: int | None = None
        self._over = False

    async def consume(self) -> list[Record]:
        """Watch, stop where the schedule says so, and watch again with the last update's cursor."""
        cursor = "e:0"
        records: list[Record] = [Config(settled=False), *(_logged(seq) for seq in range(1, self._head + 1))]
        while not self._over:
            at = len(records)
            records.append(Opened(client="user", user="ann", at=at, after=int(cursor[2:])))
            request = WatchRequest(after=cursor, stop_at_head=True)
            async with aclosing(follow(self._stream, request, backoff=_NO_WAIT)) as updates:
                async for update in updates:
                    if isinstance(update, models.TaskEvent):
                        records.append(_received(update))
                    cursor = update.cursor
                    records.append(Moved(client="user", at=at, seq=int(cursor[2:])))
                    if self._stops():
                        break
        records.append(Finished(client="user", at=len(records)))
        return records

    def _stops(self) -> bool:
        if self._stop_in is None:
            return False
        self._stop_in -= 1
        if self._stop_in > 0:
            return False
        self._stop_in = None
        return True

    async def _stream(self, request: pb.WatchTasksRequest) -> AsyncGenerator[pb.WatchTasksResponse]:
        position = int(request.after[2:])
        while self._steps:
            name, number = self._steps.pop()
            match name:
                case "batch":
                    end = min(self._head, position + 1 + number % 4)
                    if end > position:
                        yield _batch(range(position + 1, end + 1))
                    position = end
                case "bookmark":
                    yield pb.WatchTasksResponse(items=[pb.WatchItem(bookmark=pb.Bookmark())], cursor=f"e:{position}")
                case "break":
                    raise _BROKEN[number % len(_BROKEN)]
                case "stop":
                    self._stop_in = 1 + number % 4
        self._stop_in = None
        if position < self._head:
            yield _batch(range(position + 1, self._head + 1))
        self._over = True


_converted_by_id: dict[int, models.Task] = {}


def _converted(task: task_pb2.Task) -> models.Task:
    """Convert a task, each once."""
    if (found := _converted_by_id.get(task.task_id)) is None:
        found = _converted_by_id[task.task_id] = task_from_proto(task)
    return found


def _batch(seqs: range) -> pb.WatchTasksResponse:
    return pb.WatchTasksResponse(items=[_item(seq) for seq in seqs], cursor=f"e:{seqs[-1]}")


@cache
def _item(seq: int) -> pb.WatchItem:
    task = task_pb2.Task(task_id=seq, user_id="ann", state=task_pb2.TASK_STATE_PENDING, seq=seq)
    kind = event_pb2.EVENT_TYPE_CREATED
    return pb.WatchItem(event=event_pb2.TaskEvent(revision=seq, seq=seq, cursor=f"e:{seq}", type=kind, task=task))


@cache
def _logged(seq: int) -> Logged:
    return Logged(
        revision=seq, seq=seq, user="ann", task_id=seq, type="created", state="pending", attempt=0, failures=0, at=seq
    )


def _received(event: models.TaskEvent) -> Received:
    task = event.task
    return Received(
        client="user", at=event.seq, seq=event.seq, task_id=task.task_id, state=task.state.value, attempt=task.attempt
    )
