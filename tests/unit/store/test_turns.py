"""Turns are numbered with the starts of the log, also if other processes start tasks in the meantime."""

from __future__ import annotations

from generator_service.domain.claim_order import CREDIT
from generator_service.store.turns import Turns


def test_turns_continue_the_numbers_of_the_log() -> None:
    turns = Turns()
    turns.begin_after(500)
    assert turns.take("ann", 3, started=True) == 501
    assert turns.take("bob", 7, started=False) == 501 - CREDIT
    assert turns.take("bob", 501 - CREDIT, started=True) == 502
    assert turns.started == 2
    assert turns.renumbered(500) == {}


def test_starts_of_other_processes_move_all_turns() -> None:
    turns = Turns()
    turns.begin_after(500)
    turns.take("ann", 3, started=True)
    turns.take("bob", 450, started=False)
    turns.take("cid", 499, started=True)
    assert turns.renumbered(540) == {"ann": 541, "bob": 450, "cid": 542}
    assert turns.renumbered(600) == {"ann": 601, "bob": 601 - CREDIT, "cid": 602}


def test_a_transaction_without_turns_changes_no_number() -> None:
    turns = Turns()
    turns.begin_after(500)
    assert turns.renumbered(600) == {}
