"""Guarantees about what each client received, over all of its connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tools.checker.history import ENDED, Finished, Moved, Opened, Received, Shown, SnapshotBegun, SnapshotEnded
from tools.checker.log import Log
from tools.checker.violation import Guarantee, Violation

OfClient = Opened | SnapshotBegun | Shown | SnapshotEnded | Received | Moved | Finished


@dataclass(slots=True)
class _Client:
    """One client as its history is followed."""

    log: Log
    name: str
    user: str = ""
    acks: bool = False
    position: int | None = None
    """The seq up to which everything was received; None while it follows from an unknown point."""
    began: int | None = None
    """The lowest position that it ever followed from."""
    seen: set[int] = field(default_factory=set)
    covered: int = 0
    """The highest seq that a snapshot covered."""
    ends: dict[int, set[int]] = field(default_factory=dict)
    """The numbers under which each task's end was received."""
    snapshot: dict[int, Shown] | None = None
    tasks: set[int] = field(default_factory=set)
    """The tasks that a user of this client sees."""
    deleted: set[int] = field(default_factory=set)
    """The tasks whose deletion it received."""

    def take(self, record: OfClient) -> Iterator[Violation]:
        """Follow one record."""
        match record:
            case Opened():
                self.user, self.acks = record.user, record.acks
                self.position, self.snapshot = record.after, None
                self._follow_from(record.after)
            case SnapshotBegun():
                self.snapshot = {}
            case Shown():
                if self.snapshot is None:
                    yield self._violation(Guarantee.SNAPSHOT, f"task {record.task_id} is shown outside of a snapshot")
                else:
                    self.snapshot[record.task_id] = record
            case SnapshotEnded():
                yield from self._end_snapshot(record)
            case Received():
                yield from self._receive(record)
            case Moved():
                yield from self._move(record.seq)
            case Finished():
                yield from self._finish()

    def _follow_from(self, position: int | None) -> None:
        if position is not None:
            self.began = position if self.began is None else min(self.began, position)

    def _receive(self, record: Received) -> Iterator[Violation]:
        if self.snapshot is not None:
            yield self._violation(Guarantee.SNAPSHOT, f"event {record.seq} arrived inside a snapshot")
        yield from self._compare(record)
        if self.position is None:
            self.position = record.seq - 1
            self._follow_from(self.position)
        if record.seq > self.position + 1:
            yield self._violation(Guarantee.NO_GAP, f"event {record.seq} followed {self.position}")
        elif record.seq <= self.position and record.seq not in self.seen and record.seq > self.covered:
            yield self._violation(Guarantee.ORDER, f"event {record.seq} arrived after {self.position}")
        elif record.seq <= self.position and not self.acks:
            yield self._violation(Guarantee.NO_REPEAT, f"event {record.seq} was repeated after {self.position}")
        if record.seq not in self.seen:
            yield from self._apply(record)
        self.position = max(self.position, record.seq)
        self.seen.add(record.seq)
        logged = self.log.by_user.get(self.user, {}).get(record.seq)
        if record.state in ENDED and (logged is None or logged.type != "reviewed"):
            self.ends.setdefault(record.task_id, set()).add(record.seq)

    def _apply(self, record: Received) -> Iterator[Violation]:
        """Update the tasks that a user of this client sees."""
        if record.state == "deleted":
            self.deleted.add(record.task_id)
            self.tasks.discard(record.task_id)
            return
        if record.task_id in self.deleted:
            yield self._violation(Guarantee.GONE, f"task {record.task_id} reappeared with event {record.seq}")
        self.tasks.add(record.task_id)

    def _compare(self, record: Received) -> Iterator[Violation]:
        event = self.log.by_user.get(self.user, {}).get(record.seq)
        owners = {event.user for event in self.log.by_task.get(record.task_id, ())}
        received = (record.task_id, record.state, record.attempt)
        if owners and self.user not in owners:
            message = f"task {record.task_id} belongs to {', '.join(sorted(owners))}"
            yield self._violation(Guarantee.ISOLATED, message)
        elif event is None:
            yield self._violation(Guarantee.PAYLOAD, f"event {record.seq} is not in the log of {self.user}")
        elif received != (event.task_id, event.state, event.attempt):
            logged = (event.task_id, event.state, event.attempt)
            yield self._violation(Guarantee.PAYLOAD, f"event {record.seq} was {received}, the log has {logged}")

    def _move(self, seq: int) -> Iterator[Violation]:
        if self.position is None:
            self._follow_from(seq)
        elif seq > self.position:
            message = f"the cursor moved to {seq}, but the last event received is {self.position}"
            yield self._violation(Guarantee.NO_GAP, message)
        elif seq < self.position:
            yield self._violation(Guarantee.ORDER, f"the cursor moved back from {self.position} to {seq}")
        self.position = seq

    def _end_snapshot(self, record: SnapshotEnded) -> Iterator[Violation]:
        shown, self.snapshot = self.snapshot, None
        if shown is None:
            yield self._violation(Guarantee.SNAPSHOT, "a snapshot ended that had not begun")
            return
        actual = {task_id: (each.state, each.attempt, each.seq) for task_id, each in shown.items()}
        expected = {
            task_id: (event.state, event.attempt, event.seq)
            for task_id, event in self.log.state_at(self.user, record.seq).items()
        }
        for task_id in sorted(actual.keys() | expected.keys()):
            if actual.get(task_id) != expected.get(task_id):
                message = f"at {record.seq}, task {task_id} was shown as {actual.get(task_id)}"
                yield self._violation(Guarantee.SNAPSHOT, f"{message}, but is {expected.get(task_id)}")
        for task_id in sorted(shown.keys() & self.deleted):
            yield self._violation(Guarantee.GONE, f"task {task_id} reappeared in the snapshot at {record.seq}")
        self.tasks = set(shown)
        self.position, self.covered = record.seq, max(self.covered, record.seq)
        self._follow_from(record.seq)

    def _finish(self) -> Iterator[Violation]:
        head = self.log.head(self.user)
        if self.position is not None and self.position != head:
            yield self._violation(Guarantee.DELIVERED, f"it stopped at {self.position}, the log ends at {head}")
        for task_id in sorted(self.tasks):
            events = self.log.by_task.get(task_id)
            if events and events[-1].state == "deleted":
                yield self._violation(Guarantee.GONE, f"it still shows task {task_id}, which was deleted")
        for seq, event in self.log.by_user.get(self.user, {}).items():
            if not event.ends:
                continue
            received = self.ends.get(event.task_id, set())
            due = self.began is not None and max(self.began, self.covered) < seq <= (self.position or 0)
            if due and seq not in received:
                yield self._violation(Guarantee.ENDS_ONCE, f"the end of task {event.task_id} ({seq}) never arrived")
        for task_id, seqs in self.ends.items():
            if len(seqs) > 1:
                message = f"the end of task {task_id} arrived as {sorted(seqs)}"
                yield self._violation(Guarantee.ENDS_ONCE, message)

    def _violation(self, guarantee: Guarantee, message: str) -> Violation:
        return Violation(guarantee, f"{self.name}: {message}")


def check_delivery(log: Log, records: Iterable[OfClient]) -> Iterator[Violation]:
    """Check each client's history; its records are in the order in which it wrote them."""
    clients: dict[str, _Client] = {}
    for record in records:
        client = clients.setdefault(record.client, _Client(log, record.client))
        yield from client.take(record)


def reconnects(records: Sequence[OfClient]) -> int:
    """Return how often clients opened a stream again."""
    opened = [record.client for record in records if isinstance(record, Opened)]
    return len(opened) - len(set(opened))
