"""The service of a soak: everything as in production, with an engine that takes no time, and frequent retention.

What is kept for days elsewhere is kept for seconds here, so that minutes show whether everything that is created is
removed again.
"""

from __future__ import annotations

from datetime import timedelta

from generator_service import server
from tools.benchmarks.noop_service import main

OFTEN = timedelta(seconds=5)
RING = {"ring_events": "2000"}
"""Events in the memory of the service, and of the gateway: few, so that the ring is full before the warm-up ends."""
SETTINGS = {
    "tasks_for": "20s",
    "events_for": "20s",
    "events_per_user": "20",
    "batch_idle": "10s",
    **RING,
}

if __name__ == "__main__":
    for interval in ("COMPACT_EVERY", "REAP_TASKS_EVERY", "SWEEP_EVERY"):
        setattr(server, interval, OFTEN)
    main()
