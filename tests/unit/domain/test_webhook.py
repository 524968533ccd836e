"""Messages of webhooks and their signatures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from generator_service.domain import transitions
from generator_service.domain.batch import Batch
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import TaskState
from generator_service.domain.webhook import (
    RETRY_AFTER,
    Endpoint,
    Message,
    Secret,
    headers,
    message_of,
    new_secret,
    retry_after,
    signature,
)
from tests.support.store import new_task

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDS = {EventType.COMPLETED, EventType.FAILED, EventType.TIMED_OUT, EventType.CANCELLED, EventType.DELETED}
MESSAGE = Message(message_id="msg_1", user_id="ann", body=b"{}", revision=1, type="task.completed")


def event(kind: EventType = EventType.CANCELLED, user: str = "ann") -> TaskEvent:
    task = transitions.cancel(transitions.create(new_task(user), task_id=7, at=NOON), at=NOON)
    return TaskEvent(revision=42, type=kind, task=task)


def endpoint(**fields: object) -> Endpoint:
    base = Endpoint(endpoint_id="e", url="https://a.example", created_at=NOON, secrets=(Secret(new_secret()),))
    return replace(base, **fields)  # type: ignore[arg-type]  # fields of it


def test_signature_is_that_of_the_specifications_example() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends() -> None:
    old, new = new_secret(), new_secret()
    secrets = endpoint(secrets=(Secret(old),)).rotated(new, NOON + timedelta(hours=1))
    during = headers(MESSAGE, secrets, NOON)["webhook-signature"].split()
    timestamp = str(int(NOON.timestamp()))
    assert during == [signature(each, "msg_1", timestamp, b"{}") for each in (new, old)]
    after = headers(MESSAGE, secrets, NOON + timedelta(hours=1))["webhook-signature"].split()
    assert len(after) == 1
    again = endpoint(secrets=secrets).rotated(new_secret(), NOON + timedelta(hours=2))
    assert again[-1].until == NOON + timedelta(hours=1), "a later rotation prolonged the old secret"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, True),
        ({"user_id": "ann"}, True),
        ({"user_id": "bob"}, False),
        ({"types": frozenset({"task.cancelled"})}, True),
        ({"types": frozenset({"task.completed"})}, False),
    ],
)
def test_endpoints_get_the_events_that_they_select(fields: dict[str, object], wanted: bool) -> None:
    assert endpoint(**fields).wants(event()) is wanted


def test_events_that_end_nothing_are_not_delivered() -> None:
    kinds = {kind for kind in EventType if endpoint().wants(event(kind))}
    assert kinds == {*ENDS, EventType.BATCH_FINISHED}


def test_a_message_has_the_same_id_and_content_each_time() -> None:
    message = message_of(event(), "e0c4")
    assert message == message_of(event(), "e0c4")
    assert message.message_id == "evt_e0c4_42"
    content = json.loads(message.body)
    assert (content["type"], content["data"]["task_id"], content["data"]["user_id"]) == ("task.cancelled", 7, "ann")
    assert content["data"]["error"]["code"] == "cancelled"


def test_the_message_of_a_batch_has_its_counts() -> None:
    batch = Batch(
        user_id="ann",
        batch_id="spring",
        created_at=NOON,
        closed=True,
        finished_at=NOON,
        counts={TaskState.COMPLETED: 3, TaskState.FAILED: 1, TaskState.PENDING: 0},
    )
    message = message_of(replace(event(EventType.BATCH_FINISHED), batch=batch), "e0c4")
    content = json.loads(message.body)
    assert (message.type, content["type"], content["timestamp"]) == (
        "batch.finished",
        "batch.finished",
        NOON.isoformat(),
    )
    assert content["data"]["batch_id"] == "spring"
    assert content["data"]["counts"] == {"completed": 3, "failed": 1}


def test_waits_between_attempts_are_shorter_than_events_are_stored() -> None:
    assert [retry_after(failures) for failures in range(1, len(RETRY_AFTER) + 1)] == list(RETRY_AFTER)
    assert retry_after(len(RETRY_AFTER) + 1) is None
    assert sum(RETRY_AFTER, timedelta()) < timedelta(hours=12)
