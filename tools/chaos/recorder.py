"""Collects a run's history and translates the words of gRPC and the WebSocket into the checker's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tools.checker.history import Called, Logged, Moved, Received, Record, Shown, SnapshotBegun, SnapshotEnded, to_line
from whitebg.v1 import event_pb2, task_pb2

_TYPES = {event_pb2.EVENT_TYPE_TIMED_OUT: "timeout"}


@dataclass
class Recorder:
    """Keeps records in memory, and in a file as they come."""

    file: TextIO
    records: list[Record] = field(default_factory=list)

    @classmethod
    def to(cls, path: Path) -> Recorder:
        """Open a new file."""
        return cls(path.open("w"))

    def add(self, *records: Record) -> None:
        """Add records."""
        for record in records:
            self.records.append(record)
            self.file.write(to_line(record) + "\n")

    def called(self, user: str, operation: str, began: float, outcome: str, **details: Any) -> None:
        """Add a call that has just ended; ``details`` are further fields of `Called`."""
        self.add(Called(user=user, operation=operation, began=began, at=time.time(), outcome=outcome, **details))

    def close(self) -> None:
        """Write out the file."""
        self.file.close()


def seq_of(cursor: str) -> int:
    """Return the number within a cursor of a user's log."""
    return int(cursor.rpartition(":")[2])


def state_name(state: task_pb2.TaskState.ValueType) -> str:
    """Return the checker's word for a state."""
    return task_pb2.TaskState.Name(state).removeprefix("TASK_STATE_").lower()


def type_name(kind: event_pb2.EventType.ValueType) -> str:
    """Return the checker's word for an event's type."""
    return _TYPES.get(kind) or event_pb2.EventType.Name(kind).removeprefix("EVENT_TYPE_").lower()


def engine_name(engine: task_pb2.Engine.ValueType) -> str:
    """Return the checker's word for an engine."""
    return task_pb2.Engine.Name(engine).removeprefix("ENGINE_").lower()


def logged(event: event_pb2.TaskEvent) -> Logged:
    """Return an event as read from the log."""
    task, kind = event.task, type_name(event.type)
    return Logged(
        revision=event.revision,
        seq=event.seq,
        user=task.user_id,
        task_id=task.task_id,
        type=kind,
        state=kind if kind == "deleted" else state_name(task.state),
        attempt=task.attempt,
        failures=task.failures,
        at=event.occurred_at.ToNanoseconds() / 1e9,
        code=task.error.code,
        run_at=task.run_at.ToNanoseconds() / 1e9,
        engine=engine_name(task.assigned_engine) if task.HasField("assigned_engine") else "",
    )


@dataclass
class SocketReader:
    """Records the messages of one WebSocket client or poller, and keeps its cursor."""

    client: str
    record: Callable[[Record], None]
    cursor: str
    in_snapshot: bool = False

    def begin_snapshot(self) -> None:
        """Record that a snapshot begins."""
        self.in_snapshot = True
        self.record(SnapshotBegun(client=self.client, at=time.time()))

    def end(self, head: str) -> None:
        """Record the end of a snapshot or replay."""
        now, self.cursor = time.time(), head
        if self.in_snapshot:
            self.record(SnapshotEnded(client=self.client, at=now, seq=seq_of(head)))
        else:
            self.record(Moved(client=self.client, at=now, seq=seq_of(head)))
        self.in_snapshot = False

    def take(self, message: dict[str, Any]) -> None:
        """Record a message of any type."""
        match message["type"]:
            case "sync_begin" if message["mode"] == "snapshot":
                self.begin_snapshot()
            case "sync_end":
                self.end(message["head"])
            case "bookmark":
                self.end(message["id"])
            case "task_update" | "task_complete" | "task_failed" if "seq" in message["data"]:
                self._take_task(message)

    def _take_task(self, message: dict[str, Any]) -> None:
        data = message["data"]
        code = data.get("error_code")
        state = code if data["status"] == "failed" and code in {"timeout", "cancelled"} else data["status"]
        fields = {
            "client": self.client,
            "at": time.time(),
            "seq": data["seq"],
            "task_id": message["task_id"],
            "state": "deleted" if data.get("deleted") else state,
            "attempt": data["attempt"],
        }
        if self.in_snapshot:
            self.record(Shown(**fields))
        else:
            self.record(Received(**fields))
            self.cursor = message["id"]
