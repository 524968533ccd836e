"""Webhook endpoints, their messages and signatures (Standard Webhooks). Pure.

A message is signed with every secret of its endpoint that is valid: after a rotation the old one signs along for a
while, so that the receiver can change over at any time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from generator_service.domain.batch import Batch
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task

SECRET_PREFIX = "whsec_"  # noqa: S105  (what every secret begins with)
TYPES: Mapping[EventType, str] = {
    EventType.COMPLETED: "task.completed",
    EventType.FAILED: "task.failed",
    EventType.TIMED_OUT: "task.timed_out",
    EventType.CANCELLED: "task.cancelled",
    EventType.DELETED: "task.deleted",
    EventType.BATCH_FINISHED: "batch.finished",
}
"""The events that are delivered, by their names for receivers."""
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400))
"""Waits after the failed attempts of one message; after the last one it is a dead letter. Eight and a half hours."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, and until when it signs; None: until it is rotated."""

    text: str
    until: datetime | None = None

    def signs(self, now: datetime) -> bool:
        """Return whether it signs at a time."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address that events are delivered to, and how far it has come."""

    endpoint_id: str
    url: str
    user_id: str | None = None
    """Only events of this user's tasks; None: of all users."""
    types: frozenset[str] = frozenset()
    """Names of the delivered events; empty: all of `TYPES`."""
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
    """The current one first."""
    created_at: datetime
    position: int = 0
    """Revision of the log up to which everything was delivered or is a dead letter."""
    failures: int = 0
    """Failed attempts in a row."""
    next_attempt_at: datetime | None = None
    """Not before this queue time; None: at once."""
    last_error: str = ""

    def wants(self, event: TaskEvent) -> bool:
        """Return whether an event is to be delivered to this endpoint."""
        name = TYPES.get(event.type)
        return (
            name is not None
            and (not self.types or name in self.types)
            and (self.user_id is None or self.user_id == event.user_id)
        )

    def rotated(self, secret: str, keep_until: datetime) -> tuple[Secret, ...]:
        """Return the secrets after a rotation: the new one, and those before until ``keep_until`` at most."""
        kept = (
            replace(each, until=keep_until if each.until is None else min(each.until, keep_until))
            for each in self.secrets
        )
        return (Secret(secret), *kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to an endpoint. The same event always has the same id, so that receivers can drop repetitions."""

    message_id: str
    user_id: str
    """Owner of the task that it is about."""
    body: bytes
    revision: int
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be delivered."""

    number: int
    endpoint_id: str
    message: Message
    failed_at: datetime
    attempts: int
    error: str
    replayed: bool = False
    """Whether its delivery was requested again."""


def message_of(event: TaskEvent, epoch: str) -> Message:
    """Return the message of an event that is delivered."""
    name = TYPES[event.type]
    data = _task_data(event.task) if event.batch is None else _batch_data(event.batch)
    body = {"type": name, "timestamp": event.occurred_at.isoformat(), "data": data}
    return Message(
        message_id=f"evt_{epoch}_{event.revision}",
        user_id=event.user_id,
        body=json.dumps(body, separators=(",", ":")).encode(),
        revision=event.revision,
        type=name,
    )


def _batch_data(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "user_id": batch.user_id,
        "created_at": batch.created_at.isoformat(),
        "finished_at": None if batch.finished_at is None else batch.finished_at.isoformat(),
        "counts": {state.value: count for state, count in batch.counts.items() if count},
    }


def _task_data(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "user_id": task.user_id,
        "state": task.state.value,
        "seq": task.seq,
        "filename": task.input.filename,
        "created_at": task.created_at.isoformat(),
        "finished_at": None if task.finished_at is None else task.finished_at.isoformat(),
        "source_task_id": task.source_task_id,
        "batch_id": task.batch_id,
        "error": None if task.error is None else {"code": task.error.code, "message": task.error.message},
        "result": None
        if task.result is None
        else {
            "engine": task.result.engine.value,
            "content_type": task.result.format.content_type,
            "width": task.result.width,
            "height": task.result.height,
            "size_bytes": task.result.size_bytes,
        },
    }


def new_secret() -> str:
    """Return a new signing secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(message: Message, keys: Sequence[Secret], now: datetime) -> dict[str, str]:
    """Return the headers that identify and sign a message at a time."""
    timestamp = str(int(now.timestamp()))
    signatures = (signature(each.text, message.message_id, timestamp, message.body) for each in keys if each.signs(now))
    return {
        "webhook-id": message.message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message: ``v1,`` and an HMAC-SHA-256 in Base64.

    Raises:
        ValueError: the secret is none of `new_secret`.

    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not Base64") from error
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def retry_after(failures: int) -> timedelta | None:
    """Return the wait after so many failed attempts of a message; None if there are no more attempts."""
    return RETRY_AFTER[failures - 1] if failures <= len(RETRY_AFTER) else None
