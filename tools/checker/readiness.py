"""Readiness: whenever the queue stalled for longer than the bound, it was reported, and never otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.checker.history import Config, Disturbed, Logged, Readiness
from tools.checker.log import Log
from tools.checker.pauses import Pause
from tools.checker.violation import Guarantee, Violation

_NO_ATTEMPT = frozenset({"created", "cancelled", "deleted", "reviewed"})
"""Events that show no attempt starting or ending."""
STALLED = "queue_stalled"
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Stall:
    """A time in which tasks could run, slots were free, and no attempt started or ended."""

    begin: float
    end: float


def check_readiness(
    log: Log,
    readings: Sequence[Readiness],
    disturbances: Sequence[Disturbed],
    pauses: Sequence[Pause],
    config: Config,
) -> Iterator[Violation]:
    """Check every reading against the stalls in the log; while all claims are paused, nothing is stalled."""
    if not config.stalled_after or not readings:
        return
    of_all = [pause for pause in pauses if not pause.engine]
    stalls = [part for stall in _stalls(log, config) for part in _without(stall, of_all)]
    resets = [each.at for each in disturbances]
    for reading in readings:
        within = [stall for stall in stalls if stall.begin <= reading.began and reading.at <= stall.end]
        stalled_since = max((stall.begin for stall in within), default=None)
        if stalled_since is not None:
            stalled_since = max([stalled_since, *(at for at in resets if at <= reading.at)])
            lasted = reading.began - stalled_since
            if reading.ready and lasted > config.stalled_after + config.readiness_lag + config.slack:
                message = f"at {reading.at:.1f}, ready after {lasted:.1f} s without an attempt"
                yield Violation(Guarantee.TRUTHFUL, message)
        if STALLED in reading.reasons:
            late = config.readiness_lag + config.slack
            longest = max(
                (reading.at - stall.begin for stall in stalls if stall.begin <= reading.at <= stall.end + late),
                default=0.0,
            )
            if longest + config.slack < config.stalled_after:
                message = f"at {reading.at:.1f}, reported a stalled queue after {longest:.1f} s without an attempt"
                yield Violation(Guarantee.TRUTHFUL, message)


def _stalls(log: Log, config: Config) -> Iterator[_Stall]:
    """Yield the stalls. A task that waits for its time does not count before it."""
    pending: dict[int, Logged] = {}
    running: dict[int, Logged] = {}
    since: float | None = None
    for number, event in enumerate(log.events):
        moved = event.type not in _NO_ATTEMPT
        (pending.__setitem__(event.task_id, event) if event.state == "pending" else pending.pop(event.task_id, None))
        if event.state == "processing":
            running[event.task_id] = event
        else:
            running.pop(event.task_id, None)
        due = _due(pending, running, config)
        if moved or due is None:
            if since is not None and event.at > since:
                yield _Stall(since, event.at)
            since = None
        if due is not None and since is None:
            since = max(event.at, due)
        following = log.events[number + 1].at if number + 1 < len(log.events) else _FOREVER
        if since is not None and following == _FOREVER:
            yield _Stall(since, _FOREVER)


def _without(stall: _Stall, pauses: Sequence[Pause]) -> Iterator[_Stall]:
    """Yield the parts of a stall outside of the pauses, which are in order."""
    begin = stall.begin
    for pause in pauses:
        if pause.first > begin:
            yield _Stall(begin, min(stall.end, pause.first))
        begin = max(begin, pause.last)
        if begin >= stall.end:
            return
    yield _Stall(begin, stall.end)


def _due(pending: dict[int, Logged], running: dict[int, Logged], config: Config) -> float | None:
    """Return since when a task could run in a free slot; None if none can."""
    if config.slots and len(running) >= config.slots:
        return None
    of_user = Counter(event.user for event in running.values())
    free = [
        event.run_at
        for event in pending.values()
        if not config.running_per_user or of_user[event.user] < config.running_per_user
    ]
    return min(free, default=None)
