"""Rotating the log epoch after a restore, so that stale cursors are detected."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, inspect, select, update

from generator_service.store.tables import image_store, log_head, tasks

SKIPPED_IDS = 10_000_000
"""Task ids passed over: those given out between backup and loss, which links and clients may still name."""


class StoreInUse(Exception):
    """Processes use the database; they would continue from positions in a log that no longer exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What a restored log is called now, and where it goes on."""

    old_epoch: str
    epoch: str
    revision: int
    last_id: int
    """The next task's id is greater."""


def renew_log(connection: Connection, skip_ids: Callable[[Connection, int], object]) -> Renewed:
    """Give the log a new epoch, so that no cursor of the lost one is resumed: its clients get a snapshot instead.

    ``skip_ids`` makes sure that the ids of new tasks are greater than a number.
    """
    head = connection.execute(select(log_head.c.epoch, log_head.c.revision).with_for_update()).one()
    epoch = secrets.token_hex(8)
    connection.execute(update(log_head).values(epoch=epoch))
    # The image store may be in use by the database that was backed up: it has to be adopted explicitly.
    # A backup of an older release has no such table, and is not bound yet when it has been migrated.
    if inspect(connection).has_table(image_store.name):
        connection.execute(delete(image_store))
        connection.execute(insert(image_store).values(id=1, binding=secrets.token_hex(16), confirmed=1))
    last_id = (connection.scalar(select(func.max(tasks.c.task_id))) or 0) + SKIPPED_IDS
    skip_ids(connection, last_id)
    return Renewed(old_epoch=head.epoch, epoch=epoch, revision=head.revision, last_id=last_id)
