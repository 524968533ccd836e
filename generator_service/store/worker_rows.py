"""Rows of live workers: renewed by each worker, expired by queue time, removed by an orderly stop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select, update

from generator_service.domain.task_options import Engine
from generator_service.domain.worker_info import WorkerInfo
from generator_service.store.queue_clock import QueueClock
from generator_service.store.tables import workers
from generator_service.store.unit_of_work import UnitOfWork


def renew(uow: UnitOfWork, worker: WorkerInfo, lasts: timedelta) -> None:
    """Store or renew a worker's row, and delete expired ones of others."""
    values = {
        "host": worker.host,
        "version": worker.version,
        "slots": worker.slots,
        "engines": ",".join(worker.engines),
        "expires_at": uow.queue_time + lasts,
    }
    if not uow.query(update(workers).where(workers.c.name == worker.name).values(values)).rowcount:
        uow.query(insert(workers).values(name=worker.name, **values))
    # Rows that their worker renews at this moment are skipped, not waited for.
    expired = select(workers.c.name).where(workers.c.expires_at <= uow.queue_time).with_for_update(skip_locked=True)
    if names := uow.query(expired).scalars().all():
        uow.query(delete(workers).where(workers.c.name.in_(names)))
    uow.count_changes()


def remove(uow: UnitOfWork, name: str) -> None:
    """Delete a worker's row; without one, nothing changes."""
    uow.count_changes(uow.query(delete(workers).where(workers.c.name == name)).rowcount)


def read(connection: Connection, clock: QueueClock) -> Sequence[WorkerInfo]:
    """Read the live workers in the order of their names."""
    found = connection.execute(
        select(workers).where(workers.c.expires_at > clock.read(connection)).order_by(workers.c.name)
    )
    return [
        WorkerInfo(
            name=row.name,
            host=row.host,
            version=row.version,
            slots=row.slots,
            # Engines of a newer release are left out.
            engines=[Engine(name) for name in row.engines.split(",") if name in set(Engine)],
        )
        for row in found
    ]
