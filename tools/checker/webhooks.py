"""Guarantees about webhooks: each end of a task reaches each endpoint, in the order of the log, once after dedupe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.checker.history import Buried, Delivered, Hooked, Logged
from tools.checker.log import Log
from tools.checker.violation import Guarantee, Violation

_TYPES = {
    "completed": "task.completed",
    "failed": "task.failed",
    "timeout": "task.timed_out",
    "cancelled": "task.cancelled",
    "deleted": "task.deleted",
}
"""The messages' types by those of the log; other events are not delivered."""


def check_webhooks(log: Log, records: Sequence[Hooked | Delivered | Buried]) -> Iterator[Violation]:
    """Check each endpoint; its deliveries are in the order of their arrival."""
    for endpoint in [record for record in records if isinstance(record, Hooked)]:
        expected = [
            event
            for event in log.events
            if event.type in _TYPES and event.revision > endpoint.after and endpoint.user in {"", event.user}
        ]
        of_endpoint = [record for record in records if record.endpoint == endpoint.endpoint]
        arrived = [record for record in of_endpoint if isinstance(record, Delivered)]
        buried = {record.message_id for record in of_endpoint if isinstance(record, Buried)}
        yield from _check_endpoint(endpoint.endpoint, log, expected, arrived, buried)


def _check_endpoint(
    name: str, log: Log, expected: Sequence[Logged], arrived: Sequence[Delivered], buried: set[str]
) -> Iterator[Violation]:
    place = {event.revision: number for number, event in enumerate(expected)}
    ids: dict[int, set[str]] = defaultdict(set)
    settled: set[int] = set()
    following = 0
    """The first expected event that was neither accepted nor given up."""
    for message in arrived:
        event = log.by_user.get(message.user, {}).get(message.seq)
        found = None if event is None else (event.task_id, _TYPES.get(event.type))
        if event is None or found != (message.task_id, message.type):
            text = f"{message.type} of task {message.task_id} with seq {message.seq}; the log has {found} there"
            yield Violation(Guarantee.PAYLOAD, f"{name}: {text}")
            continue
        if (number := place.get(event.revision)) is None:
            text = f"{message.type} of task {message.task_id} of {message.user} is not for this endpoint"
            yield Violation(Guarantee.ISOLATED, f"{name}: {text}")
            continue
        if not message.signed:
            yield Violation(Guarantee.WEBHOOK_SIGNED, f"{name}: {message.message_id} has no valid signature")
        ids[number].add(message.message_id)
        if number > following:
            skipped = expected[following]
            text = f"{message.message_id} arrived before {skipped.type} of task {skipped.task_id} was accepted"
            yield Violation(Guarantee.WEBHOOK_ORDER, f"{name}: {text}")
        if message.accepted or message.message_id in buried:
            settled.add(number)
        while following in settled:
            following += 1
    yield from _check_ids(name, expected, ids)
    for number, event in enumerate(expected):
        if number not in settled:
            text = f"{_TYPES[event.type]} of task {event.task_id} (revision {event.revision}) was never accepted"
            yield Violation(Guarantee.WEBHOOK_DELIVERED, f"{name}: {text}")


def _check_ids(name: str, expected: Sequence[Logged], ids: dict[int, set[str]]) -> Iterator[Violation]:
    """Check that ids and events are one to one, so that a receiver that drops repeated ids has each event once."""
    events: dict[str, set[int]] = defaultdict(set)
    for number, of_event in ids.items():
        if len(of_event) > 1:
            text = f"{expected[number].type} of task {expected[number].task_id} came as {sorted(of_event)}"
            yield Violation(Guarantee.WEBHOOK_ONCE, f"{name}: {text}")
        for message_id in of_event:
            events[message_id].add(number)
    for message_id, numbers in events.items():
        if len(numbers) > 1:
            tasks = sorted({expected[number].task_id for number in numbers})
            yield Violation(Guarantee.WEBHOOK_ONCE, f"{name}: {message_id} stands for events of the tasks {tasks}")
