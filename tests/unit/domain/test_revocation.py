"""Which sessions a revocation ends."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from generator_service.domain.revocation import Revocation, RevocationList, Session, revocation_of
from tests.support.clock import NOON
from whitebg_process.token_lifetime import CLOCK_SKEW, MAX_TOKEN_LIFETIME

SECOND = timedelta(seconds=1)


def revocation(number: int, *, session: str = "", user: str = "", at: datetime = NOON) -> Revocation:
    return Revocation(number=number, session_id=session, user_id=user, revoked_at=at, expires_at=at + timedelta(days=1))


@pytest.mark.parametrize(
    ("session", "revoked"),
    [
        (Session(user_id="ann", ids=frozenset({"s1"})), True),
        (Session(user_id="bob", ids=frozenset({"j1", "s1"})), True),
        (Session(user_id="ann", ids=frozenset({"s2"})), False),
        (Session(user_id="ann"), False),
        (Session(user_id="eve"), True),
        (Session(user_id="eve", issued_at=NOON), True),
        (Session(user_id="eve", issued_at=NOON + CLOCK_SKEW), True),
        (Session(user_id="eve", issued_at=NOON + CLOCK_SKEW + SECOND), False),
    ],
)
def test_sessions_are_ended_by_id_or_by_user(session: Session, revoked: bool) -> None:
    revocations = RevocationList()
    revocations.add([revocation(1, session="s1", user="ann"), revocation(2, user="eve")])
    assert revocations.covers(session) is revoked


def test_the_latest_of_a_user_counts_in_whichever_order_they_come() -> None:
    early, late = revocation(1, user="ann"), revocation(2, user="ann", at=NOON + timedelta(hours=1))
    between = Session(user_id="ann", issued_at=NOON + timedelta(minutes=30))
    for order in ([early, late], [late, early], [late, early, late]):
        revocations = RevocationList()
        revocations.add(order)
        assert revocations.covers(between)
        assert (revocations.number, len(revocations)) == (2, 1)


def test_the_expired_are_dropped() -> None:
    revocations = RevocationList()
    revocations.add([revocation(1, session="s1"), revocation(2, user="ann", at=NOON + SECOND)])
    revocations.forget(NOON + timedelta(days=1) + SECOND)
    assert not revocations.covers(Session(user_id="bob", ids=frozenset({"s1"})))
    assert revocations.covers(Session(user_id="ann"))


def test_of_two_revocations_of_a_name_the_longer_lasts() -> None:
    for name in ({"session_id": "s1"}, {"user_id": "ann"}):
        whole = Revocation(number=1, **asdict(revocation_of(**name, at=NOON)))
        brief = Revocation(number=2, **name, revoked_at=NOON + SECOND, expires_at=NOON + timedelta(hours=1))
        for order in ([whole, brief], [brief, whole]):
            revocations = RevocationList()
            revocations.add(order)
            revocations.forget(NOON + MAX_TOKEN_LIFETIME)
            assert revocations.covers(Session(user_id="ann", ids=frozenset({"s1"}), issued_at=NOON))
