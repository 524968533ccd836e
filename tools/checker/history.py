"""Records of a history: JSON lines, one record each, written by clients, workers and a reader of the log.

``at`` is always seconds of one machine's wall clock. States are lower-case: ``pending``, ``processing``, ``completed``,
``failed``, ``timeout``, ``cancelled``, and ``deleted`` for a task's last event; a recorder translates the words of its
interface into these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

ENDED = frozenset({"completed", "failed", "timeout", "cancelled"})
"""States that are final; only a deletion follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of the run. Zero for a limit means that it is not checked."""

    pending_per_user: int = 0
    running_per_user: int = 0
    slots: int = 0
    """Tasks that all workers together can run at once."""
    stalled_after: float = 0.0
    """Seconds without an attempt after which readiness must be false."""
    readiness_lag: float = 0.0
    """Seconds between two observations that readiness is decided from."""
    revoked_within: float = 0.0
    """Seconds after which a revoked session must have no access."""
    paused_within: float = 0.0
    """Seconds after which a pause must hold for every worker."""
    slack: float = 0.0
    """Seconds between an event's time and the time at which another process could observe it."""
    settled: bool = True
    """Whether the run waited for all tasks to end, with workers running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event as read from the log, in the order of reading."""

    revision: int
    seq: int
    user: str
    task_id: int
    type: str
    """``created``, ``started``, ``retrying``, ``snoozed``, ``reviewed``, or the final state that the event brings."""
    state: str
    attempt: int
    failures: int
    at: float
    code: str = ""
    """The task's error code."""
    run_at: float = 0.0
    """Earliest time of the next attempt."""
    engine: str = ""
    """The engine of the attempt that started."""

    @property
    def ends(self) -> bool:
        """Whether the task ended with this event."""
        return self.state in ENDED and self.type != "reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A task's row after the run."""

    task_id: int
    user: str
    state: str
    attempt: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A client opened a stream of its user's events after ``after``; None means from now on, or with a snapshot."""

    client: str
    user: str
    at: float
    after: int | None = None
    acks: bool = False
    """Whether messages that were not acknowledged may be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotBegun:
    """A snapshot begins: the client's previous state is void."""

    client: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A task of a snapshot."""

    client: str
    at: float
    task_id: int
    state: str
    attempt: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEnded:
    """The snapshot is complete; it covers all events up to ``seq``."""

    client: str
    at: float
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A client received an event."""

    client: str
    at: float
    seq: int
    task_id: int
    state: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A client was given a cursor without an event."""

    client: str
    at: float
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A client stopped after the run, having had time to receive everything."""

    client: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call that ended."""

    user: str
    operation: str
    """``submit``, ``cancel``, ``delete`` or ``get``."""
    began: float
    at: float
    outcome: str
    """``ok``; ``unknown`` if the connection broke before the answer; or the name of the rejection, such as ``quota``
    or ``not_found``."""
    key: str = ""
    task_id: int = 0
    state: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A worker was given a task."""

    worker: str
    at: float
    task_id: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A worker reported the outcome of an attempt."""

    worker: str
    at: float
    task_id: int
    attempt: int
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A process reported whether it is ready."""

    began: float
    at: float
    ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """The observed process was frozen, killed or cut off until this time, so that it observed nothing before."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The revocation of a session was acknowledged."""

    session: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A call with a session's token was answered, or a stream with it delivered something."""

    session: str
    began: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A pause was acknowledged; it may hold since ``began``, and holds from ``at`` on."""

    began: float
    at: float
    engine: str = ""
    """The engine whose claims are paused; empty for all claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The end of a pause was acknowledged; it has ended at ``at``."""

    head: int
    """Highest revision of the log, read before the call that ended the pause: up to there, the pause held."""
    at: float
    engine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooked:
    """A webhook exists for the events after a revision."""

    endpoint: str
    after: int
    user: str = ""
    """Whose tasks it gets; empty for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A webhook's message arrived; all arrivals are recorded, also repeated and rejected ones."""

    endpoint: str
    message_id: str
    type: str
    """Such as ``task.completed``."""
    user: str
    task_id: int
    seq: int
    accepted: bool
    """Whether the receiver's answer was a success."""
    signed: bool = True
    """Whether the signature is that of the endpoint's secret, where the recorder can verify it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """A message was a dead letter after the run."""

    endpoint: str
    message_id: str


Record = (
    Config | Logged | Stored | Opened | SnapshotBegun | Shown | SnapshotEnded | Received | Moved | Finished | Called
    | Claimed | Reported | Readiness | Disturbed | Revoked | Admitted | Paused | Resumed | Hooked | Delivered | Buried
)  # fmt: skip
_KINDS: dict[str, Callable[..., Record]] = {
    kind.__name__: kind
    for kind in (
        Config, Logged, Stored, Opened, SnapshotBegun, Shown, SnapshotEnded, Received, Moved, Finished, Called,
        Claimed, Reported, Readiness, Disturbed, Revoked, Admitted, Paused, Resumed, Hooked, Delivered, Buried,
    )
}  # fmt: skip


def to_line(record: Record) -> str:
    """Return a record as a line of JSON, with its kind."""
    return json.dumps({"kind": type(record).__name__} | asdict(record))


def from_line(line: str) -> Record:
    """Parse a line of `to_line`.

    Raises:
        ValueError: it is not a record: not JSON, of an unknown kind, or with missing or unknown fields.

    """
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("kind")]
        lists = {field.name for field in fields(cast("Any", kind)) if "tuple" in str(field.type)}
        return kind(**{name: tuple(value) if name in lists else value for name, value in values.items()})
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of a history: {line[:200]!r}: {error!r}") from error


def read(files: Iterable[Path]) -> Iterator[Record]:
    """Yield the records of files, in the order of the files and their lines.

    Raises:
        ValueError: a line is not a record. A last line without an end, of a killed writer, is left out.

    """
    for file in files:
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield from_line(line)
