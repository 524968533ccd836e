"""Events that sessions report to their observer."""

from __future__ import annotations

from dataclasses import dataclass, field

from ws_gateway.protocol.acks import Acks
from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.protocol.messages import Page, Phase, ProgressMessage, SyncMode, TaskMessage
from ws_gateway.protocol.progress import ProgressSlots
from ws_gateway.protocol.session import Protocol, Session


@dataclass
class Counts:
    """An observer that counts events."""

    coalesced: int = 0
    dropped: int = 0
    terminals: int = 0
    again: int = 0
    lags: list[float] = field(default_factory=list)

    def progress_coalesced(self, count: int = 1) -> None:
        self.coalesced += count

    def progress_dropped(self, count: int = 1) -> None:
        self.dropped += count

    def terminal_dropped(self, count: int = 1) -> None:
        self.terminals += count

    def resent(self, count: int = 1) -> None:
        self.again += count

    def acked(self, lag: float) -> None:
        self.lags.append(lag)


def progress(percent: int, attempt: int = 1) -> ProgressMessage:
    return ProgressMessage(f"{percent} %", 1, attempt, percent, Phase.RUNNING)


def event(seq: int, phase: Phase = Phase.ENDED) -> TaskMessage:
    return TaskMessage(f"event {seq}", seq, 1, phase, UserCursor("e0", seq))


def replay(*seqs: int) -> Page:
    return Page(SyncMode.REPLAY, tuple(event(seq) for seq in seqs), UserCursor("e0", seqs[-1]))


def test_progress_is_merged_or_dropped() -> None:
    counts = Counts()
    slots = ProgressSlots(observer=counts)
    slots.offer(progress(10))
    slots.offer(progress(20))
    assert (counts.coalesced, counts.dropped) == (1, 0)
    slots.offer(progress(5))
    assert (counts.coalesced, counts.dropped) == (1, 1)
    slots.settle(event(1))
    assert (counts.coalesced, counts.dropped) == (1, 2)
    slots.offer(progress(90))
    assert (counts.coalesced, counts.dropped) == (1, 3)


def test_progress_of_too_many_tasks_is_dropped() -> None:
    counts = Counts()
    slots = ProgressSlots(max_tasks=1, observer=counts)
    for task_id in (1, 2):
        slots.offer(ProgressMessage("10 %", task_id, 1, 10, Phase.RUNNING))
    assert counts.dropped == 1


def test_acks_tell_their_lag_and_what_was_sent_again() -> None:
    counts = Counts()
    acks = Acks(owed=True, timeout=10, resends=3, observer=counts)
    acks.sent(UserCursor("e0", 1), "one")
    acks.sent(UserCursor("e0", 2), "two")
    acks.written(100.0)
    assert acks.take(110.0) == ["one", "two"]
    assert counts.again == 2
    acks.written(111.0)
    acks.confirm(UserCursor("e0", 2))
    acks.written(111.5)
    assert counts.lags == [0.5]


class TestDropped:
    """The counter that must stay 0."""

    def session(self) -> tuple[Session, Counts]:
        since, counts = UserCursor("e0", 3), Counts()
        return Session(user_id="ann", protocol=Protocol.V2, since=since, now=0.0, observer=counts), counts

    def answer(self, session: Session, page: Page) -> None:
        assert session.wanted is not None
        session.page(session.wanted.number, page)
        session.take(0.0)

    def test_what_follows_is_no_loss(self) -> None:
        session, counts = self.session()
        self.answer(session, replay(4, 5))
        session.event(event(6))
        session.event(event(5))
        assert counts.terminals == 0

    def test_a_gap_in_the_live_news_is_read_and_no_loss(self) -> None:
        session, counts = self.session()
        self.answer(session, replay(4))
        session.event(event(7))
        session.take(0.0)
        self.answer(session, replay(5, 6, 7))
        assert counts.terminals == 0

    def test_a_snapshot_covers_what_was_passed_over(self) -> None:
        session, counts = self.session()
        covering = TaskMessage("task", 1, 1, Phase.ENDED, None)
        self.answer(session, Page(SyncMode.SNAPSHOT, (covering,), UserCursor("e0", 90), reason="cursor_too_old"))
        session.event(event(91))
        assert counts.terminals == 0

    def test_what_the_client_says_it_has_is_no_loss(self) -> None:
        session, counts = self.session()
        self.answer(session, replay(4))
        session.receive('{"type": "sync", "since": "e0:50"}')
        self.answer(session, replay(51))
        assert counts.terminals == 0

    def test_a_history_with_a_hole_is_counted(self) -> None:
        session, counts = self.session()
        self.answer(session, replay(4, 7))
        assert counts.terminals == 2

    def test_a_history_that_begins_too_late_is_counted(self) -> None:
        session, counts = self.session()
        self.answer(session, replay(6))
        assert counts.terminals == 2
