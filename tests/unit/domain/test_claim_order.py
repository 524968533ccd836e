"""Users take turns within a priority, and no waiting user starves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.claim_order import CREDIT, Starts, UserQueue, predict

MANY = 1000
"""A limit that no test reaches."""


def order(
    queues: Mapping[str, UserQueue],
    running: Sequence[str] = (),
    *,
    started: int = 0,
    slots: int = 1,
    running_per_user: int = MANY,
) -> list[int]:
    return list(predict(queues, running, started=started, slots=slots, running_per_user=running_per_user))


def queue(*task_ids: int, served: int = 0, priority: int = 0) -> UserQueue:
    return UserQueue(served, [(-priority, task_id) for task_id in task_ids])


def test_users_of_one_priority_take_turns() -> None:
    assert order({"ann": queue(1, 2, 3), "bob": queue(4, 5), "cho": queue(6)}) == [1, 4, 6, 2, 5, 3]


def test_the_least_recently_served_user_comes_first() -> None:
    assert order({"ann": queue(1, served=8), "bob": queue(2, served=7), "cho": queue(3, served=9)}) == [2, 1, 3]


def test_priority_comes_before_turns() -> None:
    ann = UserQueue(9, [(-5, 3), (0, 1)])
    assert order({"ann": ann, "bob": queue(2, served=4)}, started=9) == [3, 2, 1]


def test_a_user_at_the_limit_is_passed_over_until_a_task_ends() -> None:
    queues = {"ann": queue(4, 5, served=2), "bob": queue(6, 7, served=3)}
    # Ann holds two of three slots, her limit; bob gets the third, and his second task waits for a free slot.
    assert order(queues, ["ann", "ann", "bob"], started=3, slots=4, running_per_user=2) == [6, 4, 5, 7]


def test_nothing_waits_for_a_slot_that_is_free() -> None:
    assert order({"ann": queue(2)}, ["ann"], started=1, slots=2) == [2]
    assert order({}) == []


def test_a_user_who_joins_is_not_ahead_without_limit() -> None:
    starts = Starts(5 * CREDIT)
    assert starts.join(0) == 4 * CREDIT
    assert starts.join(5 * CREDIT) == 5 * CREDIT
    assert starts.start() == 5 * CREDIT + 1


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_every_task_starts_once_and_each_user_in_turn(counts: list[int], slots: int, limit: int) -> None:
    numbers = iter(range(1, 100))
    queues = {f"user {user}": queue(*(next(numbers) for _ in range(count))) for user, count in enumerate(counts)}
    started = order(queues, slots=slots, running_per_user=limit)
    assert sorted(started) == sorted(task_id for each in queues.values() for _, task_id in each.waiting)
    owner = {task_id: user for user, each in queues.items() for _, task_id in each.waiting}
    if slots <= limit:
        for position, task_id in enumerate(started):
            user = owner[task_id]
            since = [owner[other] for other in started[:position]]
            turns = since.count(user)
            others = [since.count(other) for other, each in queues.items() if len(each.waiting) > turns]
            assert max(others) - turns <= 1, "no user is served twice while another waits for a first turn"


def test_a_stream_of_new_users_does_not_starve_one_who_waits() -> None:
    """Another new user joins before each start; ann, just served, waits with one more task."""
    starts = Starts(1000)
    ann = queue(1, served=starts.start())
    waiting = {"ann": ann}
    for number in range(3 * CREDIT):
        waiting[f"new {number}"] = queue(number + 2, served=starts.join(0))
        (first, *_) = order(waiting, started=starts.count)
        if first == 1:
            break
        starts.start()
        waiting = {user: each for user, each in waiting.items() if each.waiting[0][1] != first}
    assert first == 1, "ann starved"
