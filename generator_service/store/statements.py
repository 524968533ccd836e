"""The statements of the hot path, built once: building one costs far more than running it.

Locks are for databases with several writers; SQLite, which has but one, knows none and renders none. States that a
partial index is about stand in the statement itself, or the index would not be found.
"""

from __future__ import annotations

from sqlalchemy import and_, bindparam, insert, literal_column, select, update

from generator_service.domain.task import TaskState
from generator_service.store.tables import events, log_head, tasks, users

USER = select(users).where(users.c.user_id == bindparam("user_id"))
FREE_USER = USER.with_for_update(skip_locked=True)
TASK = select(tasks).where(tasks.c.task_id == bindparam("task_id"))
TASK_BY_KEY = select(tasks).where(
    tasks.c.user_id == bindparam("user_id"), tasks.c.idempotency_key == bindparam("idempotency_key")
)
TASK_BY_PICTURE = (
    select(tasks)
    .where(
        tasks.c.user_id == bindparam("user_id"),
        tasks.c.picture_key == bindparam("picture_key"),
        tasks.c.state == TaskState.COMPLETED.value,
    )
    .order_by(tasks.c.task_id.desc())
    .limit(1)
)

ADD_USER = insert(users)
ADVANCE_USER = (
    update(users)
    .where(users.c.user_id == bindparam("of_user"))
    .values(
        seq=users.c.seq + 1,
        pending=users.c.pending + bindparam("more_pending"),
        running=users.c.running + bindparam("more_running"),
    )
    .returning(users.c.seq)
)
ADD_TASK = insert(tasks).returning(tasks.c.task_id)
CHANGE_TASK = update(tasks).where(tasks.c.task_id == bindparam("of_task"))
ADVANCE_LOG = (
    update(log_head)
    .where(log_head.c.id == 1)
    .values(revision=log_head.c.revision + bindparam("more"))
    .returning(log_head.c.revision)
)
ADD_EVENTS = insert(events)
NOTE_COMPACTED = (
    update(log_head)
    .where(log_head.c.id == 1, log_head.c.compacted_revision < bindparam("through"))
    .values(compacted_revision=bindparam("through"))
)

_RUNNABLE = and_(
    tasks.c.state == literal_column(f"'{TaskState.PENDING.value}'"),
    tasks.c.run_at <= bindparam("now", type_=tasks.c.run_at.type),
)
# One candidate per waiting user, so that the cost grows with the users who wait and not with their tasks. A user who is
# being changed by another process is passed over, and so is a task that was taken after this statement began to look:
# that process's commit is a hint to look again.
NEXT = (
    select(tasks)
    .join_from(
        users,
        tasks,
        tasks.c.task_id
        == select(tasks.c.task_id)
        .where(_RUNNABLE, tasks.c.user_id == users.c.user_id)
        .order_by(tasks.c.priority.desc(), tasks.c.task_id)
        .limit(1)
        .correlate(users)
        .scalar_subquery(),
    )
    .where(_RUNNABLE, users.c.pending > 0, users.c.running < bindparam("running_per_user"))
    .order_by(tasks.c.priority.desc(), users.c.running, tasks.c.task_id)
    .limit(1)
    .with_for_update(of=[users, tasks], skip_locked=True)
)
BEAT = (
    update(tasks)
    .where(
        tasks.c.task_id == bindparam("of_task"),
        tasks.c.state == TaskState.PROCESSING.value,
        tasks.c.lease_owner == bindparam("owner"),
        tasks.c.attempt == bindparam("of_attempt"),
    )
    .values(
        lease_expires_at=bindparam("until", type_=tasks.c.lease_expires_at.type),
        progress=bindparam("percent"),
        stage=bindparam("at_stage"),
    )
)
_EXPIRED = and_(
    tasks.c.state == literal_column(f"'{TaskState.PROCESSING.value}'"),
    tasks.c.lease_expires_at <= bindparam("now", type_=tasks.c.lease_expires_at.type),
)
USERS_OF_EXPIRED = (
    select(users.c.user_id)
    .where(users.c.user_id.in_(select(tasks.c.user_id).where(_EXPIRED)))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
EXPIRED = select(tasks).where(_EXPIRED).order_by(tasks.c.user_id, tasks.c.task_id)
EVENTS_AFTER = (
    select(events).where(events.c.revision > bindparam("after")).order_by(events.c.revision).limit(bindparam("at_most"))
)
LOG_HEAD = select(log_head).where(log_head.c.id == 1)
