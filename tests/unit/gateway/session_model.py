"""A server, a lagging hub, a network and a client around one `Session`."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ws_gateway.protocol.close_codes import CloseCode
from ws_gateway.protocol.cursor import Since, Start, UserCursor
from ws_gateway.protocol.messages import Page, Phase, ProgressMessage, SyncMode, TaskMessage, dumps
from ws_gateway.protocol.session import Protocol, Session, SessionLimits

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = SessionLimits(queue_messages=4, buffer_events=3)
PAGE = 3


@dataclass
class Task:
    """A task as of its latest event."""

    task_id: int
    phase: Phase = Phase.WAITING
    attempt: int = 0
    seq: int = 0

    def body(self, message_id: str | None) -> dict[str, Any]:
        body = {"type": "task", "task_id": self.task_id, "phase": self.phase.value, "attempt": self.attempt}
        return body | {"seq": self.seq} | ({} if message_id is None else {"id": message_id})


@dataclass
class Service:
    """One user's log and tasks: the source of truth."""

    epoch: str = "a0"
    seq: int = 0
    floor: int = 0
    tasks: dict[int, Task] = field(default_factory=dict)
    events: list[TaskMessage] = field(default_factory=list)

    @property
    def head(self) -> UserCursor:
        return UserCursor(self.epoch, self.seq)

    def change(self, task: Task, phase: Phase) -> TaskMessage:
        self.seq += 1
        task.phase, task.seq = phase, self.seq
        task.attempt += phase is Phase.RUNNING
        self.tasks[task.task_id] = task
        message = TaskMessage(dumps(task.body(str(self.head))), task.task_id, task.attempt, phase, self.head)
        self.events.append(message)
        return message

    def compact(self) -> None:
        self.events.clear()
        self.floor = self.seq

    def time_of(self, seq: int) -> datetime:
        return BEGIN + timedelta(seconds=seq)

    def read(self, since: Since) -> Page:
        """Answer as the gateway's history does."""
        match since:
            case Start.NOW:
                return Page(SyncMode.REPLAY, (), self.head)
            case Start.SNAPSHOT:
                return self._snapshot("requested")
            case UserCursor(epoch, seq):
                if epoch != self.epoch:
                    return self._snapshot("epoch_changed")
                if seq > self.seq:
                    return self._snapshot("cursor_in_future")
            case _:
                seq = max(0, int((since - BEGIN).total_seconds()))
                seq = min(seq, self.seq)
        if seq < self.floor:
            return self._snapshot("cursor_too_old")
        missed = self.events[seq - self.floor :]
        page = tuple(missed[:PAGE])
        head = page[-1].cursor if page else UserCursor(self.epoch, seq)
        assert head is not None
        return Page(SyncMode.REPLAY, page, head, more=len(missed) > PAGE)

    def _snapshot(self, reason: str) -> Page:
        tasks = sorted(self.tasks.values(), key=lambda task: task.seq)
        messages = tuple(
            TaskMessage(
                dumps(task.body(str(self.head) if task is tasks[-1] else None)),
                task.task_id,
                task.attempt,
                task.phase,
                None,
            )
            for task in tasks
        )
        return Page(SyncMode.SNAPSHOT, messages, self.head, reason=reason)


@dataclass
class Browser:
    """A strict client of ``whitebg.v2``: every broken guarantee is an AssertionError."""

    cursor: UserCursor | None = None
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    synced: bool = False
    """Whether it ever received the complete state, by a replay from the beginning or a snapshot."""
    acks: bool = False
    """Whether it sends acks; messages not acked in time may be repeated."""
    acked: UserCursor | None = None
    """The cursor of the last ack in this connection."""
    terminals: Counter[str] = field(default_factory=Counter)
    """How often each terminal event was received as new, by message id."""
    told: set[int] = field(default_factory=set)
    """Tasks received in this connection; for the others, only the client can detect stale progress."""
    _in_snapshot: bool = False
    _in_replay: bool = False
    _asked_by_time: bool = False

    def take(self, frame: str, *, crossed: bool = False) -> None:
        """Process a frame; ``crossed``: it was sent before the last ack arrived, and may repeat what that confirms."""
        body = orjson.loads(frame)
        match body["type"]:
            case "sync_begin":
                self._in_snapshot, self._in_replay = body["mode"] == "snapshot", body["mode"] == "replay"
                if self._in_snapshot:
                    self.tasks.clear()
            case "sync_end":
                self.cursor = UserCursor.parse(body["head"])
                self._in_snapshot = self._in_replay = False
                self.synced = True
            case "bookmark":
                self.cursor = UserCursor.parse(body["id"])
            case "task" if self._in_snapshot:
                self.tasks[body["task_id"]] = body
                self.told.add(body["task_id"])
            case "task":
                self._event(body, crossed=crossed)
            case "progress":
                self._progress(body)
            case other:
                assert other in ("hello", "pong")

    def sync(self, since: str | None) -> str:
        self._asked_by_time |= since is not None and "T" in since
        return dumps({"type": "sync", "since": since})

    def ack(self) -> str | None:
        """Acknowledge everything received so far."""
        if self.cursor is None:
            return None
        self.acked = self.cursor
        return dumps({"type": "ack", "message_id": str(self.cursor)})

    def dropped(self) -> None:
        """Lose the connection; an incomplete snapshot is discarded."""
        self._in_snapshot = self._in_replay = self._asked_by_time = False
        self.acked = None
        self.told.clear()

    def _event(self, body: dict[str, Any], *, crossed: bool) -> None:
        cursor = UserCursor.parse(body["id"])
        if self.cursor is not None:
            if self._told_again(cursor, crossed=crossed):
                return
            assert cursor.epoch == self.cursor.epoch, "an event of another log without a snapshot"
            assert cursor.seq <= self.cursor.seq + 1, f"a gap: {cursor} after {self.cursor}"
            asked_again = self._in_replay and self._asked_by_time
            assert cursor.seq == self.cursor.seq + 1 or asked_again, f"a repeat: {cursor} after {self.cursor}"
        self.cursor = cursor
        self.tasks[body["task_id"]] = body
        self.told.add(body["task_id"])
        self.terminals[body["id"]] += body["phase"] == Phase.ENDED.value and not self._asked_by_time

    def _told_again(self, cursor: UserCursor, *, crossed: bool) -> bool:
        """Return whether this is a repeat caused by a missing ack."""
        if not self.acks or self.cursor is None or cursor.epoch != self.cursor.epoch or cursor.seq > self.cursor.seq:
            return False
        if self._in_replay and self._asked_by_time:
            return False
        confirmed = self.acked is not None and self.acked.epoch == cursor.epoch and self.acked.seq >= cursor.seq
        assert crossed or not confirmed, f"an acked message was repeated: {cursor}, acked {self.acked}"
        return True

    def _progress(self, body: dict[str, Any]) -> None:
        known = self.tasks.get(body["task_id"])
        if known is not None and body["task_id"] in self.told:
            assert known["phase"] != Phase.ENDED.value, "progress of a task that has ended"
            assert known["attempt"] <= body["attempt"], "progress of an earlier attempt"


class GatewayHarness:
    """Connects a session to the service's log through a hub that may lag, repeat, skip or lose track."""

    def __init__(self, since: Since, *, acks: bool = False) -> None:
        self.service = Service()
        self.client = Browser(acks=acks)
        self.network: deque[str] = deque()
        self.crossed = 0
        """Frames in the network that were sent before the last ack arrived."""
        self.now = 0.0
        self.feed: deque[TaskMessage] = deque()
        self.delivered: list[TaskMessage] = []
        self.answer: tuple[int, Page] | None = None
        self.session = self._open(since)

    def _open(self, since: Since) -> Session:
        return Session(
            user_id="ann", protocol=Protocol.V2, since=since, now=self.now, acks=self.client.acks, limits=LIMITS
        )

    def change(self, task: Task, phase: Phase) -> None:
        self.feed.append(self.service.change(task, phase))

    def progress(self, task: Task, attempt: int, percent: int) -> None:
        body = {"type": "progress", "task_id": task.task_id, "attempt": attempt, "percent": percent}
        self.session.progress(ProgressMessage(dumps(body), task.task_id, attempt, percent, Phase.RUNNING))

    def deliver(self) -> None:
        if self.feed:
            message = self.feed.popleft()
            self.delivered.append(message)
            self.session.event(message)

    def repeat(self) -> None:
        for message in self.delivered[-2:]:
            self.session.event(message)

    def skip(self) -> None:
        if self.feed:
            self.feed.popleft()

    def lose_track(self) -> None:
        self.feed.clear()
        self.delivered.clear()
        self.session.resync()

    def start_read(self) -> None:
        if self.session.wanted is not None:
            self.answer = (self.session.wanted.number, self.service.read(self.session.wanted.since))

    def finish_read(self) -> None:
        if self.answer is not None:
            self.session.page(*self.answer)
            self.answer = None

    def take(self) -> bool:
        frames = self.session.take(self.now)
        self.network += frames
        if self.session.closing is not None:
            assert self.session.closing.code is CloseCode.TOO_SLOW
            self.reconnect()
        return bool(frames)

    def read(self, count: int | None = None) -> None:
        """Let the client read the received frames, or the first ``count``."""
        for _ in range(len(self.network) if count is None else min(count, len(self.network))):
            self.client.take(self.network.popleft(), crossed=self.crossed > 0)
            self.crossed = max(0, self.crossed - 1)

    def look(self, waiting: int) -> None:
        """Report the number of bytes that the client is behind."""
        self.session.observe(self.now, waiting=waiting, taken=0)

    def ack(self) -> None:
        frame = self.client.ack() if self.client.acks else None
        if frame is not None:
            self.crossed = len(self.network)
            self.session.receive(frame)

    def reconnect(self) -> None:
        self.client.dropped()
        self.network.clear()
        self.crossed = 0
        self.answer = None
        self.session = self._open(self.client.cursor or Start.SNAPSHOT)

    def settle(self) -> None:
        """Deliver and acknowledge everything: a session holds only a bounded number of messages without an ack."""
        self.read()
        self.ack()
        moving = True
        while moving:
            moving = bool(self.feed) or self.session.wanted is not None or self.answer is not None
            self.deliver()
            if self.answer is None:
                self.start_read()
            self.finish_read()
            self.now += 1.0
            self.look(0)
            while self.take():
                moving = True
                self.read()
                self.ack()
            self.read()
