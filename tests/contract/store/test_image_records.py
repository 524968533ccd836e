"""Records about the image store: its binding, and the marks of images without a task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from generator_service.store.image_contract import ImageBinding
from tests.support.store import StoreHarness

NOON = datetime(2026, 1, 8, 12, tzinfo=UTC)


async def test_first_proposed_binding_holds_until_another_is_confirmed(desk: StoreHarness) -> None:
    store = desk.store
    assert await store.image_binding() is None
    first = ImageBinding("first", confirmed=False)
    assert await store.propose_image_binding("first") == first
    assert await store.propose_image_binding("second") == first
    await store.confirm_image_binding("first")
    assert await store.image_binding() == ImageBinding("first", confirmed=True)
    await store.confirm_image_binding("third")
    assert await store.propose_image_binding("fourth") == ImageBinding("third", confirmed=True)


async def test_mark_keeps_its_first_time_until_it_is_removed(desk: StoreHarness) -> None:
    store = desk.store
    later = NOON + timedelta(hours=1)
    await store.update_orphan_marks(add={"input/1": NOON, "input/2": NOON}, remove=())
    await store.update_orphan_marks(add={"input/1": later, "input/3": later}, remove=["input/2", "input/9"])
    assert await store.orphan_marks(["input/1", "input/2", "input/3", "input/4"]) == {"input/1": NOON, "input/3": later}
    assert not await store.orphan_marks([])
    many = {f"input/{number}": NOON for number in range(1000)}
    await store.update_orphan_marks(add=many, remove=())
    await store.update_orphan_marks(add={}, remove=many)
    assert not await store.orphan_marks(many)
