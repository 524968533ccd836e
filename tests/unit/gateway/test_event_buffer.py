"""The gateway's memory of recent events: its answers are those of the service, or later ones."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from whitebg.v1 import event_pb2, task_pb2
from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.upstream.event_buffer import EventRing

USERS = st.sampled_from(["ann", "bob", "cho"])


def event(user: str, seq: int, epoch: str = "e0") -> event_pb2.TaskEvent:
    return event_pb2.TaskEvent(seq=seq, cursor=f"{epoch}:{seq}", task=task_pb2.Task(user_id=user))


class TestRing:
    """Recent events in memory."""

    def test_it_answers_what_it_holds_without_a_hole_and_nothing_else(self) -> None:
        ring = EventRing(100)
        assert ring.after("ann", UserCursor("e0", 0)) is None
        for seq in (5, 6, 7):
            ring.append(event("ann", seq))
        assert ring.after("ann", UserCursor("e0", 3)) is None
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 4)) or ()] == [5, 6, 7]
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 6)) or ()] == [7]
        assert ring.after("ann", UserCursor("e0", 7)) == []
        assert ring.after("ann", UserCursor("e0", 8)) is None
        assert ring.after("ann", UserCursor("e1", 5)) is None
        assert ring.after("bob", UserCursor("e0", 5)) is None
        assert ring.head("ann") == UserCursor("e0", 7)

    def test_the_oldest_goes_first_whoever_it_belongs_to(self) -> None:
        ring = EventRing(3)
        ring.append(event("ann", 1))
        for seq in (1, 2, 3):
            ring.append(event("bob", seq))
        assert len(ring) == 3
        assert ring.after("ann", UserCursor("e0", 0)) is None
        ring.append(event("ann", 2))
        assert ring.after("bob", UserCursor("e0", 0)) is None
        assert [each.seq for each in ring.after("bob", UserCursor("e0", 1)) or ()] == [2, 3]

    def test_it_forgets(self) -> None:
        ring = EventRing(3)
        ring.append(event("ann", 1))
        ring.clear()
        assert len(ring) == 0
        assert ring.after("ann", UserCursor("e0", 0)) is None
        assert ring.head("ann") is None

    def test_it_knows_the_end_of_a_log_whose_events_were_dropped(self) -> None:
        ring = EventRing(2)
        for user in ("ann", "bob", "bob"):
            ring.append(event(user, 1 if user == "ann" else len(ring) + 1))
        assert ring.head("ann") == UserCursor("e0", 1)
        assert ring.after("ann", UserCursor("e0", 1)) == []
        ring.append(event("ann", 2))
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 1)) or ()] == [2]

    def test_it_learns_the_end_of_a_log_from_a_read(self) -> None:
        ring = EventRing(10)
        ring.learn("ann", [], UserCursor("e0", 7), ring.mark)
        assert ring.head("ann") == UserCursor("e0", 7)
        assert ring.after("ann", UserCursor("e0", 7)) == []
        assert ring.after("ann", UserCursor("e0", 6)) is None
        assert ring.after("ann", UserCursor("e0", 8)) is None
        assert ring.after("ann", UserCursor("e1", 7)) is None

    def test_it_learns_the_events_of_a_read(self) -> None:
        ring = EventRing(3)
        ring.learn("ann", [event("ann", seq) for seq in (6, 7)], UserCursor("e0", 7), ring.mark)
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 5)) or ()] == [6, 7]
        ring.append(event("ann", 7))
        ring.append(event("ann", 8))
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 5)) or ()] == [6, 7, 8]

    def test_a_read_that_is_ahead_of_the_stream_is_not_set_back_by_it(self) -> None:
        ring = EventRing(10)
        ring.learn("ann", [], UserCursor("e0", 7), ring.mark)
        ring.append(event("ann", 6))
        ring.append(event("ann", 7))
        assert ring.after("ann", UserCursor("e0", 7)) == []
        ring.append(event("ann", 8))
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 7)) or ()] == [8]

    def test_the_log_of_a_user_who_was_deleted_is_not_continued_by_the_new_one(self) -> None:
        ring = EventRing(3)
        for seq in (1, 2, 9):
            ring.append(event("ann", seq))
        assert ring.after("ann", UserCursor("e0", 1)) is None
        assert ring.after("ann", UserCursor("e0", 2)) is None
        assert [each.seq for each in ring.after("ann", UserCursor("e0", 8)) or ()] == [9]
        for seq in (1, 2, 3, 4):
            ring.append(event("bob", seq))
        assert ring.head("ann") == UserCursor("e0", 9)

    def test_a_read_that_was_overtaken_teaches_nothing(self) -> None:
        ring = EventRing(2)
        mark = ring.mark
        ring.append(event("ann", 8))
        ring.learn("ann", [], UserCursor("e0", 7), mark)
        assert ring.head("ann") == UserCursor("e0", 8)
        for seq in (1, 2):
            ring.append(event("bob", seq))
        ring.learn("ann", [], UserCursor("e0", 7), mark)
        assert ring.head("ann") == UserCursor("e0", 8)
        mark = ring.mark
        ring.clear()
        ring.learn("ann", [], UserCursor("e0", 8), mark)
        assert ring.head("ann") is None

    def test_it_knows_the_end_of_so_many_logs_and_no_more(self) -> None:
        ring = EventRing(2)
        for user in ("ann", "bob", "cho"):
            ring.learn(user, [], UserCursor("e0", 1), ring.mark)
        assert [ring.head(user) for user in ("ann", "bob", "cho")] == [None, UserCursor("e0", 1), UserCursor("e0", 1)]


class AnyOrder(RuleBasedStateMachine):
    """A log, the stream that follows it, and reads of it that take a while."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = EventRing(3)
        self.log: list[event_pb2.TaskEvent] = []
        self.streamed = 0
        self.reads: list[tuple[str, int, int, int]] = []
        """User, mark, and what the service answered: after which event, and up to which."""
        self.heads: defaultdict[str, int] = defaultdict(int)

    @rule(user=USERS)
    def commit(self, user: str) -> None:
        """Something happens to a user's task."""
        self.heads[user] += 1
        self.log.append(event(user, self.heads[user]))

    @rule()
    def stream(self) -> None:
        """The stream brings the next event."""
        if self.streamed < len(self.log):
            self.ring.append(self.log[self.streamed])
            self.streamed += 1

    @rule()
    def restart(self) -> None:
        """The stream begins again from now on."""
        self.ring.clear()
        self.streamed = len(self.log)

    @rule(user=USERS, behind=st.integers(0, 4))
    def read(self, user: str, behind: int) -> None:
        """The service answers a read, and the answer is on its way."""
        head = self.heads[user]
        self.reads.append((user, self.ring.mark, max(0, head - behind), head))

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """An answer arrives, not necessarily in the order of the reads."""
        if self.reads:
            user, mark, after, head = self.reads.pop(data.draw(st.integers(0, len(self.reads) - 1)))
            events = [event(user, seq) for seq in range(after + 1, head + 1)]
            self.ring.learn(user, events, UserCursor("e0", head), mark)

    @invariant()
    def nothing_is_missing(self) -> None:
        """No answer ends before the last event that the stream has brought, or has a hole."""
        for user in ("ann", "bob", "cho"):
            brought = max((each.seq for each in self.log[: self.streamed] if each.task.user_id == user), default=0)
            head = self.ring.head(user)
            assert head is None or brought <= head.seq <= self.heads[user]
            for seq in range(self.heads[user] + 2):
                events = self.ring.after(user, UserCursor("e0", seq))
                if events is not None:
                    seqs = [each.seq for each in events]
                    assert seqs == list(range(seq + 1, seq + 1 + len(seqs)))
                    assert brought <= seq + len(seqs) <= self.heads[user]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
