"""All checks over one history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.checker.calls import check_access, check_calls, check_workers
from tools.checker.delivery import check_delivery, reconnects
from tools.checker.history import (
    Admitted,
    Buried,
    Called,
    Claimed,
    Config,
    Delivered,
    Disturbed,
    Finished,
    Hooked,
    Logged,
    Moved,
    Opened,
    Paused,
    Readiness,
    Received,
    Record,
    Reported,
    Resumed,
    Revoked,
    Shown,
    SnapshotBegun,
    SnapshotEnded,
    Stored,
)
from tools.checker.log import Log, check_log
from tools.checker.pauses import check_pauses, pauses_of
from tools.checker.readiness import check_readiness
from tools.checker.violation import Violation
from tools.checker.webhooks import check_webhooks

_ORDERED: tuple[tuple[type[Record], ...], ...] = (
    (Config,),
    (Logged,),
    (Stored,),
    (Opened, SnapshotBegun, Shown, SnapshotEnded, Received, Moved, Finished),
    (Called,),
    (Claimed, Reported),
    (Readiness,),
    (Disturbed,),
    (Revoked, Admitted),
    (Paused, Resumed),
    (Hooked, Delivered, Buried),
)
"""All kinds of records; those of a group are checked together, in their order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The violations found, and how much was checked."""

    violations: tuple[Violation, ...]
    events: int
    tasks: int
    received: int
    calls: int
    clients: int
    reconnects: int
    readings: int
    pauses: int
    webhooks: int
    """Messages that arrived, repeated ones too."""

    def __str__(self) -> str:
        checked = (
            f"{self.events} events of {self.tasks} tasks, {self.received} received by {self.clients} clients over "
            f"{self.reconnects} reconnects, {self.calls} calls, {self.readings} readings of readiness, "
            f"{self.pauses} pauses, {self.webhooks} webhooks"
        )
        found = "".join(f"\n  {violation}" for violation in self.violations)
        return f"{checked}: {len(self.violations)} violations{found}"


def check(history: Iterable[Record]) -> Verdict:
    """Check a history. Records of one writer are in the order in which it wrote them; writers may be interleaved."""
    of: dict[type[Record], list[Any]] = {}
    for kinds in _ORDERED:
        together: list[Any] = []
        of.update((kind, together) for kind in kinds)
    for record in history:
        of[type(record)].append(record)
    config = next(iter(of[Config]), Config())
    log = Log.of(of[Logged])
    pauses = pauses_of(of[Paused])
    violations = [
        *check_log(log, of[Stored], config),
        *check_delivery(log, of[Received]),
        *check_calls(log, of[Called], config),
        *check_workers(log, of[Claimed]),
        *check_access(of[Revoked], config),
        *check_readiness(log, of[Readiness], of[Disturbed], pauses, config),
        *check_pauses(log, pauses, config),
        *check_webhooks(log, of[Hooked]),
    ]
    return Verdict(
        violations=tuple(violations),
        events=len(log.events),
        tasks=len(log.by_task),
        received=sum(isinstance(record, Received) for record in of[Received]),
        calls=len(of[Called]),
        clients=len({record.client for record in of[Received]}),
        reconnects=reconnects(of[Received]),
        readings=len(of[Readiness]),
        pauses=len(pauses),
        webhooks=sum(isinstance(record, Delivered) for record in of[Hooked]),
    )
