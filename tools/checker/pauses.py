"""Pauses of all claims: while one holds, no task starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.checker.history import Config, Paused, Resumed
from tools.checker.log import Log
from tools.checker.violation import Guarantee, Violation

_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which claims were paused: surely from ``since`` to ``until``, perhaps from ``first`` to ``last``."""

    first: float
    since: float
    until: float
    last: float


def pauses_of(records: Sequence[Paused | Resumed]) -> Sequence[Pause]:
    """Return the pauses of an operator's calls, which are in their order; repeated pauses count as one."""
    pauses: list[Pause] = []
    paused: Paused | None = None
    for record in records:
        if isinstance(record, Paused):
            paused = paused or record
        elif paused is not None:
            pauses.append(Pause(paused.began, paused.at, record.began, record.at))
            paused = None
    if paused is not None:
        pauses.append(Pause(paused.began, paused.at, _FOREVER, _FOREVER))
    return pauses


def check_pauses(log: Log, pauses: Sequence[Pause], config: Config) -> Iterator[Violation]:
    """Check that no task starts within a pause.

    A start is dated when its transaction begins. One that begins after the pause was acknowledged must see it; one
    that was frozen meanwhile may see its end, by at most the slack.
    """
    for pause in pauses:
        for event in log.events:
            if event.type == "started" and pause.since < event.at < pause.until - config.slack:
                message = f"task {event.task_id} started {event.at - pause.since:.3f} s after claims were paused"
                yield Violation(Guarantee.PAUSED, message)
