"""A service that is frozen for longer than its leases, as on a sleeping laptop, continues normally afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.api import SECRET, Api, open_channel, token
from tests.support.processes import ServiceProcess
from whitebg.v1 import event_pb2, task_pb2

pytestmark = pytest.mark.chaos

STARTED = event_pb2.EVENT_TYPE_STARTED
SET_BACK = {event_pb2.EVENT_TYPE_RETRYING, event_pb2.EVENT_TYPE_SNOOZED}
FROZEN_SECONDS = 3.0
"""Longer than the lease. Heartbeats are so rare that after a freeze the check for expired leases comes first."""
SETTINGS = {"lease": "PT2.5S", "heartbeat": "PT2.3S", "max_attempts": "1", "worker_slots": "1", "pool_processes": "1"}
FREEZES = 4
REAPER_SECONDS = 2.5
"""Within this time, expired leases are checked at least once."""


async def test_a_frozen_service_loses_no_attempt(tmp_path: Path) -> None:
    service = await asyncio.to_thread(ServiceProcess, tmp_path, SECRET, **SETTINGS)
    try:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            async with api.watch() as watch:
                (engine,) = service.engine_pids
                os.kill(engine, signal.SIGSTOP)
                task = await api.submit()
                await watch.until_event(STARTED, task.task_id)
                for _ in range(FREEZES):
                    os.kill(service.pid, signal.SIGSTOP)
                    # Not a wait for an event: the duration of the freeze, and then the service's time to act.
                    await asyncio.sleep(FROZEN_SECONDS)
                    os.kill(service.pid, signal.SIGCONT)
                    await asyncio.sleep(REAPER_SECONDS)
                    assert (await api.get(task.task_id)).state == task_pb2.TASK_STATE_PROCESSING
                os.kill(engine, signal.SIGCONT)
                await watch.until_ended(task.task_id)
                done = await api.get(task.task_id)
                assert (done.state, done.attempt) == (task_pb2.TASK_STATE_COMPLETED, 1)
                assert SET_BACK.isdisjoint(event.type for event in watch.events)
    finally:
        await asyncio.to_thread(service.close)
