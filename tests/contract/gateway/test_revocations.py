"""What every way of remembering revocations does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.contract.gateway.conftest import KEEP, Backend
from ws_gateway.revocations.contract import Kind, Revocation, Revocations

SECOND = timedelta(seconds=1)


def covered(revocations: Revocations, user_id: str, token_id: str = "") -> bool:
    return revocations.covers(user_id=user_id, token_id=token_id, issued_at=None)


async def test_nothing_is_revoked_at_first_and_that_is_known(backend: Backend) -> None:
    async with backend.revocations() as revocations:
        assert revocations.known
        assert not covered(revocations, "ann", "s1")


async def test_a_user_loses_what_was_issued_until_then_and_nothing_else(backend: Backend) -> None:
    now = backend.clock.now()
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.USER, "ann"))
        for issued_at, revoked in [(None, True), (now - SECOND, True), (now, True), (now + SECOND, False)]:
            assert revocations.covers(user_id="ann", token_id="s1", issued_at=issued_at) is revoked
        assert not covered(revocations, "bob")


async def test_a_token_is_revoked_whoever_holds_it_and_whenever_it_was_issued(backend: Backend) -> None:
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.TOKEN, "s1"))
        later = backend.clock.now() + SECOND
        assert revocations.covers(user_id="ann", token_id="s1", issued_at=later)
        assert not covered(revocations, "ann", "s2")
        # A user of that name is no token.
        assert not covered(revocations, "s1")


@pytest.mark.parametrize("name", ["a:b", "user:ann", "白底图", "a b\n", "0", "x" * 255])
async def test_names_are_anything(backend: Backend, name: str) -> None:
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.TOKEN, name))
        assert covered(revocations, "ann", name)
        assert not covered(revocations, name)
        await revocations.revoke(Revocation(Kind.USER, name))
        assert covered(revocations, name)


async def test_to_revoke_again_moves_the_time_on(backend: Backend) -> None:
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.USER, "ann"))
        between = backend.clock.advance(SECOND)
        assert not revocations.covers(user_id="ann", token_id="", issued_at=between)
        await revocations.revoke(Revocation(Kind.USER, "ann"))
        assert revocations.covers(user_id="ann", token_id="", issued_at=between)


async def test_a_clock_that_runs_back_takes_nothing_back(backend: Backend) -> None:
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.USER, "ann"))
        issued_at = backend.clock.now()
        backend.clock.advance(-SECOND)
        await revocations.revoke(Revocation(Kind.USER, "ann"))
        assert revocations.covers(user_id="ann", token_id="", issued_at=issued_at)


async def test_sockets_are_closed_when_it_already_holds_and_their_number_is_told(backend: Backend) -> None:
    held: list[bool] = []
    async with backend.revocations() as revocations:

        def close() -> int:
            held.append(covered(revocations, "ann"))
            return 3

        revocations.listen(close)
        assert await revocations.revoke(Revocation(Kind.USER, "ann")) == 3
        assert held[0]


async def test_what_no_token_can_outlive_is_forgotten(backend: Backend) -> None:
    async with backend.revocations() as revocations:
        await revocations.revoke(Revocation(Kind.TOKEN, "s1"))
        backend.clock.advance(KEEP)
        await revocations.revoke(Revocation(Kind.TOKEN, "s2"))
        assert covered(revocations, "ann", "s1")
        backend.clock.advance(SECOND)
        await revocations.revoke(Revocation(Kind.TOKEN, "s3"))
        assert not covered(revocations, "ann", "s1")
        assert covered(revocations, "ann", "s2")


async def test_only_so_many_are_kept_and_it_says_so(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    async with backend.revocations(capacity=3) as revocations:
        for number in range(4):
            backend.clock.advance(SECOND)
            await revocations.revoke(Revocation(Kind.TOKEN, f"s{number}"))
        assert [covered(revocations, "ann", f"s{number}") for number in range(4)] == [False, True, True, True]
    assert "more than 3 sessions are revoked" in caplog.text
