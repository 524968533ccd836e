"""Guarantees that the log itself must keep, and the log indexed for the other checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tools.checker.history import ENDED, Config, Logged, Stored
from tools.checker.violation import Guarantee, Violation

_ALLOWED = {
    "created": {""},
    "started": {"pending"},
    "retrying": {"processing"},
    "snoozed": {"processing"},
    "completed": {"processing"},
    "failed": {"pending", "processing"},
    "timeout": {"processing"},
    "cancelled": {"pending", "processing"},
    "reviewed": {"completed"},
    "deleted": ENDED,
}
"""The states in which each event may happen; the empty one is that of a task that does not exist yet."""
_TARGETS = {
    "created": "pending",
    "started": "processing",
    "retrying": "pending",
    "snoozed": "pending",
    "reviewed": "completed",
}
"""The state after an event, unless it is named like it."""
_UNCOUNTED = frozenset({"lease_lost", "deadline_exceeded"})
"""Error codes of tasks that failed without a failed attempt."""


@dataclass(frozen=True, slots=True)
class Log:
    """The events in the order in which they were read."""

    events: Sequence[Logged]
    by_user: dict[str, dict[int, Logged]] = field(default_factory=dict)
    """Each user's events by seq."""
    by_task: dict[int, list[Logged]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Logged]) -> Log:
        """Index events."""
        log = cls(list(events))
        for event in log.events:
            log.by_user.setdefault(event.user, {})[event.seq] = event
            log.by_task.setdefault(event.task_id, []).append(event)
        return log

    def head(self, user: str) -> int:
        """Return the seq of a user's latest event, 0 if there is none."""
        return max(self.by_user.get(user, {}), default=0)

    def state_at(self, user: str, seq: int) -> dict[int, Logged]:
        """Return each of a user's tasks as of its latest event up to ``seq``; deleted ones are left out."""
        tasks: dict[int, Logged] = {}
        for number, event in sorted(self.by_user.get(user, {}).items()):
            if number > seq:
                break
            tasks[event.task_id] = event
        return {task_id: event for task_id, event in tasks.items() if event.state != "deleted"}


def check_log(log: Log, stored: Sequence[Stored], config: Config) -> Iterator[Violation]:
    """Check the log, and the rows that were read after the run."""
    yield from _check_numbers(log)
    for events in log.by_task.values():
        yield from _check_task(events)
    yield from _check_limits(log, config)
    yield from _check_rows(log, stored)
    if config.settled:
        yield from _check_ended(log)


def _check_numbers(log: Log) -> Iterator[Violation]:
    last: dict[str, int] = defaultdict(int)
    for number, event in enumerate(log.events, 1):
        if event.revision != number:
            yield Violation(Guarantee.REVISIONS, f"event {number} of the log has revision {event.revision}")
            break
    for event in log.events:
        if event.seq != last[event.user] + 1:
            message = f"seq {event.seq} of {event.user} follows {last[event.user]} (revision {event.revision})"
            yield Violation(Guarantee.SEQS, message)
        last[event.user] = event.seq


def _check_task(events: Sequence[Logged]) -> Iterator[Violation]:
    state, attempt, failures = "", 0, 0
    for event in events:
        name = f"{event.type} of task {event.task_id} (revision {event.revision})"
        if state not in _ALLOWED[event.type]:
            yield Violation(Guarantee.TRANSITIONS, f"{name} follows {state or 'nothing'}")
        if event.state != _TARGETS.get(event.type, event.type):
            yield Violation(Guarantee.TRANSITIONS, f"{name} brings the state {event.state}")
        if event.user != events[0].user:
            yield Violation(Guarantee.ISOLATED, f"{name} is in the log of {event.user}, not of {events[0].user}")
        attempt += event.type == "started"
        if event.attempt != attempt:
            yield Violation(Guarantee.ATTEMPTS, f"{name} has attempt {event.attempt} after {attempt} starts")
        failures += event.type == "retrying" or (event.type == "failed" and event.code not in _UNCOUNTED)
        if event.failures != failures:
            yield Violation(Guarantee.ATTEMPTS, f"{name} counts {event.failures} failures after {failures}")
        state, attempt, failures = event.state, event.attempt, event.failures


def _check_limits(log: Log, config: Config) -> Iterator[Violation]:
    states: dict[int, str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for event in log.events:
        if (before := states.get(event.task_id)) is not None:
            counts[event.user, before] -= 1
        counts[event.user, event.state] += 1
        states[event.task_id] = event.state
        limits = {"started": ("processing", config.running_per_user), "created": ("pending", config.pending_per_user)}
        state, limit = limits.get(event.type, ("", 0))
        if limit and counts[event.user, state] > limit:
            message = f"{counts[event.user, state]} tasks of {event.user} are {state} at revision {event.revision}"
            yield Violation(Guarantee.QUOTA, f"{message}, the limit is {limit}")


def _check_rows(log: Log, stored: Sequence[Stored]) -> Iterator[Violation]:
    if not stored:
        return
    rows = {row.task_id: (row.user, row.state, row.attempt, row.seq) for row in stored}
    folded = {
        task_id: (last.user, last.state, last.attempt, last.seq)
        for task_id, events in log.by_task.items()
        if (last := events[-1]).state != "deleted"
    }
    for task_id in sorted(rows.keys() | folded.keys()):
        if rows.get(task_id) != folded.get(task_id):
            message = f"task {task_id} is {rows.get(task_id)} as a row and {folded.get(task_id)} in the log"
            yield Violation(Guarantee.ATOMIC, message)


def _check_ended(log: Log) -> Iterator[Violation]:
    for task_id, events in log.by_task.items():
        if events[-1].state not in ENDED | {"deleted"}:
            yield Violation(Guarantee.NOT_STUCK, f"task {task_id} is still {events[-1].state} after the run")
