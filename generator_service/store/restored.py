"""After a backup was restored: the log that was is not the log that is, and everybody must be able to tell."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from generator_service.store.tables import log_head, tasks

SKIPPED_IDS = 10_000_000
"""Task ids passed over: those given out between backup and loss, which links and clients may still name."""


class StoreInUse(Exception):
    """Processes work on the database; they would go on from places in a log that is no more."""


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
    last_id = (connection.scalar(select(func.max(tasks.c.task_id))) or 0) + SKIPPED_IDS
    skip_ids(connection, last_id)
    return Renewed(old_epoch=head.epoch, epoch=epoch, revision=head.revision, last_id=last_id)
