"""Limits on how long a client may be how far behind."""

from __future__ import annotations

from ws_gateway.protocol.backpressure import Backlog

LIMIT = 65536


def told_live_news() -> Backlog:
    backlog = Backlog(limit=LIMIT, patience=5.0, stall=30.0)
    assert backlog.observe(0.0, waiting=0, taken=0, live=True) is None
    return backlog


def test_over_the_limit_for_over_five_seconds_is_too_slow() -> None:
    backlog = told_live_news()
    for now in (1.0, 3.0, 6.0):
        assert backlog.observe(now, waiting=LIMIT + 1, taken=int(now), live=True) is None
    why = backlog.observe(6.1, waiting=LIMIT + 1, taken=7, live=True)
    assert why == "over 64 KiB behind for 5 s; read faster, or resume later"


def test_exactly_the_limit_is_not_behind() -> None:
    backlog = told_live_news()
    for now in (1.0, 10.0, 20.0):
        assert backlog.observe(now, waiting=LIMIT, taken=0, live=True) is None


def test_who_catches_up_in_between_begins_anew() -> None:
    backlog = told_live_news()
    backlog.observe(1.0, waiting=LIMIT + 1, taken=0, live=True)
    backlog.observe(5.0, waiting=10, taken=1, live=True)
    assert backlog.observe(7.0, waiting=LIMIT + 1, taken=1, live=True) is None
    assert backlog.observe(12.0, waiting=LIMIT + 1, taken=1, live=True) is None


def test_a_sync_may_take_long_as_long_as_it_moves() -> None:
    backlog = Backlog(limit=LIMIT, patience=5.0, stall=30.0)
    for second in range(0, 300, 29):
        assert backlog.observe(float(second), waiting=10 * LIMIT, taken=second, live=False) is None
    assert backlog.observe(290.0 + 31.0, waiting=10 * LIMIT, taken=290, live=False) is not None


def test_after_the_sync_what_is_live_counts() -> None:
    backlog = Backlog(limit=LIMIT, patience=5.0, stall=30.0)
    backlog.observe(0.0, waiting=10 * LIMIT, taken=0, live=False)
    backlog.observe(20.0, waiting=10, taken=10 * LIMIT, live=True)
    backlog.observe(21.0, waiting=2 * LIMIT, taken=10 * LIMIT, live=True)
    assert backlog.observe(26.1, waiting=2 * LIMIT, taken=10 * LIMIT, live=True) is not None


def test_a_sync_asked_for_later_does_not_count_either() -> None:
    backlog = told_live_news()
    backlog.observe(1.0, waiting=2 * LIMIT, taken=0, live=True)
    backlog.sync_began()
    assert backlog.observe(10.0, waiting=9 * LIMIT, taken=1, live=False) is None
