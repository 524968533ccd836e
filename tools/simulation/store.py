"""The real store on SQLite in virtual time: callers, pauses, webhooks, workers whose leases run out; and a verdict."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from generator_service.domain.breaker import Outage, engine_breaker
from generator_service.domain.errors import LeaseLost, WhitebgError
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Lease, Review, Task, TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.limits import Limits
from generator_service.store.sql import SqlTaskStore
from generator_service.store.sqlite import open_sqlite
from tests.support.clock import SettableClock
from tests.support.store import LEASE, RESULT, failure, new_task, read_log, whole_snapshot
from tools.checker.history import Called, Claimed, Config, Logged, Paused, Record, Reported, Resumed, Stored
from tools.checker.verdict import check
from tools.simulation.schedule import Broken, Step
from tools.simulation.webhooks import WebhookWorld

_USERS, _WORKERS = ("ann", "bob"), ("w1", "w2")
_LIMITS = Limits(pending_per_user=3, running_per_user=1)
_NAMES = {EventType.TIMED_OUT: "timeout"}
_RATE_LIMIT = Outage(
    reason=WaitReason.RATE_LIMITED,
    code="rate_limited",
    message="too many calls",
    dependency=engine_breaker(Engine.GEMINI),
)


class StoreWorld:
    """Submissions, claims, outcomes in time and too late, waits, reviews, cancellations and deletions."""

    steps: Mapping[str, int] = {
        "submit": 6, "claim": 6, "complete": 4, "fail": 2, "snooze": 3, "release": 1, "time_out": 1,
        "cancel": 3, "delete": 2, "review": 2, "reap": 2, "wait": 3, "pause": 1, "resume": 2, "read": 2, "webhook": 3,
    }  # fmt: skip

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fresh = folder / "fresh.db"
        asyncio.run(_open(self._fresh, SettableClock()).close())

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule on a copy of an empty database, let all tasks end, and check the history."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            file = Path(folder) / "tasks.db"
            shutil.copy(self._fresh, file)
            history = asyncio.run(_Run(file).all(schedule))
        if violations := check(history).violations:
            raise Broken("; ".join(map(str, violations)))


def _open(file: Path, clock: SettableClock) -> SqlTaskStore:
    retry = RetryPolicy(random=random.Random(3))
    return open_sqlite(file, clock=clock, limits=_LIMITS, retry=retry, on_commit=lambda _: None)


class _Run:
    def __init__(self, file: Path) -> None:
        self._clock = SettableClock()
        self._store = _open(file, self._clock)
        self._leases: list[Lease] = []
        """All leases ever held: a report may come too late."""
        self._tasks: dict[int, str] = {}
        self._deleted: list[int] = []
        self._keys = 0
        self.records: list[Record] = [Config(pending_per_user=3, running_per_user=1)]
        self._webhooks = WebhookWorld(self._store, self._clock, self.records.append)

    @property
    def now(self) -> float:
        return self._clock.now().timestamp()

    async def all(self, schedule: Sequence[Step]) -> list[Record]:
        try:
            await self._webhooks.create()
            for name, number in schedule:
                await self._step(name, number)
            await self._settle()
            log, _ = await read_log(self._store, page=500)
            tasks = (await whole_snapshot(self._store)).tasks
        finally:
            await self._store.close()
        return [*self.records, *map(_logged, log), *map(_stored, tasks)]

    async def _step(self, name: str, number: int) -> None:
        match name:
            case "submit":
                await self._submit(_USERS[number & 1])
            case "claim":
                await self._claim(_WORKERS[number & 1], 1 + (number >> 1) % 3)
            case "review" if self._tasks:
                await self._review(list(self._tasks)[number % len(self._tasks)], list(Review)[number % len(Review)])
            case "cancel" | "delete" if self._tasks:
                await self._end(name, list(self._tasks)[number % len(self._tasks)])
            case "pause" | "resume":
                await self._hold(name)
            case "read" if known := [*self._tasks, *self._deleted]:
                await self._read(known[number % len(known)])
            case "webhook":
                await self._webhooks.deliver(("accept", "accept", "reject", "crash")[number % 4])
            case "reap":
                await self._store.requeue_expired(lease_for=LEASE)
            case "wait":
                self._clock.advance(timedelta(seconds=(1, 20, 100)[number % 3]))
            case "complete" | "fail" | "snooze" | "release" | "time_out" if self._leases:
                # The latest ones more often: they may still be held.
                lease = self._leases[-1 - (number % len(self._leases)) // (1 + number % 3)]
                await self._report(name, lease, number)

    async def _submit(self, user: str) -> None:
        self._keys += 1
        key, began = f"k{self._keys}", self.now
        try:
            task_id = (await self._store.enqueue(new_task(user, key=key))).task.task_id
            self._tasks[task_id] = user
            outcome = "ok"
        except WhitebgError:
            task_id, outcome = 0, "quota"
        self._called("submit", user, began, outcome, task_id, key)

    def _called(self, operation: str, user: str, began: float, outcome: str, task_id: int, key: str = "") -> None:
        self.records.append(
            Called(user=user, operation=operation, began=began, at=self.now, outcome=outcome, key=key, task_id=task_id)
        )

    async def _claim(self, worker: str, limit: int) -> int:
        claimed = (await self._store.claim(worker, limit=limit, lease_for=LEASE)).tasks
        for task in claimed:
            self.records.append(Claimed(worker=worker, at=self.now, task_id=task.task_id, attempt=task.attempt))
            self._leases.append(task.lease)
        return len(claimed)

    async def _report(self, name: str, lease: Lease, number: int) -> None:
        reports = {
            "complete": lambda: self._store.complete(lease, RESULT),
            "fail": lambda: self._store.fail(lease, failure(retryable=bool(number & 64))),
            "snooze": lambda: self._store.snooze(lease, _RATE_LIMIT),
            "release": lambda: self._store.release(lease),
            "time_out": lambda: self._store.time_out(lease),
        }
        try:
            await reports[name]()
            accepted = True
        except LeaseLost:
            accepted = False
        self.records.append(
            Reported(worker=lease.owner, at=self.now, task_id=lease.task_id, attempt=lease.attempt, accepted=accepted)
        )

    async def _end(self, name: str, task_id: int) -> None:
        user, began, outcome = self._tasks[task_id], self.now, "ok"
        try:
            if name == "cancel":
                await self._store.cancel(task_id, user)
            else:
                await self._store.delete_tasks([task_id], user)
                del self._tasks[task_id]
                self._deleted.append(task_id)
        except WhitebgError:
            outcome = "wrong_state"
        self._called(name, user, began, outcome, task_id)

    async def _review(self, task_id: int, review: Review) -> None:
        await self._store.review_tasks([task_id], self._tasks[task_id], review)
        task = await self._store.get(task_id, None)
        expected = review if task.state is TaskState.COMPLETED else Review.OPEN
        if task.review is not expected:
            raise Broken(f"task {task_id} is {task.review}, not {expected}")

    async def _hold(self, name: str) -> None:
        began = self._tick()
        if name == "pause":
            await self._store.admin.pause(None, note="", lasts=None)
            self.records.append(Paused(began=began, at=self.now))
        else:
            head = (await self._store.latest_events(1)).head.position
            await self._store.admin.resume(None)
            self.records.append(Resumed(head=head, at=self.now))
        self._tick()

    async def _read(self, task_id: int) -> None:
        began = self._tick()
        try:
            task = await self._store.get(task_id, None)
        except WhitebgError:
            self._called("get", "", began, "not_found", task_id)
            return
        call = Called(
            user=task.user_id,
            operation="get",
            began=began,
            at=self.now,
            outcome="ok",
            task_id=task_id,
            state=task.state.name.lower(),
            seq=task.seq,
        )
        self.records.append(call)

    def _tick(self) -> float:
        """Let a moment pass, so that the checker can tell before from after; return the time."""
        self._clock.advance(timedelta(milliseconds=1))
        return self.now

    async def _settle(self) -> None:
        """Let workers run the remaining tasks, each attempt successfully; a task that is never claimed stays."""
        await self._hold("resume")
        await self._run_all()
        while (await self._store.webhooks.endpoints())[0].position < (await self._store.latest_events(1)).head.position:
            self._clock.advance(timedelta(hours=5))
            await self._webhooks.deliver("accept")
        await self._webhooks.settle()

    async def _run_all(self) -> None:
        for _ in range(40):
            self._clock.advance(timedelta(minutes=5))
            await self._store.requeue_expired(lease_for=LEASE)
            if await self._claim("w3", 10) == 0:
                return
            for lease in self._leases[-10:]:
                await self._report("complete", lease, 0)


def _logged(event: TaskEvent) -> Logged:
    task = event.task
    kind = _NAMES.get(event.type) or event.type.name.lower()
    return Logged(
        revision=event.revision,
        seq=event.seq,
        user=event.user_id,
        task_id=task.task_id,
        type=kind,
        state="deleted" if kind == "deleted" else task.state.name.lower(),
        attempt=task.attempt,
        failures=task.failures,
        at=event.occurred_at.timestamp(),
        code=task.error.code if task.error else "",
    )


def _stored(task: Task) -> Stored:
    assert isinstance(task.state, TaskState)
    return Stored(
        task_id=task.task_id, user=task.user_id, state=task.state.name.lower(), attempt=task.attempt, seq=task.seq
    )
