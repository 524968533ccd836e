"""A server, a lagging hub, a network and a client around one `Session`: the world it has to get right."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ws_gateway.codes import CloseCode
from ws_gateway.cursor import Since, Start, UserCursor
from ws_gateway.messages import Page, Phase, ProgressMessage, SyncMode, TaskMessage, dumps
from ws_gateway.session import Protocol, Session, SessionLimits

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = SessionLimits(queue_messages=4, buffer_events=3)
PAGE = 3


@dataclass
class Task:
    """A task as its latest event left it."""

    task_id: int
    phase: Phase = Phase.WAITING
    attempt: int = 0
    seq: int = 0

    def body(self, message_id: str | None) -> dict[str, Any]:
        body = {"type": "task", "task_id": self.task_id, "phase": self.phase.value, "attempt": self.attempt}
        return body | {"seq": self.seq} | ({} if message_id is None else {"id": message_id})


@dataclass
class Service:
    """One user's log and tasks: the truth."""

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
    """A client of ``whitebg.v2`` that trusts nothing: every broken promise is an AssertionError."""

    cursor: UserCursor | None = None
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    synced: bool = False
    """Whether it ever held everything, by a replay from the beginning or a snapshot."""
    acks: bool = False
    """Whether it confirms what it was told, and so may be told again what it has not confirmed."""
    acked: UserCursor | None = None
    """What it confirmed in this connection."""
    terminals: Counter[str] = field(default_factory=Counter)
    """How often each end of a task was taken in as news, by the id of the message."""
    told: set[int] = field(default_factory=set)
    """The tasks that it heard of in this connection: about the others, only it can tell what is stale."""
    _in_snapshot: bool = False
    _in_replay: bool = False
    _asked_by_time: bool = False

    def take(self, frame: str) -> None:
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
                self._event(body)
            case "progress":
                self._progress(body)
            case other:
                assert other in ("hello", "pong")

    def sync(self, since: str | None) -> str:
        self._asked_by_time |= since is not None and "T" in since
        return dumps({"type": "sync", "since": since})

    def ack(self) -> str | None:
        """Confirm all that was taken in."""
        if self.cursor is None:
            return None
        self.acked = self.cursor
        return dumps({"type": "ack", "message_id": str(self.cursor)})

    def dropped(self) -> None:
        """Lose the connection; a snapshot half taken in is void."""
        self._in_snapshot = self._in_replay = self._asked_by_time = False
        self.acked = None
        self.told.clear()

    def _event(self, body: dict[str, Any]) -> None:
        cursor = UserCursor.parse(body["id"])
        if self.cursor is not None:
            if self._told_again(cursor):
                return
            assert cursor.epoch == self.cursor.epoch, "an event of another log without a snapshot"
            assert cursor.seq <= self.cursor.seq + 1, f"a gap: {cursor} after {self.cursor}"
            asked_again = self._in_replay and self._asked_by_time
            assert cursor.seq == self.cursor.seq + 1 or asked_again, f"a repeat: {cursor} after {self.cursor}"
        self.cursor = cursor
        self.tasks[body["task_id"]] = body
        self.told.add(body["task_id"])
        self.terminals[body["id"]] += body["phase"] == Phase.ENDED.value and not self._asked_by_time

    def _told_again(self, cursor: UserCursor) -> bool:
        """Say whether this is a repeat that the client brought about by not confirming in time."""
        if not self.acks or self.cursor is None or cursor.epoch != self.cursor.epoch or cursor.seq > self.cursor.seq:
            return False
        if self._in_replay and self._asked_by_time:
            return False
        confirmed = self.acked is not None and self.acked.epoch == cursor.epoch and self.acked.seq >= cursor.seq
        assert not confirmed, f"told again what was confirmed: {cursor}, confirmed {self.acked}"
        return True

    def _progress(self, body: dict[str, Any]) -> None:
        known = self.tasks.get(body["task_id"])
        if known is not None and body["task_id"] in self.told:
            assert known["phase"] != Phase.ENDED.value, "progress of a task that has ended"
            assert known["attempt"] <= body["attempt"], "progress of an earlier attempt"


class World:
    """The service's log reaches the session late, by a hub that may lag, repeat, skip or lose track."""

    def __init__(self, since: Since, *, acks: bool = False) -> None:
        self.service = Service()
        self.client = Browser(acks=acks)
        self.network: deque[str] = deque()
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
        """Let the client take in what has arrived, or the first of it."""
        for _ in range(len(self.network) if count is None else min(count, len(self.network))):
            self.client.take(self.network.popleft())

    def look(self, waiting: int) -> None:
        """Find the client so many bytes behind."""
        self.session.observe(self.now, waiting=waiting, taken=0)

    def ack(self) -> None:
        frame = self.client.ack() if self.client.acks else None
        if frame is not None:
            self.session.receive(frame)

    def reconnect(self) -> None:
        self.client.dropped()
        self.network.clear()
        self.answer = None
        self.session = self._open(self.client.cursor or Start.SNAPSHOT)

    def settle(self) -> None:
        """Let everything arrive, and be confirmed: a session has no room for more than so much without an ack."""
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
