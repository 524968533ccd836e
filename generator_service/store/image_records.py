"""Records about the image store: which one belongs to this database, and which of its images are to be deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, inspect, select, text

from generator_service.domain.task import Task
from generator_service.store import statements
from generator_service.store.image_contract import ImageBinding
from generator_service.store.tables import image_deletions, image_store, log_head, orphan_marks
from generator_service.store.unit_of_work import UnitOfWork

_BINDING = select(image_store.c.binding, image_store.c.confirmed).where(image_store.c.id == 1)
_PROPOSE = text("INSERT INTO image_store (id, binding, confirmed) VALUES (1, :binding, 0) ON CONFLICT DO NOTHING")
_CONFIRM = text(
    "INSERT INTO image_store (id, binding, confirmed) VALUES (1, :binding, 1)"
    " ON CONFLICT (id) DO UPDATE SET binding = excluded.binding, confirmed = 1"
)
_KEYS = bindparam("keys", expanding=True, type_=orphan_marks.c.key.type)
_MARKS = select(orphan_marks.c.key, orphan_marks.c.marked_at).where(orphan_marks.c.key.in_(_KEYS))
_UNMARK = delete(orphan_marks).where(orphan_marks.c.key.in_(_KEYS))
_REQUEST_DELETION = text(
    "INSERT INTO image_deletions (key, requested_at) VALUES (:key, :at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("at", type_=image_deletions.c.requested_at.type))
_DELETIONS = (
    select(image_deletions.c.key)
    .order_by(image_deletions.c.requested_at, image_deletions.c.key)
    .limit(bindparam("at_most"))
)
_END_DELETIONS = delete(image_deletions).where(
    image_deletions.c.key.in_(bindparam("keys", expanding=True, type_=image_deletions.c.key.type))
)
_MARK = text("INSERT INTO orphan_marks (key, marked_at) VALUES (:key, :at) ON CONFLICT DO NOTHING").bindparams(
    bindparam("at", type_=orphan_marks.c.marked_at.type)
)


def binding(connection: Connection) -> ImageBinding | None:
    """Read which image store belongs to this database."""
    row = connection.execute(_BINDING).one_or_none()
    return None if row is None else ImageBinding(row.binding, confirmed=bool(row.confirmed))


def look(connection: Connection) -> tuple[ImageBinding | None, int]:
    """Read the binding and the head revision of a database of any release, migrated or not."""
    if not inspect(connection).has_table(log_head.name):
        return None, 0
    bound = binding(connection) if inspect(connection).has_table(image_store.name) else None
    return bound, connection.execute(select(log_head.c.revision)).scalar_one()


def propose_binding(uow: UnitOfWork, binding_id: str) -> ImageBinding:
    """Bind an image store, not yet confirmed, unless one is bound."""
    uow.query(_PROPOSE, {"binding": binding_id})
    row = uow.query(_BINDING).one()
    return ImageBinding(row.binding, confirmed=bool(row.confirmed))


def confirm_binding(uow: UnitOfWork, binding_id: str) -> None:
    """Bind this image store, confirmed, in place of any other."""
    uow.query(_CONFIRM, {"binding": binding_id})


def marks(connection: Connection, keys: Collection[str]) -> dict[str, datetime]:
    """Read which of these keys are marked for deletion, and since when."""
    return {row.key: row.marked_at for row in connection.execute(_MARKS, {"keys": list(keys)})}


def request_deletion(uow: UnitOfWork, deleted: Collection[Task]) -> list[str]:
    """Record the images of deleted tasks that no other task uses, in the same transaction; return their keys.

    The tasks that share an image have one owner, whose row is locked.
    """
    keys = sorted({key for task in deleted for key in task.blobs})
    if not keys:
        return []
    used = {key for query in statements.NAMED_BLOBS for key in uow.query(query, {"keys": keys}).scalars()}
    unused = [key for key in keys if key not in used]
    if unused:
        uow.query(_REQUEST_DELETION, [{"key": key, "at": uow.now} for key in unused])
    return unused


def deletions(connection: Connection, limit: int) -> list[str]:
    """Read which images are to be deleted, earliest request first."""
    return list(connection.execute(_DELETIONS, {"at_most": limit}).scalars())


def end_deletions(uow: UnitOfWork, keys: Collection[str]) -> None:
    """Note that these images were deleted."""
    uow.query(_END_DELETIONS, {"keys": sorted(keys)})


def update_marks(uow: UnitOfWork, add: Mapping[str, datetime], remove: Collection[str]) -> None:
    """Mark keys for deletion and take marks back; an existing mark keeps its time."""
    for key in sorted(add):
        uow.query(_MARK, {"key": key, "at": add[key]})
    if remove:
        uow.query(_UNMARK, {"keys": sorted(remove)})
