"""The order in which waiting tasks are claimed: the one rule behind claims, queue positions and estimates.

Priority first; within a priority the least recently served user; then age (the lower task id). A user is served when
one of the user's tasks starts. Starts are numbered over the whole log, and a user's ``served`` is the number of the
latest one, so users take turns within a priority, and the order follows from the log alone.

A user with nothing waiting is not in the queue. On joining it, ``served`` is raised to at most `CREDIT` starts ago:
new and returning users come before users served recently, but a waiting user can be overtaken only by users who join
before the next `CREDIT` starts. So no user starves, however many new users arrive.

The store's `NEXT` statement orders in the same way; `tests/contract/store/test_claim_order.py` compares the two.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from generator_service.domain.task import Task

CREDIT = 100
"""In starts. A user who joins the queue counts as served at most this long ago."""

Key = tuple[int, int]
"""Orders the tasks of one user: negated priority, task id."""


def key(task: Task) -> Key:
    """Return a task's sort key among the tasks of its user; the lowest is claimed first."""
    return -task.priority, task.task_id


@dataclass(slots=True)
class Starts:
    """Numbers the starts of tasks: 1, 2, 3 … in log order."""

    count: int = 0
    """Number of the latest start; 0 before the first."""

    def start(self) -> int:
        """Count a start; return the ``served`` of the task's user."""
        self.count += 1
        return self.count

    def join(self, served: int) -> int:
        """Return the ``served`` of a user who joins the queue, having had no pending task."""
        return max(served, self.count - CREDIT)


@dataclass(frozen=True, slots=True)
class UserQueue:
    """The runnable tasks of one user, sorted, and the number of the user's latest start."""

    served: int
    waiting: Sequence[Key]


def predict(
    queues: Mapping[str, UserQueue],
    running: Iterable[str],
    *,
    started: int,
    slots: int,
    running_per_user: int,
    own_limits: Mapping[str, int] | None = None,
) -> Iterator[int]:
    """Yield the ids of waiting tasks in the order in which they will start, if nothing joins the queue.

    ``running`` names the users of the running tasks, earliest start first; tasks are assumed to end in that order.
    ``started`` is the number of the latest start, ``slots`` how many tasks run at once, at least 1. A user with
    ``running_per_user`` tasks running is passed over until one of them ends; ``own_limits`` are those of users who
    have another limit. Tasks of a user who may run none are left out.
    """
    own = own_limits or {}

    starts = Starts(started)
    occupied = deque(running)
    counts = Counter(occupied)
    following = dict.fromkeys(queues, 0)
    heads: list[tuple[int, int, int, str]] = []
    served = {user: queue.served for user, queue in queues.items()}

    def enter(user: str) -> None:
        waiting = queues[user].waiting
        if following[user] < len(waiting) and counts[user] < own.get(user, running_per_user):
            priority, task_id = waiting[following[user]]
            heapq.heappush(heads, (priority, served[user], task_id, user))

    for user in queues:
        enter(user)
    while heads or occupied:
        if not heads or len(occupied) >= slots:
            ended = occupied.popleft()
            counts[ended] -= 1
            if ended in queues and counts[ended] == own.get(ended, running_per_user) - 1:
                enter(ended)
            continue
        *_, task_id, user = heapq.heappop(heads)
        yield task_id
        following[user] += 1
        served[user] = starts.start()
        counts[user] += 1
        occupied.append(user)
        enter(user)
