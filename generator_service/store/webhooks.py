"""Webhook endpoints in the database: changed by a unit of work, read by a connection.

One process at a time delivers to an endpoint: it claims the row, renews the claim, and every further change shows it.
So the order of the log is the order of deliveries, whatever the number of processes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, func, insert, or_, select, update

from generator_service.domain.errors import InvalidRequest, WebhookNotFound
from generator_service.domain.webhook import DeadLetter, Endpoint, Message, Secret
from generator_service.store.tables import log_head, webhook_dead_letters, webhook_endpoints
from generator_service.store.unit_of_work import UnitOfWork

MAX_ENDPOINTS = 100
"""Endpoints of all users together."""
MAX_SECRETS = 10
"""Secrets of one endpoint that sign: receivers limit the length of a header."""
MAX_DEAD_LETTERS = 10_000
"""Dead letters of one endpoint; older ones are deleted."""
_ENDPOINT = select(webhook_endpoints)
_HEAD = select(log_head.c.revision).where(log_head.c.id == 1).scalar_subquery()


def create(uow: UnitOfWork, endpoint: Endpoint) -> Endpoint:
    """Store a new endpoint, which begins at the present end of the log.

    Raises:
        InvalidRequest: there are `MAX_ENDPOINTS` already.

    """
    position = uow.lock_head().revision
    # After the lock, which all processes that create endpoints take: none is missed.
    if uow.query(select(func.count()).select_from(webhook_endpoints)).scalar_one() >= MAX_ENDPOINTS:
        raise InvalidRequest("url", f"there are {MAX_ENDPOINTS} endpoints already; delete one")
    placed = replace(endpoint, position=position)
    values = {
        "endpoint_id": placed.endpoint_id,
        "url": placed.url,
        "user_id": placed.user_id,
        "types": json.dumps(sorted(placed.types)),
        "secrets": _secrets_text(placed.secrets),
        "created_at": placed.created_at,
        "position": position,
        "failures": 0,
        "last_error": "",
    }
    uow.query(insert(webhook_endpoints).values(values))
    uow.count_changes()
    return placed


def remove(uow: UnitOfWork, endpoint_id: str) -> None:
    """Delete an endpoint with its dead letters."""
    _require(uow, endpoint_id)
    uow.query(delete(webhook_dead_letters).where(webhook_dead_letters.c.endpoint_id == endpoint_id))
    uow.query(delete(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == endpoint_id))
    uow.count_changes()


def rotate(uow: UnitOfWork, endpoint_id: str, secret: str, keep: timedelta) -> Endpoint:
    """Give an endpoint a new secret; those before sign along for ``keep``."""
    before = _require(uow, endpoint_id)
    rotated = before.rotated(secret, uow.now + keep)
    after = replace(before, secrets=tuple(each for each in rotated if each.signs(uow.now)))
    if len(after.secrets) > MAX_SECRETS:
        raise InvalidRequest("keep_old", f"{MAX_SECRETS} secrets are valid already; end the earlier ones at once (0 s)")
    uow.query(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.endpoint_id == endpoint_id)
        # Without its claim, a delivery under way goes on with the new secret.
        .values(secrets=_secrets_text(after.secrets), **_free(uow))
    )
    uow.count_changes()
    return after


def _require(uow: UnitOfWork, endpoint_id: str) -> Endpoint:
    row = uow.query(_ENDPOINT.where(webhook_endpoints.c.endpoint_id == endpoint_id).with_for_update()).one_or_none()
    if row is None:
        raise WebhookNotFound(endpoint_id)
    return _endpoint(row)


def claim(uow: UnitOfWork, owner: str, lease_for: timedelta, limit: int) -> Sequence[Endpoint]:
    """Claim endpoints that have something to deliver and that no other process delivers to.

    Those come first whose last turn is longest ago, so that none waits for the second turn of another.
    """
    now, table = uow.queue_time, webhook_endpoints.c
    replays = exists().where(
        webhook_dead_letters.c.endpoint_id == table.endpoint_id, webhook_dead_letters.c.replayed == 1
    )
    due = and_(
        or_(table.claimed_until.is_(None), table.claimed_until <= now),
        or_(table.next_attempt_at.is_(None), table.next_attempt_at <= now),
        or_(table.position < _HEAD, replays),
    )
    found = uow.query(
        _ENDPOINT.where(due)
        .order_by(table.claimed_until.nulls_first(), table.endpoint_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if found:
        uow.query(
            update(webhook_endpoints)
            .where(table.endpoint_id.in_([row.endpoint_id for row in found]))
            .values(claimed_by=owner, claimed_until=now + lease_for)
        )
        uow.count_changes()
    return [_endpoint(row) for row in found]


def renew(uow: UnitOfWork, owner: str, endpoint_ids: Collection[str], lease_for: timedelta) -> set[str]:
    """Prolong claims; return the endpoints whose claims are lost."""
    until = uow.queue_time + lease_for
    return {each for each in sorted(endpoint_ids) if not _change(uow, each, owner, {"claimed_until": until})}


def advance(uow: UnitOfWork, endpoint_id: str, owner: str, position: int, *, delivered: bool) -> bool:
    """Record that everything up to a position is done; a delivery ends a row of failures. False: the claim is lost."""
    healthy = {"failures": 0, "next_attempt_at": None, "last_error": ""} if delivered else {}
    return _change(uow, endpoint_id, owner, {"position": position, **healthy})


def fail(uow: UnitOfWork, endpoint_id: str, owner: str, *, failures: int, wait: timedelta, error: str) -> bool:
    """Record a failed attempt, and release the claim until the next one. False: the claim is lost."""
    values = {
        "failures": failures,
        "next_attempt_at": uow.queue_time + wait,
        "last_error": error,
        **_free(uow),
    }
    return _change(uow, endpoint_id, owner, values)


def release(uow: UnitOfWork, endpoint_id: str, owner: str) -> bool:
    """Release a claim. False: it is lost."""
    return _change(uow, endpoint_id, owner, _free(uow))


def release_all(uow: UnitOfWork, owner: str) -> None:
    """Release all claims of an owner."""
    uow.query(update(webhook_endpoints).where(webhook_endpoints.c.claimed_by == owner).values(_free(uow)))
    uow.count_changes()


def bury(uow: UnitOfWork, endpoint_id: str, owner: str, message: Message, *, attempts: int, error: str) -> bool:
    """Record a message as a dead letter, and go on after it. False: the claim is lost."""
    values = {"position": message.revision, "failures": attempts, "next_attempt_at": None, "last_error": error}
    if not _change(uow, endpoint_id, owner, values):
        return False
    letter = {
        "endpoint_id": endpoint_id,
        "user_id": message.user_id,
        "message_id": message.message_id,
        "type": message.type,
        "revision": message.revision,
        "body": message.body.decode(),
        "failed_at": uow.now,
        "attempts": attempts,
        "error": error,
        "replayed": 0,
    }
    uow.query(insert(webhook_dead_letters).values(letter))
    of_endpoint = webhook_dead_letters.c.endpoint_id == endpoint_id
    newest = select(webhook_dead_letters.c.number).where(of_endpoint).order_by(webhook_dead_letters.c.number.desc())
    oldest_kept = uow.query(newest.offset(MAX_DEAD_LETTERS - 1).limit(1)).scalar()
    if oldest_kept is not None:
        uow.query(delete(webhook_dead_letters).where(of_endpoint, webhook_dead_letters.c.number < oldest_kept))
    return True


def _free(uow: UnitOfWork) -> Mapping[str, Any]:
    """Return the values that release a claim; its end remains, for the order of turns."""
    return {"claimed_by": None, "claimed_until": uow.queue_time}


def _change(uow: UnitOfWork, endpoint_id: str, owner: str, values: Mapping[str, Any]) -> bool:
    held = and_(
        webhook_endpoints.c.endpoint_id == endpoint_id,
        webhook_endpoints.c.claimed_by == owner,
        webhook_endpoints.c.claimed_until > uow.queue_time,
    )
    changed = uow.query(update(webhook_endpoints).where(held).values(values)).rowcount
    uow.count_changes(changed)
    return bool(changed)


def request_replay(uow: UnitOfWork, endpoint_id: str, numbers: Collection[int]) -> int:
    """Request the delivery of dead letters, of all where none is named; return how many."""
    _require(uow, endpoint_id)
    wanted = [webhook_dead_letters.c.endpoint_id == endpoint_id]
    if numbers:
        wanted.append(webhook_dead_letters.c.number.in_(list(numbers)))
    count = uow.query(update(webhook_dead_letters).where(*wanted).values(replayed=1)).rowcount
    uow.query(
        update(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == endpoint_id).values(next_attempt_at=None)
    )
    uow.count_changes()
    return count


def replayed(uow: UnitOfWork, endpoint_id: str, owner: str, number: int, error: str | None) -> bool:
    """Record the outcome of a replay: delivered letters are deleted, others stay. False: the claim is lost."""
    if not _change(uow, endpoint_id, owner, {"claimed_by": owner}):
        return False
    letter = webhook_dead_letters.c.number == number
    if error is None:
        uow.query(delete(webhook_dead_letters).where(letter))
    else:
        attempts = webhook_dead_letters.c.attempts + 1
        uow.query(update(webhook_dead_letters).where(letter).values(replayed=0, attempts=attempts, error=error))
    return True


def endpoints(connection: Connection) -> Sequence[Endpoint]:
    """Read all endpoints, oldest first."""
    found = connection.execute(_ENDPOINT.order_by(webhook_endpoints.c.created_at, webhook_endpoints.c.endpoint_id))
    return [_endpoint(row) for row in found]


def dead_letters(
    connection: Connection, endpoint_id: str, *, after: int, limit: int, replayed_only: bool
) -> Sequence[DeadLetter]:
    """Read dead letters of an endpoint with a higher number, oldest first."""
    table = webhook_dead_letters.c
    wanted = select(webhook_dead_letters).where(table.endpoint_id == endpoint_id, table.number > after)
    if replayed_only:
        wanted = wanted.where(table.replayed == 1)
    return [_letter(row) for row in connection.execute(wanted.order_by(table.number).limit(limit))]


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        endpoint_id=row.endpoint_id,
        url=row.url,
        user_id=row.user_id,
        types=frozenset(json.loads(row.types)),
        secrets=tuple(
            Secret(each["secret"], None if each["until"] is None else datetime.fromisoformat(each["until"]))
            for each in json.loads(row.secrets)
        ),
        created_at=row.created_at,
        position=row.position,
        failures=row.failures,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
    )


def _secrets_text(secrets: Sequence[Secret]) -> str:
    return json.dumps(
        [{"secret": each.text, "until": None if each.until is None else each.until.isoformat()} for each in secrets]
    )


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        number=row.number,
        endpoint_id=row.endpoint_id,
        message=Message(
            message_id=row.message_id, user_id=row.user_id, body=row.body.encode(), revision=row.revision, type=row.type
        ),
        failed_at=row.failed_at,
        attempts=row.attempts,
        error=row.error,
        replayed=bool(row.replayed),
    )
