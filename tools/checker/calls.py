"""Guarantees about calls: acknowledged ones have their effect, keys stand for one task, rejections are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.checker.history import Admitted, Called, Claimed, Config, Reported, Revoked
from tools.checker.log import Log
from tools.checker.violation import Guarantee, Violation


def check_calls(log: Log, calls: Sequence[Called], config: Config) -> Iterator[Violation]:
    """Check all calls against the log."""
    for call in calls:
        if call.outcome == "ok":
            yield from _check_effect(log, call)
        elif call.operation == "submit" and call.outcome == "quota" and config.pending_per_user:
            yield from _check_rejection(log, call, config)
    yield from _check_keys(log, calls)
    yield from _check_gone(calls)


def _check_gone(calls: Sequence[Called]) -> Iterator[Violation]:
    """Check that a deleted task can't be read by a call that began after the deletion was acknowledged."""
    deleted = {call.task_id: call.at for call in calls if call.operation == "delete" and call.outcome == "ok"}
    for call in calls:
        if call.operation == "get" and call.outcome == "ok" and call.began > deleted.get(call.task_id, call.began):
            late = call.began - deleted[call.task_id]
            yield Violation(Guarantee.GONE, f"task {call.task_id} was read {late:.3f} s after it was deleted")


def _check_effect(log: Log, call: Called) -> Iterator[Violation]:
    events = log.by_task.get(call.task_id, [])
    types = {event.type for event in events}
    name = f"{call.operation} of task {call.task_id} by {call.user}"
    if {event.user for event in events} - {call.user}:
        yield Violation(Guarantee.ISOLATED, f"{name}: the task belongs to {events[0].user}")
    expected = {"submit": "created", "cancel": "cancelled", "delete": "deleted"}.get(call.operation)
    if expected is not None and expected not in types:
        yield Violation(Guarantee.ACKNOWLEDGED, f"{name} was acknowledged; the log has {sorted(types) or 'nothing'}")
    if call.operation == "get":
        event = log.by_user.get(call.user, {}).get(call.seq)
        found = (event.task_id, event.state) if event else None
        if found != (call.task_id, call.state):
            message = f"{name} returned {call.state} with seq {call.seq}; the log has {found} there"
            yield Violation(Guarantee.PAYLOAD, message)


def _check_rejection(log: Log, call: Called, config: Config) -> Iterator[Violation]:
    """Check that the user's queue was full at some time during the call."""
    first, last = call.began - config.slack, call.at + config.slack
    pending: set[int] = set()
    full = False
    for event in log.events:
        if event.at > last:
            break
        if event.user != call.user:
            continue
        if event.at >= first and len(pending) >= config.pending_per_user:
            full = True
        (pending.add if event.state == "pending" else pending.discard)(event.task_id)
    if not full and len(pending) < config.pending_per_user:
        message = f"a submission by {call.user} was rejected with {len(pending)} of {config.pending_per_user} pending"
        yield Violation(Guarantee.QUOTA, message)


def _check_keys(log: Log, calls: Sequence[Called]) -> Iterator[Violation]:
    tasks: dict[tuple[str, str], set[int]] = defaultdict(set)
    tried: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        if call.operation == "submit" and call.key:
            if call.outcome in {"ok", "unknown"}:
                tried[call.user].add(call.key)
            if call.outcome == "ok":
                tasks[call.user, call.key].add(call.task_id)
    for (user, key), task_ids in tasks.items():
        if len(task_ids) > 1:
            yield Violation(Guarantee.IDEMPOTENT, f"key {key} of {user} stands for the tasks {sorted(task_ids)}")
    for user, keys in tried.items():
        created = [event for event in log.events if event.user == user and event.type == "created"]
        if len(created) > len(keys):
            yield Violation(Guarantee.IDEMPOTENT, f"{len(keys)} keys of {user} made {len(created)} tasks")


def check_workers(log: Log, records: Sequence[Claimed | Reported]) -> Iterator[Violation]:
    """Check that an outcome is accepted exactly from the worker that holds the attempt; records are in their order."""
    holders: dict[int, tuple[str, int]] = {}
    for record in records:
        reporter = (record.worker, record.attempt)
        if isinstance(record, Claimed):
            holders[record.task_id] = reporter
        elif record.accepted:
            holder = holders.get(record.task_id)
            if holder != reporter:
                message = f"task {record.task_id}: a report of {reporter} was accepted, the holder is {holder}"
                yield Violation(Guarantee.FENCED, message)
            holders.pop(record.task_id, None)
    starts = {(event.task_id, event.attempt) for event in log.events if event.type == "started"}
    for record in records:
        if isinstance(record, Claimed) and (record.task_id, record.attempt) not in starts:
            message = f"attempt {record.attempt} of task {record.task_id} was claimed without an event"
            yield Violation(Guarantee.ATOMIC, message)


def check_access(records: Sequence[Revoked | Admitted], config: Config) -> Iterator[Violation]:
    """Check that no call is admitted that began after its session was revoked, and the bound had passed."""
    revoked: dict[str, float] = {}
    for record in records:
        if isinstance(record, Revoked):
            revoked[record.session] = min(record.at, revoked.get(record.session, record.at))
    for record in records:
        if isinstance(record, Admitted) and record.session in revoked:
            late = record.began - revoked[record.session] - config.revoked_within
            if late > 0:
                message = f"session {record.session} was admitted {late:.3f} s after it should have ended"
                yield Violation(Guarantee.REVOKED, message)
