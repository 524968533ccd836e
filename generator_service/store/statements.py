"""The statements of the hot path, built once: building one costs far more than running it.

Locks are for databases with several writers; SQLite, which has but one, knows none and renders none. What a partial
index is about stands in the statement itself, or the index would not be found.
"""

from __future__ import annotations

from sqlalchemy import and_, bindparam, insert, literal_column, select, text, tuple_, union, update

from generator_service.domain.task import TaskState
from generator_service.store.tables import events, log_head, tasks, users

MAKE_USERS = text(
    "INSERT INTO users (user_id, seq, compacted_seq, pending, running)"
    " VALUES (:name, 0, 0, 0, 0) ON CONFLICT DO NOTHING"
)
_NAMES = bindparam("names", expanding=True, type_=users.c.user_id.type)
_TASK_IDS = bindparam("task_ids", expanding=True, type_=tasks.c.task_id.type)
HOLD_USERS = (
    select(users)
    .where(
        users.c.user_id.in_(
            union(
                select(users.c.user_id).where(users.c.user_id.in_(_NAMES)),
                select(tasks.c.user_id).where(tasks.c.task_id.in_(_TASK_IDS)),
            )
        )
    )
    .order_by(users.c.user_id)
    .with_for_update(of=users)
)
USER = select(users).where(users.c.user_id == bindparam("user_id"))
FREE_USER = USER.with_for_update(skip_locked=True)
TASK = select(tasks).where(tasks.c.task_id == bindparam("task_id"))
TASKS = select(tasks).where(tasks.c.task_id.in_(_TASK_IDS))
TASKS_BY_KEY = select(tasks).where(
    tuple_(tasks.c.user_id, tasks.c.idempotency_key).in_(bindparam("user_keys", expanding=True))
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

ADD_TASKS = insert(tasks)
CHANGE_TASKS = update(tasks).where(tasks.c.task_id == bindparam("of_task"))
MOVE_USERS = update(users).where(users.c.user_id == bindparam("of_user"))
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
# The next task of each waiting user, so that the cost grows with the users who wait and not with their tasks. It passes
# over users whom another process is changing, and tasks that were taken after this statement began to look: that
# process's commit is a hint to look again.
NEXT = (
    select(users, tasks.c.task_id, tasks.c.priority)
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
    .where(_RUNNABLE, users.c.pending > literal_column("0"), users.c.running < bindparam("running_per_user"))
    .order_by(tasks.c.priority.desc(), users.c.running, tasks.c.task_id)
    .limit(bindparam("at_most"))
    .with_for_update(of=[users, tasks], skip_locked=True)
)
_EXPIRED = and_(
    tasks.c.state == literal_column(f"'{TaskState.PROCESSING.value}'"),
    tasks.c.lease_expires_at <= bindparam("now", type_=tasks.c.lease_expires_at.type),
)
USERS_OF_EXPIRED = (
    select(users)
    .where(users.c.user_id.in_(select(tasks.c.user_id).where(_EXPIRED)))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
EXPIRED = select(tasks.c.task_id, tasks.c.user_id).where(_EXPIRED).order_by(tasks.c.user_id, tasks.c.task_id)
EVENTS_AFTER = (
    select(events).where(events.c.revision > bindparam("after")).order_by(events.c.revision).limit(bindparam("at_most"))
)
LOG_HEAD = select(log_head).where(log_head.c.id == 1)
