"""The gateway's copy of the revocations: read in order of their numbers, and not trusted before it is loaded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.clock import NOON, SettableClock
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.auth.revocations import Revocations

SECOND = timedelta(seconds=1)


def stamp(at: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(at)
    return message


def revocation(number: int, *, session: str = "", user: str = "", at: datetime = NOON) -> pb.Revocation:
    return pb.Revocation(
        number=number,
        session_id=session or ("" if user else f"s{number}"),
        user_id=user,
        revoked_at=stamp(at),
        expires_at=stamp(at + timedelta(days=1)),
    )


class Service:
    """A service that lists revocations, two per page."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.revocations: list[pb.Revocation] = []
        self.asked: list[int] = []
        self.failure: Exception | None = None

    async def list_revocations(self, after: int) -> pb.ListRevocationsResponse:
        self.asked.append(after)
        if self.failure is not None:
            raise self.failure
        found = [each for each in self.revocations if each.number > after][:2]
        head = max((each.number for each in self.revocations), default=0)
        return pb.ListRevocationsResponse(revocations=found, head=head, epoch=self.epoch)


def covers(revocations: Revocations, *ids: str, user: str = "ann", issued_at: datetime | None = NOON) -> bool:
    return revocations.covers(user_id=user, session_ids=ids, issued_at=issued_at)


def test_the_sessions_of_a_users_keys_end_with_their_key() -> None:
    revocations = Revocations(SettableClock())
    revocations.apply([revocation(1, user="ann")])
    assert covers(revocations, "s1")
    assert not covers(revocations, "key:1")
    revocations.apply([revocation(2, session="key:1")])
    assert covers(revocations, "key:1")
    assert not covers(revocations, "key:2")


@pytest.fixture
def service() -> Service:
    service = Service()
    service.revocations = [revocation(number) for number in range(1, 6)]
    return service


@pytest.fixture
def revocations() -> Revocations:
    return Revocations(SettableClock())


async def test_nothing_is_known_until_the_list_was_read(service: Service, revocations: Revocations) -> None:
    assert not revocations.known
    assert not await revocations.until_known(0)
    await revocations.catch_up(service)
    assert revocations.known
    assert await revocations.until_known(0)
    assert service.asked == [0, 2, 4]
    assert [covers(revocations, f"s{number}") for number in range(7)] == [False, *[True] * 5, False]


async def test_after_a_break_only_what_is_new_is_read(service: Service, revocations: Revocations) -> None:
    await revocations.catch_up(service)
    service.asked.clear()
    service.revocations.append(revocation(6))
    service.failure = ConnectionError()
    with pytest.raises(ConnectionError):
        await revocations.catch_up(service)
    assert not revocations.known, "revocations of the meantime are unknown"
    service.failure = None
    await revocations.catch_up(service)
    assert (revocations.known, service.asked, covers(revocations, "s6")) == (True, [5, 5], True)


@pytest.mark.parametrize("change", ["another epoch", "a lower head"])
async def test_a_restored_database_is_read_from_its_beginning(
    service: Service, revocations: Revocations, change: str
) -> None:
    await revocations.catch_up(service)
    service.revocations = [revocation(1), revocation(2, session="new")]
    if change == "another epoch":
        service.epoch = "e2"
        service.revocations += [revocation(number) for number in range(3, 7)]
    await revocations.catch_up(service)
    assert covers(revocations, "new")
    assert covers(revocations, "s5"), "known revocations stay"


async def test_a_hole_in_the_numbers_of_the_stream_is_noticed(service: Service, revocations: Revocations) -> None:
    await revocations.catch_up(service)
    assert revocations.take(revocation(6))
    assert revocations.take(revocation(6)), "once more"
    assert revocations.take(revocation(2)), "an old one"
    assert not revocations.take(revocation(8))
    assert covers(revocations, "s8"), "in force all the same"
    service.asked.clear()
    service.revocations += [revocation(number) for number in (6, 7, 8)]
    await revocations.catch_up(service)
    assert service.asked == [6]
    assert covers(revocations, "s7")


async def test_of_a_user_those_issued_before_with_a_minute_of_leeway(revocations: Revocations) -> None:
    revocations.apply([revocation(1, user="ann", at=NOON.replace(microsecond=0))])
    noon = NOON.replace(microsecond=0)
    assert covers(revocations, issued_at=None)
    assert covers(revocations, issued_at=noon + CLOCK_SKEW)
    assert not covers(revocations, issued_at=noon + CLOCK_SKEW + SECOND)
    assert not covers(revocations, user="bob")
    revocations.apply([revocation(2, user="ann", at=noon - timedelta(hours=1))])
    assert covers(revocations, issued_at=noon), "the latest counts"


def test_each_closes_connections(revocations: Revocations) -> None:
    calls: list[bool] = []
    revocations.listen(lambda: calls.append(covers(revocations, "s1")))
    revocations.apply([revocation(1)])
    revocations.apply([])
    assert calls == [True], "once, when it is in force"


def test_the_expired_are_dropped() -> None:
    clock = SettableClock()
    revocations = Revocations(clock)
    revocations.apply([revocation(1), revocation(2, user="ann")])
    clock.advance(timedelta(days=1) + CLOCK_SKEW + SECOND)
    revocations.apply([revocation(3, at=clock.now().astimezone(UTC))])
    assert not covers(revocations, "s1")
    assert not covers(revocations)
    assert covers(revocations, "s3")
