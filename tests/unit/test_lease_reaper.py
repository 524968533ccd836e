"""A reaper that was delayed itself gives workers time to renew their leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest

from generator_service.domain.task import Lease, Task
from generator_service.store.contract import LEASE, Beat, TaskStore
from generator_service.worker.maintenance import HELD_UP, LeaseReaper
from tests.support.clock import SettableClock

SECOND = timedelta(seconds=1)
BEAT = Beat(Lease(task_id=1, owner="w1", attempt=1), 10, "matting")


class Asked:
    """A store without expired leases that records the reaper's calls."""

    def __init__(self) -> None:
        self.alive: list[Sequence[Beat]] = []
        self.lease_for = timedelta(0)

    async def requeue_expired(self, *, alive: Sequence[Beat], lease_for: timedelta) -> Sequence[Task]:
        self.alive.append(alive)
        self.lease_for = lease_for
        return ()


class Busy:
    """A worker with one task."""

    lease_for = 3 * SECOND

    def beats(self) -> Sequence[Beat]:
        return [BEAT]


@pytest.fixture
def asked() -> Asked:
    return Asked()


def reaper(asked: Asked, clock: SettableClock, worker: Busy | None = None) -> LeaseReaper:
    return LeaseReaper(cast("TaskStore", asked), clock, worker, grace=5 * SECOND)


async def test_the_leases_of_the_own_worker_are_renewed_with_every_look(asked: Asked) -> None:
    await reaper(asked, SettableClock(), Busy())()
    assert (asked.alive, asked.lease_for) == ([[BEAT]], Busy.lease_for)


async def test_without_a_worker_nothing_is_renewed(asked: Asked) -> None:
    await reaper(asked, SettableClock())()
    assert (asked.alive, asked.lease_for) == ([[]], LEASE)


async def test_who_was_held_up_waits_for_the_workers_of_other_processes(asked: Asked) -> None:
    clock = SettableClock()
    reap = reaper(asked, clock)
    await reap()
    clock.advance(HELD_UP + SECOND)
    await reap()
    clock.advance(4 * SECOND)
    await reap()
    assert len(asked.alive) == 1
    clock.advance(SECOND)
    await reap()
    assert len(asked.alive) == 2


async def test_a_step_of_the_wall_clock_holds_nobody_up(asked: Asked) -> None:
    clock = SettableClock()
    reap = reaper(asked, clock)
    clock.step(timedelta(hours=1))
    await reap()
    assert len(asked.alive) == 1
