"""Failures specific to PostgreSQL: several processes on one log, an unavailable server, frozen transactions.

Each store here has its own connections and its own writer, as if in another process.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from generator_service.domain.errors import QuotaExceeded
from generator_service.domain.event import EventType
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import TaskState
from generator_service.store import postgres as backend
from generator_service.store.contract import Beat, Retention
from generator_service.store.limits import Limits
from generator_service.store.postgres import database_url, open_postgres
from generator_service.store.queue_clock import SteadyClock
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.user_rows import UserRows
from tests.support.clock import SettableClock
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.store import LEASE, RESULT, Commits, StoreHarness, audit, failure, new_task

OpenDesk = Callable[..., StoreHarness]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
async def open_desk(url: str) -> AsyncIterator[OpenDesk]:
    """Open the same database once more, as another process would."""
    desks = []

    def open_it(limits: Limits | None = None) -> StoreHarness:
        clock, commits = SettableClock(), Commits()
        store = open_postgres(
            url,
            clock=clock,
            limits=limits or Limits(),
            retry=RetryPolicy(),
            on_commit=commits,
            queue_clock=SteadyClock(clock, clock.now()),
        )
        desks.append(StoreHarness(store, clock, commits))
        return desks[-1]

    yield open_it
    for desk in desks:
        await desk.store.close()


T = TypeVar("T")


async def persistently(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write that waited too long for others', as clients do: on a busy machine three seconds may pass."""
    while True:
        with suppress(DatabaseUnavailable):
            return await write()


def deadlocks(url: str) -> int:
    """Return how many the server has found in this database; its connections must have ended, which counts them."""
    with psycopg.connect(url) as connection:
        counted = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (found,) = counted.fetchone() or (None,)
    assert isinstance(found, int)
    return found


async def test_writers_of_all_users_in_all_orders_never_wait_in_a_circle(open_desk: OpenDesk, url: str) -> None:
    """Batches of many users, in another order in each process: without a fixed lock order they would deadlock."""
    desks = [open_desk() for _ in range(4)]
    users = [f"user {number}" for number in range(12)]

    async def live(desk: StoreHarness, turn: int) -> None:
        order = users[turn:] + users[:turn]
        adds = [partial(desk.add, user) for user in (order if turn % 2 else reversed(order))]
        made = await asyncio.gather(*map(persistently, adds))
        claimed = await persistently(partial(desk.claim, f"w{turn}", limit=6))
        await asyncio.gather(
            *(desk.store.complete(task.lease, RESULT) for task in claimed),
            *(desk.store.cancel(task.task_id, None) for task in made[:3]),
            desk.store.requeue_expired(),
            desk.store.compact(Retention(events_per_user=1)),
            return_exceptions=True,
        )

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(live(desk, turn) for turn in range(12) for desk in desks))
    log = await audit(desks[0].store)
    assert len(log) > 12 * 12 * 4
    told = sorted(event.revision for desk in desks for batch in desk.commits.batches for event in batch)
    assert told == [event.revision for event in log], "each commit was published once, by its own process"
    for desk in desks:
        await desk.store.close()
    assert deadlocks(url) == 0


async def test_quotas_are_exact_among_processes(open_desk: OpenDesk) -> None:
    limits = Limits(pending_per_user=20, running_per_user=3)
    desks = [open_desk(limits) for _ in range(4)]
    outcomes = await asyncio.gather(
        *(desk.store.enqueue(new_task(user)) for _ in range(10) for desk in desks for user in ("ann", "bob")),
        return_exceptions=True,
    )
    assert Counter(type(outcome) is QuotaExceeded for outcome in outcomes) == {True: 40, False: 40}

    async def work(desk: StoreHarness, owner: str) -> None:
        for _ in range(40):
            for task in await desk.claim(owner, limit=2):
                await desk.store.complete(task.lease, RESULT)

    await asyncio.gather(*(work(desk, f"w{number}") for number, desk in enumerate(desks)))
    running: Counter[str] = Counter()
    for entry in await audit(desks[0].store):
        running[entry.user_id] += (entry.type is EventType.STARTED) - (entry.type is EventType.COMPLETED)
        assert running[entry.user_id] <= 3
    assert (await desks[0].store.counts()).by_state == {TaskState.COMPLETED: 40}


async def test_each_task_is_claimed_by_one_of_all_who_ask_at_the_same_moment(open_desk: OpenDesk) -> None:
    desks = [open_desk(Limits(running_per_user=100)) for _ in range(4)]
    for number in range(40):
        await desks[0].add(f"user {number % 5}")
    claims: Counter[int] = Counter()
    while len(claims) < 40:
        for claimed in await asyncio.gather(*(desk.claim(f"w{n}", limit=3) for n, desk in enumerate(desks))):
            claims.update(task.task_id for task in claimed)
    assert set(claims.values()) == {1}


async def test_the_same_key_given_to_two_processes_is_one_task(open_desk: OpenDesk) -> None:
    desks = [open_desk(), open_desk()]
    for turn in range(10):
        requests = [desk.store.enqueue(new_task(f"new {turn}", key="k")) for desk in desks for _ in range(5)]
        assert len({made.task.task_id for made in await asyncio.gather(*requests)}) == 1


async def test_a_user_whom_another_process_is_changing_is_passed_over(open_desk: OpenDesk) -> None:
    desk = open_desk()
    first, second = await desk.add("ann"), await desk.add("bob")
    other = create_engine(desk.store._writing.url)
    with other.begin() as connection:
        connection.execute(text("SELECT FROM users WHERE user_id = 'ann' FOR UPDATE"))
        async with asyncio.timeout(PATIENCE):
            (claimed,) = await desk.claim(limit=5)
        assert claimed.task_id == second.task_id
    (claimed,) = await desk.claim(limit=5)
    assert claimed.task_id == first.task_id
    other.dispose()


async def test_a_late_choice_is_checked_again_under_the_lock(open_desk: OpenDesk) -> None:
    """Two claims read the same queue; the one that locks the user second must see the result of the first."""
    desk, other = open_desk(), open_desk()
    tasks = [await desk.add("ann") for _ in range(6)]
    claimed = []
    for _ in range(6):
        for batch in await asyncio.gather(desk.claim("w1"), other.claim("w2")):
            claimed += [task.task_id for task in batch]
        for task_id in claimed:
            task = await desk.store.get(task_id, None)
            if task.state is TaskState.PROCESSING:
                await desk.store.complete(task.lease, RESULT)
    assert sorted(claimed) == [task.task_id for task in tasks]


@pytest.mark.parametrize("reached", [True, False], ids=["committed", "not committed"])
async def test_a_connection_lost_in_the_moment_of_the_commit_doubles_and_loses_nothing(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    desk = open_desk()
    dialect = desk.store._writing.dialect
    do_commit = dialect.do_commit
    losses = ["one"]

    def lose(connection: Any) -> None:
        if losses:
            losses.pop()
            if reached:
                do_commit(connection)
            connection.driver_connection.close()
        do_commit(connection)

    monkeypatch.setattr(dialect, "do_commit", lose)
    assert (await desk.add()).seq == 1
    assert (await desk.add()).seq == 2
    assert len(await audit(desk.store)) == 2
    assert [len(batch) for batch in desk.commits.batches] == [1, 1]


async def test_a_restart_of_the_server_is_a_pause_to_those_who_write_and_read() -> None:
    with postgres_server() as server:
        store = open_postgres(
            server.url(), clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
        )
        desk = StoreHarness(store, SettableClock())
        await desk.add("before")
        for stop in (server.stop, server.kill):
            stop()
            writing = [asyncio.create_task(desk.add(f"user {number}")) for number in range(20)]
            reading = asyncio.create_task(desk.store.latest_events(1))
            restart = threading.Thread(target=server.start)
            restart.start()
            await asyncio.gather(*writing, reading)
            await asyncio.to_thread(restart.join)
        assert len(await audit(desk.store)) == 41
        await store.close()


async def test_a_server_that_stays_away_is_said_to_be_away() -> None:
    with postgres_server() as server:
        store = open_postgres(
            server.url(),
            clock=SettableClock(),
            limits=Limits(),
            retry=RetryPolicy(),
            on_commit=lambda _: None,
            patience=timedelta(seconds=0.2),
        )
        server.stop()
        with pytest.raises(DatabaseUnavailable):
            await store.enqueue(new_task())
        with pytest.raises(DatabaseUnavailable):
            await store.counts()
        server.start()
        assert (await store.enqueue(new_task())).task.seq == 1
        await store.close()


async def test_a_process_frozen_in_a_transaction_does_not_stop_the_others(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "IDLE_IN_TRANSACTION_TIMEOUT", timedelta(seconds=0.3))
    frozen = open_desk()
    monkeypatch.undo()
    desk = open_desk()
    await desk.add()
    connection = frozen.store._writing.connect()
    connection.execute(text("SELECT FROM log_head FOR UPDATE"))
    async with asyncio.timeout(8):
        await desk.add()
    with pytest.raises(DBAPIError) as lost:
        connection.execute(text("SELECT 1"))
    assert lost.value.connection_invalidated
    connection.close()
    assert (await frozen.add()).seq == 3


async def test_statements_locks_and_idle_transactions_have_their_time(open_desk: OpenDesk) -> None:
    desk = open_desk()
    for engine, statements in ((desk.store._writing, "10s"), (desk.store._reading, "30s")):
        with engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            }
        assert found == {
            "statement_timeout": statements,
            "lock_timeout": "3s",
            "idle_in_transaction_session_timeout": "5s",
        }


async def test_a_user_deleted_by_another_process_while_waited_for_comes_back_later_in_the_log(
    open_desk: OpenDesk,
) -> None:
    desk, other = open_desk(), open_desk()
    ended = await desk.ended("ann")
    delete_idle = UserRows.delete_idle
    reached, go_on = threading.Event(), threading.Event()

    def wait(users: UserRows, active: Collection[str]) -> int:
        last = delete_idle(users, active)
        if last:
            reached.set()
            assert go_on.wait(PATIENCE)
        return last

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UserRows, "delete_idle", wait)
        forgetting = asyncio.create_task(desk.store.forget([ended.task_id]))
        assert await asyncio.to_thread(reached.wait, PATIENCE)
        adding = asyncio.create_task(other.add("ann"))
        engine = create_engine(desk.store._reading.url)
        with engine.connect() as connection:
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not connection.scalar(waits):
                connection.rollback()
                await asyncio.sleep(0.01)
        engine.dispose()
        go_on.set()
        await forgetting
        assert (await adding).seq == 4, "numbers of the deleted log were given out again"


async def test_readers_see_one_moment_and_write_nothing(open_desk: OpenDesk) -> None:
    desk = open_desk()
    with desk.store._reading.connect() as connection:
        before = connection.execute(text("SELECT revision FROM log_head")).scalar_one()
        await desk.add()
        assert connection.execute(text("SELECT revision FROM log_head")).scalar_one() == before
        with pytest.raises(Exception, match="read-only"):
            connection.execute(text("DELETE FROM tasks"))


async def test_the_partial_indexes_are_used(open_desk: OpenDesk) -> None:
    desk = open_desk()
    await desk.add()
    plans: list[str] = []

    @event.listens_for(desk.store._writing, "before_cursor_execute")
    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "FROM users JOIN tasks" in statement:
            with connection.connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in cursor.fetchall()))

    await desk.claim("w1")
    assert plans
    assert "ix_tasks_queue" in plans[0]
    assert "ix_users_waiting" in plans[0]


def test_processes_that_start_together_create_the_tables_once(url: str) -> None:
    with ThreadPoolExecutor() as starting:
        stores = list(
            starting.map(
                lambda _: open_postgres(
                    url, clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
                ),
                range(4),
            )
        )
    with stores[0]._writing.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM log_head")).scalar_one() == 1
    for store in stores:
        asyncio.run(store.close())


@pytest.mark.parametrize("wrong", ["whitebg.db", "mysql://root:hunter2@db/x", "postgresql://u:hunter2@host:port/x"])
def test_a_wrong_address_is_refused_without_repeating_its_password(wrong: str) -> None:
    with pytest.raises(ValueError, match="postgresql://") as refused:
        database_url(wrong)
    assert "hunter2" not in str(refused.value)


async def test_leases_that_ran_out_are_taken_back_once_by_all_reapers_together(open_desk: OpenDesk) -> None:
    desks = [open_desk() for _ in range(3)]
    for number in range(9):
        await desks[0].add(f"user {number}")
    assert len(await desks[0].claim(limit=9)) == 9
    for desk in desks:
        desk.clock.advance(LEASE)
    requeued = await asyncio.gather(*(desk.store.requeue_expired() for desk in desks))
    rest = await desks[0].store.requeue_expired()
    assert sorted(task.task_id for tasks in (*requeued, rest) for task in tasks) == list(range(1, 10))
    await audit(desks[0].store)


async def test_the_servers_clock_decides_whatever_the_time_is_here(url: str) -> None:
    """This process's clock shows another day."""
    store = open_postgres(url, clock=SettableClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None)
    desk = StoreHarness(store, SettableClock())
    held, lost, retried = [await desk.running(user) for user in ("ann", "bob", "cho")]
    await store.heartbeat([Beat(lost.lease, 0, "matting")], lease_for=timedelta())
    assert [task.task_id for task in await store.requeue_expired()] == [lost.task_id]
    assert (await desk.claim("w2"))[0].task_id == lost.task_id, "due at once"
    waits = await store.fail(retried.lease, failure(retry_after=timedelta(hours=1)))
    assert waits.run_at is not None
    assert abs(waits.run_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    due = await store.next_due(since=timedelta())
    assert due is not None
    assert timedelta(minutes=59) < due <= timedelta(hours=1)
    assert abs(store.queue_time() - datetime.now(UTC)) < timedelta(minutes=1)
    assert (await store.complete(held.lease, RESULT)).created_at == held.created_at
    await store.close()
