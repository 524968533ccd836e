"""All checks over one history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

_OF_CLIENT = (Opened, SnapshotBegun, Shown, SnapshotEnded, Received, Moved, Finished)


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
    records = list(history)
    config = next((record for record in records if isinstance(record, Config)), Config())
    log = Log.of(record for record in records if isinstance(record, Logged))
    of_clients = [record for record in records if isinstance(record, _OF_CLIENT)]
    calls = [record for record in records if isinstance(record, Called)]
    readings = [record for record in records if isinstance(record, Readiness)]
    pauses = pauses_of([record for record in records if isinstance(record, Paused | Resumed)])
    disturbances = [record for record in records if isinstance(record, Disturbed)]
    webhooks = [record for record in records if isinstance(record, Hooked | Delivered | Buried)]
    violations = [
        *check_log(log, [record for record in records if isinstance(record, Stored)], config),
        *check_delivery(log, of_clients),
        *check_calls(log, calls, config),
        *check_workers(log, [record for record in records if isinstance(record, Claimed | Reported)]),
        *check_access([record for record in records if isinstance(record, Revoked | Admitted)], config),
        *check_readiness(log, readings, disturbances, pauses, config),
        *check_pauses(log, pauses, config),
        *check_webhooks(log, webhooks),
    ]
    return Verdict(
        violations=tuple(violations),
        events=len(log.events),
        tasks=len(log.by_task),
        received=sum(isinstance(record, Received) for record in of_clients),
        calls=len(calls),
        clients=len({record.client for record in of_clients}),
        reconnects=reconnects(of_clients),
        readings=len(readings),
        pauses=len(pauses),
        webhooks=sum(isinstance(record, Delivered) for record in webhooks),
    )
