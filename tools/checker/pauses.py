"""Pauses of all claims, or of an engine's: while one holds, no such attempt starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.checker.history import Config, Paused, Resumed
from tools.checker.log import Log
from tools.checker.violation import Guarantee, Violation

_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause, surely from ``since`` to the revision ``head``, perhaps ``first`` to ``last``.

    ``engine`` is empty for a pause of all claims.
    """

    engine: str
    first: float
    since: float
    head: int
    last: float


def pauses_of(records: Sequence[Paused | Resumed]) -> Sequence[Pause]:
    """Return the pauses of an operator's calls, which are in their order; repeated pauses count as one."""
    pauses: list[Pause] = []
    begun: dict[str, Paused] = {}
    for record in records:
        if isinstance(record, Paused):
            begun.setdefault(record.engine, record)
        elif (paused := begun.pop(record.engine, None)) is not None:
            pauses.append(Pause(record.engine, paused.began, paused.at, record.head, record.at))
    pauses += [Pause(engine, paused.began, paused.at, sys.maxsize, _FOREVER) for engine, paused in begun.items()]
    return pauses


def check_pauses(log: Log, pauses: Sequence[Pause], config: Config) -> Iterator[Violation]:
    """Check that no attempt starts within a pause of its engine or of all claims.

    A start is dated before its transaction commits, and the end of a pause is a revision read before the call that
    ends it, so neither a frozen process nor a slow call blurs the bounds.
    """
    for pause in pauses:
        for event in log.events:
            within = pause.since + config.paused_within < event.at and event.revision <= pause.head
            if event.type == "started" and within and pause.engine in {"", event.engine}:
                paused = f"claims for {pause.engine}" if pause.engine else "all claims"
                message = f"task {event.task_id} started {event.at - pause.since:.3f} s after {paused} were paused"
                yield Violation(Guarantee.PAUSED, message)
