"""Two lanes with one consumer: the order of the items."""

from __future__ import annotations

import threading

import pytest

from generator_service.store.lanes import LaneFull, Lanes, LanesClosed


def test_lanes_take_urgent_items_first_and_alone() -> None:
    lanes: Lanes[str] = Lanes(10)
    for item in ("a", "b", "c"):
        lanes.put(item, urgent=False)
    for item in ("x", "y"):
        lanes.put(item, urgent=True)
    assert lanes.take(10) == ["x", "y"]
    assert lanes.take(2) == ["a", "b"]
    lanes.put("z", urgent=True)
    assert lanes.take(2) == ["z"]
    assert lanes.take(2) == ["c"]


def test_lanes_hold_no_more_than_their_capacity_each() -> None:
    lanes: Lanes[int] = Lanes(1)
    for urgent in (True, False):
        lanes.put(1, urgent=urgent)
        with pytest.raises(LaneFull):
            lanes.put(2, urgent=urgent)


def test_closed_lanes_give_out_the_rest_and_then_nothing() -> None:
    lanes: Lanes[int] = Lanes(5)
    lanes.put(1, urgent=False)
    lanes.close()
    with pytest.raises(LanesClosed):
        lanes.put(2, urgent=True)
    assert lanes.take(5) == [1]
    assert lanes.take(5) == []


@pytest.mark.parametrize("urgent", [True, False])
def test_a_waiting_consumer_wakes_for_an_item_and_for_the_end(urgent: bool) -> None:
    lanes: Lanes[int] = Lanes(5)
    taken: list[list[int]] = []

    def consume() -> None:
        while items := lanes.take(5):
            taken.append(items)

    consumer = threading.Thread(target=consume)
    consumer.start()
    lanes.put(7, urgent=urgent)
    lanes.close()
    consumer.join(30)
    assert not consumer.is_alive()
    assert taken == [[7]]
