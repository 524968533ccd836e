"""A history in which every guarantee holds, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from tools.checker.history import (
    Admitted,
    Buried,
    Called,
    Claimed,
    Config,
    Delivered,
    Disturbed,
    Finished,
    Hooked,
    Logged,
    Moved,
    Opened,
    Paused,
    Readiness,
    Received,
    Record,
    Reported,
    Resumed,
    Revoked,
    Shown,
    SnapshotBegun,
    SnapshotEnded,
    Stored,
)

R = TypeVar("R", bound=Record)

CONFIG = Config(
    pending_per_user=2, running_per_user=1, slots=2, stalled_after=10, revoked_within=2, paused_within=1, slack=1
)


def logged(revision: int, seq: int, user: str, task_id: int, type_: str, **fields: object) -> Logged:
    """Make an event, at ``revision`` seconds unless given."""
    targets = {"created": "pending", "started": "processing", "retrying": "pending", "snoozed": "pending"}
    values = {"state": targets.get(type_, type_), "attempt": 0, "failures": 0, "at": float(revision)} | fields
    return Logged(revision=revision, seq=seq, user=user, task_id=task_id, type=type_, **values)  # type: ignore[arg-type]


LOG = (
    logged(1, 1, "ann", 1, "created"),
    logged(2, 2, "ann", 2, "created"),
    logged(3, 3, "ann", 1, "started", attempt=1),
    logged(4, 1, "bob", 3, "created"),
    logged(5, 2, "bob", 3, "started", attempt=1),
    logged(6, 4, "ann", 1, "snoozed", attempt=1),
    logged(7, 5, "ann", 1, "started", attempt=2),
    logged(8, 6, "ann", 1, "retrying", attempt=2, failures=1),
    logged(9, 7, "ann", 1, "started", attempt=3, failures=1),
    logged(10, 8, "ann", 1, "completed", attempt=3, failures=1),
    logged(11, 3, "bob", 3, "cancelled", attempt=1),
    # Nothing moves for a while, though task 2 could start.
    logged(12, 9, "ann", 2, "started", attempt=1, at=40.0),
    logged(13, 10, "ann", 2, "failed", attempt=1, failures=1, at=41.0),
    logged(14, 11, "ann", 2, "deleted", attempt=1, failures=1, at=42.0),
)


def received(client: str, *events: Logged) -> list[Received]:
    """Make the records of a client that receives these events."""
    return [
        Received(client=client, at=e.at, seq=e.seq, task_id=e.task_id, state=e.state, attempt=e.attempt) for e in events
    ]


ANN = tuple(event for event in LOG if event.user == "ann")
BOB = tuple(event for event in LOG if event.user == "bob")
WATCHER: tuple[Record, ...] = (
    Opened(client="watcher", user="ann", at=0, after=0),
    *received("watcher", *ANN[:4]),
    Opened(client="watcher", user="ann", at=6, after=4),
    *received("watcher", *ANN[4:6]),
    Moved(client="watcher", at=8, seq=6),
    *received("watcher", *ANN[6:]),
    Finished(client="watcher", at=50),
)
SOCKET: tuple[Record, ...] = (
    Opened(client="socket", user="ann", at=0, after=0, acks=True),
    *received("socket", *ANN[:3]),
    *received("socket", ANN[2]),
    Opened(client="socket", user="ann", at=5),
    SnapshotBegun(client="socket", at=5),
    Shown(client="socket", at=5, task_id=1, state="processing", attempt=2, seq=5),
    Shown(client="socket", at=5, task_id=2, state="pending", attempt=0, seq=2),
    SnapshotEnded(client="socket", at=5, seq=5),
    *received("socket", *ANN[5:]),
    Finished(client="socket", at=50),
)
BOBS: tuple[Record, ...] = (
    Opened(client="bobs", user="bob", at=0, after=0),
    *received("bobs", *BOB),
    Finished(client="bobs", at=50),
)
CALLS = (
    Called(user="ann", operation="submit", began=0, at=1, outcome="unknown", key="k1"),
    Called(user="ann", operation="submit", began=1, at=2, outcome="ok", key="k1", task_id=1),
    Called(user="ann", operation="submit", began=1, at=2, outcome="ok", key="k2", task_id=2),
    Called(user="ann", operation="submit", began=2, at=3, outcome="quota", key="k3"),
    Called(user="bob", operation="submit", began=3, at=4, outcome="ok", key="k1", task_id=3),
    Called(user="bob", operation="cancel", began=10, at=11, outcome="ok", task_id=3, state="cancelled"),
    Called(user="ann", operation="get", began=10, at=11, outcome="ok", task_id=1, state="completed", seq=8),
    Called(user="ann", operation="delete", began=41, at=42, outcome="ok", task_id=2),
    Called(user="ann", operation="get", began=42, at=43, outcome="not_found", task_id=2),
)
STORED = (
    Stored(task_id=1, user="ann", state="completed", attempt=3, seq=8),
    Stored(task_id=3, user="bob", state="cancelled", attempt=1, seq=3),
)
WORKERS = (
    Claimed(worker="w1", at=3, task_id=1, attempt=1),
    Claimed(worker="w1", at=5, task_id=3, attempt=1),
    Claimed(worker="w2", at=7, task_id=1, attempt=2),
    Reported(worker="w1", at=7, task_id=1, attempt=1, accepted=False),
    Reported(worker="w2", at=8, task_id=1, attempt=2, accepted=True),
    Claimed(worker="w2", at=9, task_id=1, attempt=3),
    Reported(worker="w2", at=10, task_id=1, attempt=3, accepted=True),
)
READINGS = (
    Readiness(began=5, at=5, ready=True),
    Readiness(began=20, at=20, ready=True),
    Readiness(began=30, at=30, ready=False, reasons=("queue_stalled",)),
    Readiness(began=45, at=45, ready=True),
)
ACCESS = (
    Admitted(session="s1", began=1, at=2),
    Revoked(session="s1", at=10),
    Admitted(session="s1", began=11, at=11.5),
    Admitted(session="s2", began=30, at=31),
)
PAUSES = (
    Paused(began=43, at=44),
    Paused(began=45, at=46),
    Resumed(head=14, at=51),
    Resumed(head=14, at=53),
    Paused(began=29, at=30, engine="gemini"),
    Resumed(head=12, at=42, engine="gemini"),
)


def delivered(endpoint: str, event: Logged, *, accepted: bool = True) -> Delivered:
    """Make the record of a webhook's message about an event."""
    return Delivered(
        endpoint=endpoint,
        message_id=f"evt_{event.revision}",
        type=f"task.{event.type}",
        user=event.user,
        task_id=event.task_id,
        seq=event.seq,
        accepted=accepted,
    )


WEBHOOKS = (
    Hooked(endpoint="all", after=0),
    delivered("all", LOG[9], accepted=False),
    delivered("all", LOG[9]),
    delivered("all", LOG[10]),
    delivered("all", LOG[10]),
    delivered("all", LOG[12]),
    delivered("all", LOG[13], accepted=False),
    Buried(endpoint="all", message_id="evt_14"),
    Hooked(endpoint="bobs", after=4, user="bob"),
    delivered("bobs", LOG[10]),
    Hooked(endpoint="late", after=14),
)
GOOD: tuple[Record, ...] = (
    CONFIG, *LOG, *STORED, *WATCHER, *SOCKET, *BOBS, *CALLS, *WORKERS, *READINGS, Disturbed(at=12), *ACCESS, *PAUSES,
    *WEBHOOKS,
)  # fmt: skip

History = Callable[[], Iterable[Record]]


def without(*records: Record) -> list[Record]:
    """Return the good history without some records, each taken out once."""
    left = list(GOOD)
    for record in records:
        left.remove(record)
    return left


def changed(record: Record, **fields: object) -> list[Record]:
    """Return the good history with one record changed, where it first occurs."""
    changed_history = list(GOOD)
    changed_history[changed_history.index(record)] = replace(record, **fields)  # type: ignore[arg-type]
    return changed_history


def swapped(one: Record, other: Record) -> list[Record]:
    """Return the good history with two records exchanged."""
    history = list(GOOD)
    first, second = history.index(one), history.index(other)
    history[first], history[second] = other, one
    return history


def with_after(record: Record, *inserted: Record) -> list[Record]:
    """Return the good history with records inserted after one."""
    history = list(GOOD)
    place = history.index(record) + 1
    return [*history[:place], *inserted, *history[place:]]
