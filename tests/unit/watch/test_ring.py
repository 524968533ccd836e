"""The ring returns the complete log after a position, or nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generator_service.watch.ring import EventRing
from tests.unit.watch.log_double import LogDouble

STEPS = st.lists(st.tuples(st.sampled_from(["ann", "bob", "cho"]), st.integers(0, 9)), max_size=25)


@given(STEPS, st.integers(0, 12))
def test_an_answer_is_exactly_the_log_after_the_position(steps: list[tuple[str, int]], capacity: int) -> None:
    """The log in the ring has holes left by compaction, as at the start of a process."""
    log = LogDouble()
    for user, die in steps:
        log.create(user)
        if die == 0:
            log.compact(user, keep=1)
    ring = EventRing(capacity)
    ring.extend(log.kept())
    assert len(ring) == min(capacity, len(log.kept()))
    for revision in range(len(log.history) + 2):
        answer = ring.after_revision(revision)
        assert answer in (None, [event for event in log.history if event.revision > revision])
    for user in ("ann", "bob", "cho"):
        whole = [event for event in log.history if event.user_id == user]
        for seq in range(len(whole) + 2):
            assert ring.of_user_after(user, seq) in (None, [event for event in whole if event.seq > seq])


@given(st.integers(1, 10), st.integers(0, 20))
def test_what_it_holds_it_knows(capacity: int, written: int) -> None:
    log = LogDouble()
    for _ in range(written):
        log.create("ann")
    ring = EventRing(capacity)
    for event in log.history:
        ring.extend([event])
    for position in range(max(0, written - capacity), written):
        assert ring.after_revision(position) == log.history[position:]
        assert ring.of_user_after("ann", position) == log.history[position:]
    if written > capacity:
        assert ring.after_revision(written - capacity - 1) is None
        assert ring.of_user_after("ann", written - capacity - 1) is None


def test_after_clearing_it_knows_nothing() -> None:
    log = LogDouble()
    log.create("ann")
    ring = EventRing(5)
    ring.extend(log.history)
    ring.clear()
    assert (len(ring), ring.after_revision(0), ring.of_user_after("ann", 0)) == (0, None, None)
