"""Circuit breakers keep their guarantees for any sequence of failures, successes, probes and clock readings."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from generator_service.domain.breaker import BLOBS, Access, Breaker, Condition, Outage, engine_breaker
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import Routing
from generator_service.domain.task import WaitReason
from generator_service.domain.task_options import Engine
from tests.support.clock import NOON

SECOND = timedelta(seconds=1)
POLICY = RetryPolicy(base=2 * SECOND, cap=60 * SECOND, random=random.Random(5))
GEMINI, LOCAL = engine_breaker(Engine.GEMINI), engine_breaker(Engine.LOCAL)


def outage(dependency: str = GEMINI, *, hint: timedelta | None = None, lasting: bool = False) -> Outage:
    """Make an outage."""
    return Outage(
        reason=WaitReason.RATE_LIMITED,
        code="rate_limited",
        message="the quota is used up",
        dependency=dependency,
        retry_after=hint,
        lasting=lasting,
    )


def opened(name: str = GEMINI, *, at: datetime = NOON, hint: timedelta | None = None, lasting: bool = False) -> Breaker:
    """Make an open breaker."""
    return Breaker(name=name).trip(outage(name, hint=hint, lasting=lasting), at, POLICY)


class Machine(RuleBasedStateMachine):
    """Workers that fail, succeed and probe, sometimes late, on a clock that may step back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.breaker = Breaker(name=GEMINI)
        self.probes: dict[int, datetime] = {}
        """Running probes, each with the time that it was begun or renewed."""
        self.next_task = 1

    @rule(seconds=st.integers(-30, 200))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(hint=st.none() | st.integers(0, 300))
    def fail(self, hint: int | None) -> None:
        before = self.breaker
        wait = None if hint is None else hint * SECOND
        after = self.breaker = before.trip(outage(hint=wait), self.now, POLICY)
        assert after.open_until is not None
        assert after.open_until >= self.now + (wait or timedelta())
        assert after.failing_since == (before.failing_since or self.now)
        if before.condition(self.now) is Condition.OPEN:
            assert before.open_until is not None
            assert after.trips == before.trips
            assert after.open_until == max(before.open_until, self.now + (wait or timedelta()))
        else:
            assert after.trips == before.trips + 1
            assert after.open_until > self.now
            assert after.probe_task is None
            self.probes.clear()

    @rule(before_now=st.integers(0, 300))
    def succeed(self, before_now: int) -> None:
        began, before = self.now - before_now * SECOND, self.breaker
        self.breaker = before.succeed(began)
        if before.opened_at is None or began >= before.opened_at:
            assert self.breaker == Breaker(name=GEMINI)
            self.probes.clear()
        else:
            assert self.breaker == before, "a call that began before the failure proves nothing"

    @rule()
    def start(self) -> None:
        task, self.next_task = self.next_task, self.next_task + 1
        access = self.breaker.access(self.now)
        if access is Access.PROBE:
            assert not [until for until in self.probes.values() if self.now < until], "a second probe"
            self.probes[task] = self.now + 15 * SECOND
            self.breaker = self.breaker.begin_probe(task, self.probes[task])
            assert self.breaker.access(self.now, task) is Access.PROBE

    @rule(renew=st.booleans())
    def tick(self, renew: bool) -> None:
        task = self.breaker.probe_task
        if task is None or task not in self.probes:
            return
        if renew:
            self.probes[task] = self.now + 15 * SECOND
            self.breaker = self.breaker.renew_probe(task, self.probes[task])
        else:
            del self.probes[task]
            self.breaker = self.breaker.end_probe(task)
            assert self.breaker.end_probe(task) == self.breaker

    @invariant()
    def conditions_and_access_agree(self) -> None:
        match self.breaker.condition(self.now):
            case Condition.CLOSED:
                assert self.breaker == Breaker(name=GEMINI)
                assert self.breaker.access(self.now) is Access.FREE
            case Condition.OPEN:
                assert self.breaker.access(self.now, self.breaker.probe_task) is Access.BLOCKED
                assert self.breaker.run_at(self.now) == self.breaker.open_until
            case Condition.HALF_OPEN:
                assert self.breaker.access(self.now) is not Access.FREE
                assert self.breaker.run_at(self.now) > self.now


TestBreaker = Machine.TestCase


@given(st.integers(1, 40), st.integers())
def test_a_breaker_stays_open_longer_each_time_up_to_the_cap(failures: int, seed: int) -> None:
    policy = RetryPolicy(base=2 * SECOND, cap=60 * SECOND, random=random.Random(seed))
    breaker, now = Breaker(name=GEMINI), NOON
    for trips in range(1, failures + 1):
        breaker = breaker.trip(outage(), now, policy)
        assert breaker.open_until is not None
        full = min(60.0, 2.0 * 2 ** (trips - 1))
        assert full / 2 - 1e-5 <= (breaker.open_until - now).total_seconds() <= full + 1e-5
        now = breaker.open_until


def test_the_stage_names_what_a_task_waits_for() -> None:
    assert outage().stage == "waiting for Gemini's quota"
    assert Outage(reason=WaitReason.STORE_UNAVAILABLE, code="c", message="m", dependency=BLOBS).stage == (
        "waiting for image storage"
    )
    unavailable = Outage(reason=WaitReason.ENGINE_UNAVAILABLE, code="c", message="m", dependency=GEMINI)
    assert unavailable.stage == "waiting for Gemini"
    assert Outage(reason=WaitReason.WORKER_STOPPED, code="c", message="m").stage == "queued"


ROUTING = Routing(order=(Engine.GEMINI, Engine.LOCAL), fallback_after=60 * SECOND)


def test_auto_waits_for_a_short_outage_and_uses_the_next_engine_in_a_long_one() -> None:
    short = opened(hint=30 * SECOND)
    route = ROUTING.route(Engine.AUTO, {GEMINI: short}, NOON)
    assert (route.engine, route.blocked_by) == (None, short)
    for long in (opened(hint=60 * SECOND), opened(lasting=True)):
        route = ROUTING.route(Engine.AUTO, {GEMINI: long}, NOON)
        assert (route.engine, route.passed_over) == (Engine.LOCAL, (long,))
    again = short.trip(outage(), NOON + 58 * SECOND, POLICY)
    at = NOON + 59 * SECOND
    assert again.condition(at) is Condition.OPEN
    later = again.trip(outage(hint=10 * SECOND), at, POLICY)
    assert ROUTING.route(Engine.AUTO, {GEMINI: later}, at).engine is Engine.LOCAL, "it has failed for a minute"


def test_an_engine_asked_for_by_name_has_no_substitute() -> None:
    broken = opened(lasting=True)
    route = ROUTING.route(Engine.GEMINI, {GEMINI: broken}, NOON)
    assert (route.engine, route.blocked_by) == (None, broken)
    assert ROUTING.route(Engine.LOCAL, {GEMINI: broken}, NOON).engine is Engine.LOCAL


def test_auto_waits_for_the_first_to_return_where_no_engine_can_be_used() -> None:
    first, second = opened(GEMINI, lasting=True, hint=900 * SECOND), opened(LOCAL, lasting=True)
    route = ROUTING.route(Engine.AUTO, {GEMINI: first, LOCAL: second}, NOON)
    assert (route.engine, route.blocked_by) == (None, second)


def test_a_half_open_breaker_is_probed_by_auto_too_and_by_one_task_alone() -> None:
    broken = opened(lasting=True, hint=10 * SECOND)
    later = NOON + 10 * SECOND
    route = ROUTING.route(Engine.AUTO, {GEMINI: broken}, later)
    assert (route.engine, route.probes) == (Engine.GEMINI, (GEMINI,))
    probed = broken.begin_probe(7, later + 15 * SECOND)
    assert ROUTING.route(Engine.AUTO, {GEMINI: probed}, later, 7).engine is Engine.GEMINI
    assert ROUTING.route(Engine.AUTO, {GEMINI: probed}, later, 8).engine is Engine.LOCAL
    assert ROUTING.route(Engine.GEMINI, {GEMINI: probed}, later, 8).engine is None
    assert ROUTING.route(Engine.GEMINI, {GEMINI: probed}, later + 15 * SECOND, 8).engine is Engine.GEMINI


@pytest.mark.parametrize("requested", Engine)
def test_without_the_image_store_nothing_runs(requested: Engine) -> None:
    store = opened(BLOBS, hint=10 * SECOND)
    assert ROUTING.route(requested, {BLOBS: store}, NOON).blocked_by == store
    route = ROUTING.route(requested, {BLOBS: store}, NOON + 10 * SECOND)
    assert route.probes == (BLOBS,)
