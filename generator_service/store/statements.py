"""The statements of the hot path, built once: building one costs far more than running it.

Locks are for databases with several writers; SQLite, which has but one, knows none and renders none. What a partial
index is about stands in the statement itself, or the index would not be found.
"""

from __future__ import annotations

from sqlalchemy import (
    BindParameter,
    Date,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union,
    update,
)

from generator_service.domain.task import TaskState
from generator_service.domain.usage import AMOUNTS
from generator_service.store.tables import (
    INPUT_BLOB,
    INPUT_MASK_BLOB,
    RESULT_BLOB,
    RESULT_MASK_BLOB,
    THUMBNAIL_BLOB,
    batches,
    breakers,
    events,
    idempotency_keys,
    inline_images,
    log_head,
    tasks,
    user_limits,
    users,
)

MAKE_USERS = text(
    "INSERT INTO users (user_id, seq, compacted_seq, pending, running)"
    " VALUES (:name, 0, 0, 0, 0) ON CONFLICT DO NOTHING"
)
_NAMES = bindparam("names", expanding=True, type_=users.c.user_id.type)
_BLOBS: BindParameter[str] = bindparam("keys", expanding=True)
_TASK_IDS = bindparam("task_ids", expanding=True, type_=tasks.c.task_id.type)
# Read along with users: the number of the latest start, which determines the next user.
_STARTED = select(log_head.c.started).where(log_head.c.id == literal_column("1")).scalar_subquery().label("started")
_OWN = user_limits.c.user_id == users.c.user_id
LOCK_USERS = (
    select(
        users,
        _STARTED,
        *(
            select(column).where(_OWN).correlate(users).scalar_subquery().label(column.name)
            for column in (user_limits.c.max_pending, user_limits.c.max_running, user_limits.c.max_stored_bytes)
        ),
    )
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
BEGIN_LOGS = text("UPDATE users SET seq = :base, compacted_seq = :base WHERE user_id = :name AND seq = 0")
USER = select(users).where(users.c.user_id == bindparam("user_id"))
FREE_USER = USER.with_for_update(skip_locked=True)
TASK = select(tasks).where(tasks.c.task_id == bindparam("task_id"))
TASKS = select(tasks).where(tasks.c.task_id.in_(_TASK_IDS))
TASKS_BY_KEY = select(tasks).where(
    tuple_(tasks.c.user_id, tasks.c.idempotency_key).in_(bindparam("user_keys", expanding=True))
)
TASKS_BY_REUSE_KEY = (
    select(tasks, idempotency_keys.c.idempotency_key.label("key"), idempotency_keys.c.fingerprint.label("asked"))
    .join_from(idempotency_keys, tasks)
    .where(
        tuple_(idempotency_keys.c.user_id, idempotency_keys.c.idempotency_key).in_(
            bindparam("user_keys", expanding=True)
        )
    )
)
ADD_KEYS = insert(idempotency_keys)
TASK_BY_PICTURE = (
    select(tasks)
    .where(
        tasks.c.user_id == bindparam("user_id"),
        tasks.c.picture_key.in_(bindparam("picture_keys", expanding=True, type_=tasks.c.picture_key.type)),
        tasks.c.state == TaskState.COMPLETED.value,
    )
    .order_by(tasks.c.task_id.desc())
    .limit(1)
)

ADD_TASKS = insert(tasks)
ADD_IMAGES = insert(inline_images)
IMAGE = select(inline_images.c.data).where(inline_images.c.key == bindparam("key"))
CHANGE_TASKS = update(tasks).where(tasks.c.task_id == bindparam("of_task"))
HEIRS = tuple(
    select(key.label("key"), func.max(tasks.c.task_id).label("heir"))
    .where(key.is_not(None), key.in_(_BLOBS), tasks.c.task_id.not_in(_TASK_IDS))
    .group_by(key)
    for key in (INPUT_BLOB, INPUT_MASK_BLOB)
)
"""For photos and masks of some tasks, one of the other tasks that use the same ones."""
MOVE_IMAGE = (
    update(inline_images)
    .where(inline_images.c.key == bindparam("of_image"))
    .values(task_id=bindparam("heir", type_=inline_images.c.task_id.type))
)
DELETE_TASKS = delete(tasks).where(tasks.c.task_id.in_(_TASK_IDS))
UPDATE_USER_COUNTERS = update(users).where(users.c.user_id == bindparam("of_user"))
ADVANCE_LOG = (
    update(log_head)
    .where(log_head.c.id == 1)
    .values(
        revision=log_head.c.revision + bindparam("more"),
        started=log_head.c.started + bindparam("starts"),
        queue_time=bindparam("queue_time", type_=log_head.c.queue_time.type),
    )
    .returning(log_head.c.revision, log_head.c.started)
)
ADD_EVENTS = insert(events)
_BATCH_KEYS: BindParameter[tuple[str, str]] = bindparam("batches", expanding=True)
_BATCH_KEY = tuple_(batches.c.user_id, batches.c.batch_id)
BATCHES = select(batches).where(_BATCH_KEY.in_(_BATCH_KEYS)).order_by(batches.c.user_id, batches.c.batch_id)
ADD_BATCHES = insert(batches)
CLOSE_BATCH = (
    update(batches)
    .where(batches.c.user_id == bindparam("of_user"), batches.c.batch_id == bindparam("of_batch"))
    .values(closed=True)
)
FINISH_BATCH = (
    update(batches)
    .where(batches.c.user_id == bindparam("of_user"), batches.c.batch_id == bindparam("of_batch"))
    .values(finished_at=bindparam("at", type_=batches.c.finished_at.type))
)
DELETE_BATCHES_WITHOUT_USER = delete(batches).where(
    ~select(users.c.user_id).where(users.c.user_id == batches.c.user_id).exists()
)
DELETE_BATCHES = delete(batches).where(_BATCH_KEY.in_(_BATCH_KEYS))
# The condition of the partial index stands in the statement too, or the index would not be found.
COUNT_BATCHES = (
    select(
        tasks.c.user_id,
        tasks.c.batch_id,
        tasks.c.state,
        func.count().label("tasks"),
        func.max(tasks.c.task_id).label("newest"),
    )
    .where(tasks.c.batch_id.is_not(None), tuple_(tasks.c.user_id, tasks.c.batch_id).in_(_BATCH_KEYS))
    .group_by(tasks.c.user_id, tasks.c.batch_id, tasks.c.state)
)
_OF_BATCH = and_(tasks.c.user_id == batches.c.user_id, tasks.c.batch_id == batches.c.batch_id)
_UNFINISHED = tasks.c.state.in_([TaskState.PENDING.value, TaskState.PROCESSING.value])
# To be finished or deleted. Both are one look into the index of batches, however many tasks they have.
_UNSETTLED = or_(
    and_(
        batches.c.closed,
        batches.c.finished_at.is_(None),
        ~select(tasks.c.task_id).where(tasks.c.batch_id.is_not(None), _OF_BATCH, _UNFINISHED).exists(),
    ),
    ~select(tasks.c.task_id).where(tasks.c.batch_id.is_not(None), _OF_BATCH).exists(),
)
UNSETTLED_AMONG = (
    select(batches).where(_BATCH_KEY.in_(_BATCH_KEYS), _UNSETTLED).order_by(batches.c.user_id, batches.c.batch_id)
)
UNSETTLED_BATCHES = (
    select(batches.c.user_id, batches.c.batch_id)
    .where(_UNSETTLED)
    .order_by(batches.c.user_id, batches.c.batch_id)
    .limit(bindparam("at_most"))
)
IDLE_BATCHES = (
    select(batches.c.user_id, batches.c.batch_id)
    .where(
        ~batches.c.closed,
        batches.c.created_at < bindparam("before"),
        ~select(tasks.c.task_id)
        .where(tasks.c.batch_id.is_not(None), _OF_BATCH, tasks.c.created_at >= bindparam("before"))
        .exists(),
    )
    .order_by(batches.c.user_id, batches.c.batch_id)
    .limit(bindparam("at_most"))
)
LOCK_FREE_USERS = (
    select(users, _STARTED)
    .where(users.c.user_id.in_(_NAMES))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
ANY_TASK = select(tasks.c.task_id).where(tasks.c.user_id == bindparam("user_id")).limit(1)
ANY_EVENT = select(events.c.revision).where(events.c.user_id == bindparam("user_id")).limit(1)
NAMED_BLOBS = (
    select(INPUT_BLOB).where(INPUT_BLOB.in_(_BLOBS)),
    select(RESULT_BLOB).where(tasks.c.result.is_not(None), RESULT_BLOB.in_(_BLOBS)),
    select(THUMBNAIL_BLOB).where(tasks.c.result.is_not(None), THUMBNAIL_BLOB.in_(_BLOBS)),
    select(INPUT_MASK_BLOB).where(INPUT_MASK_BLOB.is_not(None), INPUT_MASK_BLOB.in_(_BLOBS)),
    select(RESULT_MASK_BLOB).where(tasks.c.result.is_not(None), RESULT_MASK_BLOB.in_(_BLOBS)),
)
DELETE_IDLE_USERS = (
    delete(users)
    .where(
        users.c.user_id.in_(_NAMES),
        ~select(tasks.c.task_id).where(tasks.c.user_id == users.c.user_id).exists(),
    )
    .returning(users.c.user_id, users.c.seq)
)
LAST_EVENT_OF = select(func.max(events.c.revision)).where(events.c.user_id.in_(_NAMES))
DELETE_EVENTS_OF = delete(events).where(events.c.user_id.in_(_NAMES))
NOTE_FORGOTTEN = (
    update(log_head)
    .where(log_head.c.id == 1, log_head.c.forgotten_seq < bindparam("through"))
    .values(forgotten_seq=bindparam("through"))
)
NOTE_COMPACTED = (
    update(log_head)
    .where(log_head.c.id == 1, log_head.c.compacted_revision < bindparam("through"))
    .values(compacted_revision=bindparam("through"))
)

_AMOUNTS = ", ".join(AMOUNTS)
_ADDED = ", ".join(f"{name} = usage.{name} + excluded.{name}" for name in AMOUNTS)
ADD_USAGE = text(
    f"INSERT INTO usage (user_id, day, {_AMOUNTS}) VALUES (:user_id, :day, :{', :'.join(AMOUNTS)})"  # noqa: S608 (constant names)
    f" ON CONFLICT (user_id, day) DO UPDATE SET {_ADDED}"
).bindparams(bindparam("day", type_=Date))
# The condition is needed anyway: SQLite would take ON CONFLICT for that of a join.
MOVE_USAGE = text(
    f"INSERT INTO usage (user_id, day, {_AMOUNTS}) SELECT :heir, day, {_AMOUNTS} FROM usage"  # noqa: S608 (constant names)
    f" WHERE user_id = :name ON CONFLICT (user_id, day) DO UPDATE SET {_ADDED}"
)
USER_LIMITS = select(user_limits).where(user_limits.c.user_id == bindparam("user_id"))
ALL_USER_LIMITS = select(user_limits).order_by(user_limits.c.user_id)
RUNNING_BY_ENGINE = (
    select(func.coalesce(tasks.c.assigned_engine, tasks.c.engine).label("engine"), func.count().label("tasks"))
    .where(tasks.c.state == literal_column(f"'{TaskState.PROCESSING.value}'"))
    .group_by(func.coalesce(tasks.c.assigned_engine, tasks.c.engine))
)
_MAY_RUN_MORE = users.c.running < func.coalesce(
    select(user_limits.c.max_running).where(_OWN).correlate(users).scalar_subquery(), bindparam("running_per_user")
)

_RUNNABLE = and_(
    tasks.c.state == literal_column(f"'{TaskState.PENDING.value}'"),
    tasks.c.run_at <= bindparam("now", type_=tasks.c.run_at.type),
)
# Null is a task of an older process: its worker looks again.
_UNBLOCKED = or_(tasks.c.engine.is_(None), tasks.c.engine.not_in(bindparam("blocked", expanding=True)))
# The next task of each waiting user, so that the cost grows with the users who wait and not with their tasks. It passes
# over users whom another process is changing, and tasks that were taken after this statement began to look: that
# process's commit is a hint to look again. The order is that of `generator_service.domain.claim_order`.
NEXT = (
    select(users, _STARTED, tasks.c.task_id, tasks.c.priority, tasks.c.engine)
    .join_from(
        users,
        tasks,
        tasks.c.task_id
        == select(tasks.c.task_id)
        .where(_RUNNABLE, _UNBLOCKED, tasks.c.user_id == users.c.user_id)
        .order_by(tasks.c.priority.desc(), tasks.c.task_id)
        .limit(1)
        .correlate(users)
        .scalar_subquery(),
    )
    .where(_RUNNABLE, _UNBLOCKED, users.c.pending > literal_column("0"), _MAY_RUN_MORE)
    .order_by(tasks.c.priority.desc(), users.c.served, tasks.c.task_id)
    .limit(bindparam("at_most"))
    .with_for_update(of=[users, tasks], skip_locked=True)
)
ANY_RUNNABLE = (
    select(tasks.c.task_id)
    .join_from(users, tasks, tasks.c.user_id == users.c.user_id)
    .where(_RUNNABLE, _UNBLOCKED, users.c.pending > literal_column("0"), _MAY_RUN_MORE)
    .limit(1)
)
RUNNING_BY_OWNER = (
    select(tasks.c.lease_owner, func.count().label("tasks"))
    .where(tasks.c.state == literal_column(f"'{TaskState.PROCESSING.value}'"))
    .group_by(tasks.c.lease_owner)
)
FREE_USERS = (
    select(users, _STARTED)
    .where(users.c.user_id.in_(_NAMES))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
_EXPIRED = and_(
    tasks.c.state == literal_column(f"'{TaskState.PROCESSING.value}'"),
    tasks.c.lease_expires_at <= bindparam("now", type_=tasks.c.lease_expires_at.type),
)
USERS_OF_EXPIRED = (
    select(users, _STARTED)
    .where(users.c.user_id.in_(select(tasks.c.user_id).where(_EXPIRED)))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
EXPIRED = select(tasks.c.task_id, tasks.c.user_id).where(_EXPIRED).order_by(tasks.c.user_id, tasks.c.task_id)
_OVERDUE = and_(
    tasks.c.state == literal_column(f"'{TaskState.PENDING.value}'"),
    tasks.c.deadline <= bindparam("now", type_=tasks.c.deadline.type),
)
USERS_OF_OVERDUE = (
    select(users, _STARTED)
    .where(users.c.user_id.in_(select(tasks.c.user_id).where(_OVERDUE)))
    .order_by(users.c.user_id)
    .with_for_update(of=users, skip_locked=True)
)
OVERDUE = select(tasks.c.task_id, tasks.c.user_id).where(_OVERDUE).order_by(tasks.c.user_id, tasks.c.task_id)
BREAKERS = select(breakers).order_by(breakers.c.name)
LOCK_BREAKERS = BREAKERS.with_for_update()
MAKE_BREAKER = text(
    "INSERT INTO breakers (name, code, message, trips, lasting) VALUES (:name, '', '', 0, FALSE) ON CONFLICT DO NOTHING"
)
CHANGE_BREAKER = update(breakers).where(breakers.c.name == bindparam("of_breaker"))
EVENTS_AFTER = (
    select(events).where(events.c.revision > bindparam("after")).order_by(events.c.revision).limit(bindparam("at_most"))
)
LOG_HEAD = select(log_head).where(log_head.c.id == 1)
PROBE = update(log_head).where(log_head.c.id == 1).values(revision=log_head.c.revision)
"""Writes, and changes nothing."""
LOCK_HEAD = LOG_HEAD.with_for_update()
