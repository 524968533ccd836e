"""A few thousand schedules of each simulation, which `make simulate` runs by the million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.simulation.client import ClientWorld
from tools.simulation.feed import FeedWorld
from tools.simulation.revocation import RevocationWorld
from tools.simulation.schedule import Step, make_schedule, search, shrink
from tools.simulation.session import SessionWorld
from tools.simulation.store import StoreWorld


def test_sessions_break_no_guarantee() -> None:
    assert search(SessionWorld(), first=1, schedules=2000) is None


def test_a_message_that_is_sent_again_just_before_its_ack_arrives() -> None:
    """Found by seed 58386: no client can prevent that, and it is no repeat of a confirmed message."""
    SessionWorld().run(
        [
            *(("submit", 15949), ("start_read", 10478), ("finish_read", 5069), ("take", 46076), ("read", 62935)),
            *(("read", 39174), ("take", 7642), ("take", 12115), ("ack", 3207)),
        ]
    )


def test_clients_break_no_guarantee() -> None:
    assert search(ClientWorld(), first=1, schedules=300) is None


def test_revocations_break_no_guarantee() -> None:
    assert search(RevocationWorld(), first=1, schedules=1000) is None


def test_feeds_break_no_guarantee() -> None:
    assert search(FeedWorld(), first=1, schedules=60) is None


def test_the_store_breaks_no_guarantee(tmp_path: Path) -> None:
    assert search(StoreWorld(tmp_path), first=1, schedules=8) is None


class Counting:
    """Breaks once a 3 follows a 7, whatever lies between."""

    steps: Mapping[str, int] = {"add": 1}

    def run(self, schedule: Sequence[Step]) -> None:
        digits = [number % 10 for _, number in schedule]
        assert 7 not in digits or 3 not in digits[digits.index(7) :]


def test_a_failing_seed_is_found_and_shrunk() -> None:
    found = search(Counting(), first=1, schedules=1000)
    assert found is not None
    assert [number % 10 for _, number in found.schedule] == [7, 3]
    assert found.schedule == shrink(Counting(), make_schedule(Counting(), found.seed, 40))
    assert f"seed {found.seed}" in str(found)
