"""API keys in the database: changed by a unit of work, read by a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from generator_service.domain.api_key import ApiKey
from generator_service.domain.errors import ApiKeyNotFound
from generator_service.store.tables import api_keys
from generator_service.store.unit_of_work import UnitOfWork


def create(uow: UnitOfWork, key: ApiKey) -> None:
    """Store a new key."""
    values = {
        "key_id": key.key_id,
        "name": key.name,
        "secret_hash": key.secret_hash,
        "user_id": key.user_id,
        "scopes": " ".join(sorted(key.scopes)),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
    }
    uow.query(insert(api_keys).values(values))
    uow.count_changes()


def revoke(uow: UnitOfWork, key_id: str) -> ApiKey:
    """Revoke a key; a revoked one keeps its time."""
    found = uow.query(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    if found is None:
        raise ApiKeyNotFound(key_id)
    if found.revoked_at is None:
        uow.query(update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=uow.now))
        uow.count_changes()
        found = uow.query(select(api_keys).where(api_keys.c.key_id == key_id)).one()
    return _key(found)


def record_use(uow: UnitOfWork, used: Mapping[str, datetime]) -> None:
    """Record the latest uses of keys, unless another process recorded a later one."""
    for key_id, at in used.items():
        earlier = api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at < at)
        uow.query(update(api_keys).where(api_keys.c.key_id == key_id, earlier).values(last_used_at=at))
    uow.count_changes()


def all_keys(connection: Connection) -> Sequence[ApiKey]:
    """Read all keys, oldest first."""
    found = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id))
    return [_key(row) for row in found]


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        secret_hash=row.secret_hash,
        user_id=row.user_id,
        scopes=frozenset(row.scopes.split()),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
