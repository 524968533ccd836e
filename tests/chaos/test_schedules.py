"""A short run of `make chaos`: seeded faults over the real processes, all kinds of clients, the checker's verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.chaos.run import RESTLESS, run
from tools.chaos.schedule import Fault, make_schedule

pytestmark = pytest.mark.chaos


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_seeded_schedule_of_faults_breaks_no_guarantee(tmp_path: Path) -> None:
    outcome = await run(seed=1, seconds=10, postgres=False, folder=tmp_path)
    verdict = outcome.verdict
    assert verdict.violations == (), f"{verdict}\nschedule:\n" + "\n".join(map(str, outcome.schedule))
    assert verdict.clients == 16 + 2 * 3 * RESTLESS
    assert verdict.webhooks
    assert verdict.pauses
    # The run is worth something only if there was something to lose.
    assert verdict.tasks
    assert verdict.received > verdict.events
    assert verdict.reconnects > verdict.clients


def test_a_seed_is_a_schedule() -> None:
    assert make_schedule(5, 30, postgres=True) == make_schedule(5, 30, postgres=True)
    assert make_schedule(5, 30, postgres=True) != make_schedule(6, 30, postgres=True)


@pytest.mark.parametrize("postgres", [False, True])
def test_every_fault_and_target_is_reached_within_a_few_seeds(postgres: bool) -> None:
    found = {(step.fault, step.target) for seed in range(20) for step in make_schedule(seed, 60, postgres=postgres)}
    assert len(found) == (15 if postgres else 10)
    assert {fault for fault, _ in found} == set(Fault)
