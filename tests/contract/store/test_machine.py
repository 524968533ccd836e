"""For any sequence of operations, the store matches the model."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from generator_service.domain.breaker import BLOBS, Breaker, Outage, engine_breaker
from generator_service.domain.errors import LeaseLost, WhitebgError
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import Routing, WaitPolicy
from generator_service.domain.task import Lease, Review, Task, TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.contract import Beat, Retention
from generator_service.store.limits import Limits
from tests.contract.store.model import Model
from tests.support.backends import Backend, Sqlite
from tests.support.clock import SettableClock
from tests.support.store import (
    LEASE,
    RESULT,
    audit_counters,
    durable,
    failure,
    fold,
    new_task,
    read_log,
    whole_snapshot,
)

T = TypeVar("T")

LIMITS = Limits(pending_per_user=3, running_per_user=2)
RETENTION = Retention(events_for=timedelta(minutes=2), events_per_user=4, tasks_for=timedelta(minutes=5))
USERS = st.sampled_from(["ann", "bob"])
BATCHES = st.sampled_from([None, "b1", "b2"])
WORKERS = st.sampled_from(["w1", "w2"])


class Middle(random.Random):
    """Always the middle of a delay, so that store and model wait for the same time."""

    def random(self) -> float:
        return 0.5


WAITS = WaitPolicy(
    routing=Routing(order=(Engine.GEMINI, Engine.LOCAL)),
    reopen=RetryPolicy(base=timedelta(seconds=10), cap=timedelta(minutes=2), random=Middle()),
    lost_leases=3,
)
OUTAGES = st.builds(
    Outage,
    # A lost lease is found by the store, not reported by a worker; a pause is shown and never stored.
    reason=st.sampled_from([each for each in WaitReason if each not in {WaitReason.LEASE_LOST, WaitReason.PAUSED}]),
    code=st.just("away"),
    message=st.just("it is unavailable"),
    dependency=st.sampled_from([None, BLOBS, engine_breaker(Engine.GEMINI), engine_breaker(Engine.LOCAL)]),
    retry_after=st.sampled_from([None, timedelta(seconds=90)]),
    lasting=st.booleans(),
)


class StoreMachine(RuleBasedStateMachine):
    """Drives a real store and the model side by side, with workers whose lease may be lost."""

    leases: Bundle[Lease] = Bundle("leases")

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend
        self._open_things = ExitStack()

    @initialize()
    def open(self) -> None:
        self.database = self._open_things.enter_context(self._backend.database())
        self.runner = asyncio.Runner()
        self.clock = SettableClock()
        self.model = Model(LIMITS, self.clock.now(), waits=WAITS)
        self.last_event_of: dict[int, Task] = {}
        self.read_to = 0
        self._open()

    def _open(self) -> None:
        retry = RetryPolicy(random=random.Random(3))
        self.store = self.database.open(
            clock=self.clock, limits=LIMITS, retry=retry, on_commit=lambda _: None, waits=WAITS
        )

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    def _outcome(self, what: Coroutine[Any, Any, T]) -> T | str:
        """Return the result, or the name of the error."""
        try:
            return self._run(what)
        except WhitebgError as error:
            return type(error).__name__

    @rule(
        user=USERS,
        key=st.sampled_from([None, None, "k1", "k2"]),
        fingerprint=st.sampled_from(["f1", "f1", "f2"]),
        priority=st.integers(-1, 1),
        max_attempts=st.integers(1, 3),
        batch=BATCHES,
    )
    def enqueue(
        self, user: str, key: str | None, fingerprint: str, priority: int, max_attempts: int, batch: str | None
    ) -> None:
        new = new_task(
            user, key=key, fingerprint=fingerprint, priority=priority, max_attempts=max_attempts, batch_id=batch
        )
        outcome = self._outcome(self.store.enqueue(new))
        got = outcome if isinstance(outcome, str) else outcome.task.task_id
        assert got == self.model.enqueue(user, key, fingerprint, priority, max_attempts, batch)

    @rule(user=USERS, batch=st.sampled_from(["b1", "b2"]))
    def close_batch(self, user: str, batch: str) -> None:
        assert self._outcome(self.store.close_batch(user, batch)) == self.model.close(user, batch)

    @rule()
    def settle_batches(self) -> None:
        assert self._run(self.store.settle_batches()) == 0, "every transaction settles its own"

    @rule(target=leases, owner=WORKERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> Any:
        claimed = self._run(self.store.claim(owner, limit=limit, lease_for=LEASE)).tasks
        assert [task.task_id for task in claimed] == self.model.claim(owner, limit, LEASE)
        return multiple(*(task.lease for task in claimed))

    @rule(lease=leases, percent=st.integers(0, 100))
    def heartbeat(self, lease: Lease, percent: int) -> None:
        lost = self._run(self.store.heartbeat([Beat(lease, percent, "matting")], lease_for=LEASE))
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        assert list(lost) == ([] if held else [lease])
        if held:
            held.expires_at = self.model.now + LEASE
            for name, breaker in self.model.breakers.items():
                self.model.breakers[name] = breaker.renew_probe(lease.task_id, held.expires_at)

    @rule(lease=consumes(leases))
    def complete(self, lease: Lease) -> None:
        outcome = self._outcome(self.store.complete(lease, RESULT))
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        if held is None:
            assert outcome == LeaseLost.__name__
        else:
            assert not isinstance(outcome, str)
            self.model.complete(held, RESULT.engine)

    @rule(lease=leases, outage=OUTAGES)
    def snooze(self, lease: Lease, outage: Outage) -> None:
        outcome = self._outcome(self.store.snooze(lease, outage))
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        if held is None:
            assert outcome == LeaseLost.__name__
            return
        assert not isinstance(outcome, str)
        self.model.snooze(held, outage)
        assert (outcome.run_at, outcome.wait_reason) == (held.run_at, outage.reason)

    @rule(outage=OUTAGES)
    def trip(self, outage: Outage) -> None:
        breakers = self._run(self.store.trip(outage))
        if (name := outage.dependency) is not None:
            before = self.model.breakers.get(name, Breaker(name=name))
            self.model.breakers[name] = before.trip(outage, self.model.now, WAITS.reopen)
        assert breakers == self.model.breakers

    @rule()
    def end_overdue(self) -> None:
        ended = self._run(self.store.end_overdue())
        assert {task.task_id for task in ended} == self.model.end_overdue()

    @rule(lease=leases)
    def time_out(self, lease: Lease) -> None:
        self._end(lease, self.store.time_out(lease), EventType.TIMED_OUT, TaskState.TIMEOUT)

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        self._end(lease, self.store.release(lease), EventType.SNOOZED, TaskState.PENDING)
        if held:
            held.run_at = self.model.now

    @rule(lease=leases, retryable=st.booleans(), most=st.sampled_from([None, 1, 2]), hint=st.sampled_from([None, 90]))
    def fail(self, lease: Lease, retryable: bool, most: int | None, hint: int | None) -> None:
        wait = None if hint is None else timedelta(seconds=hint)
        outcome = self._outcome(
            self.store.fail(lease, failure(retryable=retryable, max_attempts=most, retry_after=wait))
        )
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        if held is None:
            assert outcome == LeaseLost.__name__
            return
        assert not isinstance(outcome, str)
        held.failures += 1
        if retryable and held.failures < min(held.max_attempts, most or held.max_attempts):
            assert outcome.run_at is not None
            assert outcome.run_at > self.model.now
            assert outcome.run_at >= self.model.now + (wait or timedelta())
            held.run_at = outcome.run_at
            self.model.record(held, EventType.RETRYING, TaskState.PENDING)
        else:
            self.model.record(held, EventType.FAILED, TaskState.FAILED)

    def _end(self, lease: Lease, word: Coroutine[Any, Any, Task], event: EventType, state: TaskState) -> None:
        outcome = self._outcome(word)
        held = self.model.held(lease.task_id, lease.owner, lease.attempt)
        if held is None:
            assert outcome == LeaseLost.__name__
            return
        assert not isinstance(outcome, str)
        self.model.record(held, event, state)

    @rule(task_id=st.integers(1, 8), user=st.sampled_from([None, "ann", "bob"]))
    def cancel(self, task_id: int, user: str | None) -> None:
        outcome = self._outcome(self.store.cancel(task_id, user))
        assert (outcome if isinstance(outcome, str) else outcome.state) == self.model.cancel(task_id, user)

    @rule(task_ids=st.lists(st.integers(1, 8), max_size=4, unique=True), user=st.sampled_from([None, "ann", "bob"]))
    def delete(self, task_ids: list[int], user: str | None) -> None:
        self._note_events()
        deleted = self._run(self.store.delete_tasks(task_ids, user)).task_ids
        assert list(deleted) == self.model.delete(task_ids, user)
        self._note_events()
        for task_id in deleted:
            del self.last_event_of[task_id]

    @rule(
        task_ids=st.lists(st.integers(1, 8), max_size=4, unique=True),
        user=st.sampled_from([None, "ann", "bob"]),
        review=st.sampled_from(Review),
    )
    def review(self, task_ids: list[int], user: str | None, review: Review) -> None:
        # Reviews are always later than the event before.
        self.model.now = self.clock.advance(timedelta(seconds=1))
        assert list(self._run(self.store.review_tasks(task_ids, user, review)).task_ids) == self.model.review(
            task_ids, user, review
        )

    @rule()
    def requeue_expired(self) -> None:
        requeued = self._run(self.store.requeue_expired())
        assert {task.task_id for task in requeued} == self.model.requeue_expired()

    @rule(seconds=st.sampled_from([1, 15, 100, 40_000]))
    def wait(self, seconds: int) -> None:
        self.model.now = self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def compact(self) -> None:
        self._note_events()
        assert self._run(self.store.compact(RETENTION)) == self.model.compact(RETENTION)

    @rule(age=st.sampled_from([0, 60]))
    def forget(self, age: int) -> None:
        cutoff = self.model.now - timedelta(seconds=age)
        old = self._run(self.store.finished_before(cutoff, limit=100))
        expected = {id_ for id_, task in self.model.tasks.items() if task.finished_at and task.finished_at < cutoff}
        assert {task.task_id for task in old} == expected
        self._note_events()
        self._run(self.store.forget(expected))
        self.model.forget(expected)
        for task_id in expected:
            del self.last_event_of[task_id]

    @rule()
    def reopen(self) -> None:
        self._run(self.store.close())
        self._open()

    def _note_events(self) -> None:
        """Fold the events since the last call, before compaction or deletion can remove any."""
        page = self._run(self.store.events_after(self.read_to, limit=1000))
        self.last_event_of |= fold(page.events)
        self.read_to = page.head.position

    @invariant()
    def rows_and_log_are_the_models(self) -> None:
        self.model.settle()
        self._note_events()
        tasks = self._run(whole_snapshot(self.store)).tasks
        assert [(t.task_id, t.user_id, t.state, t.attempt, t.lease_owner, t.seq, t.finished_at) for t in tasks] == [
            (t.task_id, t.user, t.state, t.attempt, t.owner, t.seq, t.finished_at) for t in self.model.tasks.values()
        ]
        assert durable(tasks) == durable(self.last_event_of.values()), "I3: rows and folded log differ"
        self._run(audit_counters(self.store, tasks))
        for user in ("ann", "bob"):
            running = [task for task in tasks if (task.user_id, task.state) == (user, TaskState.PROCESSING)]
            assert len(running) <= LIMITS.running_per_user
        log, head = self._run(read_log(self.store, page=100))
        assert [(e.revision, e.type, e.user_id, e.seq, e.task.task_id, e.task.state, e.occurred_at) for e in log] == [
            (e.revision, e.type, e.user, e.seq, e.task_id, e.state, e.at) for e in self.model.kept()
        ]
        assert self._run(self.store.breakers()) == self.model.breakers
        for user, name in itertools.product(("ann", "bob"), ("b1", "b2")):
            batch = self._outcome(self.store.batch(user, name))
            if isinstance(batch, str):
                assert (user, name) not in self.model.closed
                continue
            assert batch.counts == Counter(task.state for task in self.model.of_batch((user, name)))
            key = user, name
            assert (batch.closed, batch.finished_at is not None) == (self.model.closed[key], key in self.model.finished)
        assert [(t.failures, t.lost_leases) for t in tasks] == [(t.failures, t.lost) for t in self.model.tasks.values()]
        assert (head.position, head.compacted) == (len(self.model.log), self.model.compacted)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self._run(self.store.close())
            self.runner.close()
        self._open_things.close()


def test_the_store_is_what_the_model_says(backend: Backend) -> None:
    # Each step is a transaction or several: a server takes ten times as long for them as a file.
    examples = 40 if isinstance(backend, Sqlite) else 15

    class Machine(StoreMachine):
        def __init__(self) -> None:
            super().__init__(backend)

    run_state_machine_as_test(Machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
