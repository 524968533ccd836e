"""Pages bounded by bytes."""

from __future__ import annotations

import pytest

from generator_service.rpc.convert.pages import MAX_PAGE_BYTES, first_page, split
from whitebg.v1 import task_pb2


def message(size: int) -> task_pb2.Task:
    """Make a message of a size."""
    found = task_pb2.Task(user_id="x" * (size - 2))
    assert found.ByteSize() == size
    return found


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([], []),
        ([10, 10], [[10, 10]]),
        ([60, 40, 5], [[60, 40], [5]]),
        ([100, 100], [[100], [100]]),
        ([120, 5, 120], [[120], [5], [120]]),
    ],
)
def test_parts_hold_as_much_as_fits_and_never_nothing(sizes: list[int], parts: list[list[int]]) -> None:
    messages = [message(size) for size in sizes]
    assert [[each.ByteSize() for each in part] for part in split(messages, 100)] == parts
    assert [each.ByteSize() for each in first_page(messages, 100)] == (parts[0] if parts else [])


def test_a_page_is_far_from_what_clients_refuse() -> None:
    assert 2 * MAX_PAGE_BYTES < 4 * 1024 * 1024
