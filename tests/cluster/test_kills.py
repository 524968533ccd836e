"""Every kind of process is killed while users submit and delete, and an operator pauses: nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from generator_service.blobs.s3 import S3BlobStore
from generator_service.store.sql import SqlTaskStore
from tests.cluster.database import deliverer_pid, logged_events, opened_store, stored_tasks
from tests.cluster.followers import LogFollower, browsers, caught_up
from tests.cluster.operators import ClusterOperator
from tests.cluster.users import IMAGES, User
from tests.support.api import Api, long_token
from tests.support.fake_gemini import gemini_in_a_thread, picture
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.store import audit_counters, read_log, stored_bytes, whole_snapshot
from tests.support.webhook_receiver import Receiver
from tools.chaos.operations import receivers
from tools.chaos.recorder import Recorder, logged
from tools.checker.history import Config, Opened
from tools.checker.log import Log
from tools.checker.verdict import check
from tools.cluster.topology import Topology, topology
from whitebg.v1 import task_pb2

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

USERS = ("ann", "bob", "cho", "dan")
HOOKED = ("", "ann", "bob")
"""Whose tasks each webhook gets; empty for all."""
TASKS = 120
RUNNING_PER_USER = 2
PHOTO = product_photo(200, 150)
WITHIN = 240.0
REJECTED = 0.03
"""Share of webhooks that their receiver rejects."""
SETTINGS = {
    "lease": "PT3S",
    "heartbeat": "PT1S",
    "running_per_user": str(RUNNING_PER_USER),
    "max_attempts": "20",
    "webhook_allowed_networks": "127.0.0.0/8",
    "webhook_allow_http": "true",
}


@dataclass(frozen=True)
class Round:
    """Two kills, and a pause that begins during the first and lasts until the second process is back."""

    first: str
    """The process; `DELIVERER` is the service that waits for the answer to a webhook."""
    second: str
    paused: str
    """The engine; empty for all claims."""
    by: str
    """How the operator pauses and resumes."""


DELIVERER = "deliverer"
ROUNDS = (
    Round(DELIVERER, "worker-1", paused="", by="grpc"),
    Round("gateway-1", "worker-2", paused="gemini", by="http"),
    Round("redis", "gateway-2", paused="", by="cli"),
    Round("postgres", "s3", paused="", by="http"),
    Round(DELIVERER, "worker-3", paused="local", by="grpc"),
    Round("nginx", "worker-1", paused="gemini", by="cli"),
)
DELETED_STATES = (
    task_pb2.TASK_STATE_PENDING,
    task_pb2.TASK_STATE_PROCESSING,
    task_pb2.TASK_STATE_COMPLETED,
)
"""In each round, a task in each of these states is deleted."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Topology]:
    with gemini_in_a_thread() as gemini:
        gemini.always = picture(PHOTO)
        of_gemini = {"gemini_api_key": "k" * 39, "gemini_base_url": gemini.url}
        with topology(SETTINGS | of_gemini) as cluster:
            yield cluster


@dataclass
class Load:
    """The users' calls, and the kills and pauses among them."""

    cluster: Topology
    users: Mapping[str, User]
    operator: ClusterOperator
    follower: LogFollower
    store: SqlTaskStore
    hooked: Receiver
    """The receiver of all users' webhooks."""
    deleted: set[int] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    """The webhooks whose sender was killed before it got the answer."""

    async def run(self) -> set[int]:
        """Submit all tasks, disturb their work in all rounds, wait for their ends; return their ids."""
        async with asyncio.TaskGroup() as calls:
            submitting = [calls.create_task(self._submit(number)) for number in range(TASKS)]
            for done, each in enumerate(ROUNDS, start=1):
                # One after the other, each in the middle of the remaining work.
                await self.follower.ended(TASKS * done // (2 * len(ROUNDS)), WITHIN)
                for task in await self._victims():
                    calls.create_task(self.users[task.user_id].delete(task.task_id))
                await self._disturb(each)
        await self.follower.ended(TASKS, WITHIN)
        return {task.result() for task in submitting}

    async def _submit(self, number: int) -> int:
        user = self.users[USERS[number % len(USERS)]]
        engine = "gemini" if number % 3 == 0 else "local"
        return (await user.submit(PHOTO, f"photo-{number}", engine))[0]

    async def _victims(self) -> Sequence[task_pb2.Task]:
        """Return a task in each of `DELETED_STATES`, the newest one that was not deleted yet."""
        found: dict[task_pb2.TaskState.ValueType, task_pb2.Task] = {}

        def all_found() -> bool:
            found.clear()
            tasks = [event.task for event in self.follower.latest.values()]
            found.update((task.state, task) for task in tasks if task.task_id not in self.deleted)
            return found.keys() >= set(DELETED_STATES)

        await self.follower.until(all_found, WITHIN)
        victims = [found[state] for state in DELETED_STATES]
        self.deleted |= {task.task_id for task in victims}
        return victims

    async def _disturb(self, planned: Round) -> None:
        kill = self._kill_deliverer() if planned.first == DELIVERER else self._kill(planned.first)
        first = asyncio.create_task(kill)
        async with self.operator.paused(planned.paused, self.operator.by(planned.by)):
            await first
            await self._kill(planned.second)

    async def _kill(self, name: str) -> None:
        await asyncio.to_thread(self.cluster.kill, name)

    async def _kill_deliverer(self) -> None:
        held = self.hooked.hold()
        try:
            arrived = await asyncio.to_thread(self.hooked.wait_for, lambda each: len(each) > held)
            self.unanswered.append(arrived[held].message_id)
            pid = await deliverer_pid(self.store, self.hooked.url)
            (name,) = (name for name, process in self.cluster.processes.items() if process.pid == pid)
            await self._kill(name)
        finally:
            self.hooked.answer()


async def test_every_kind_of_process_is_killed_and_nothing_is_lost(
    cluster: Topology, figures: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(closing(Recorder.to(tmp_path / "history.jsonl")))
        recorder.add(Config(running_per_user=RUNNING_PER_USER, paused_within=1.0))
        store = await stack.enter_async_context(opened_store(cluster.database_url))
        epoch = (await store.latest_events(1)).head.epoch
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{cluster.http}", timeout=PATIENCE))
        channel = await stack.enter_async_context(cluster.open_channel())
        tabs = await stack.enter_async_context(browsers(cluster, epoch, USERS, recorder))
        operator = ClusterOperator(cluster, channel, http, recorder)
        hooks = stack.enter_context(receivers(len(HOOKED), random.Random("receivers"), rejected=REJECTED))
        for user, receiver in zip(HOOKED, hooks, strict=True):
            await operator.hook(receiver, user)
        watcher = Api(channel, "watcher", long_token("watcher", secret=cluster.secret, scope="service"))
        follower = await stack.enter_async_context(LogFollower(watcher, f"{epoch}:r0").following())
        users = {name: User(name, cluster, http, recorder) for name in USERS}
        load = Load(cluster, users, operator, follower, store, hooks[0])
        task_ids = await load.run()

        log = Log.of(await logged_events(store))
        await follower.until(lambda: len(follower.events) >= len(log.events), PATIENCE)
        await caught_up(tabs, {user: log.head(user) for user in USERS}, PATIENCE)
        await delivered(operator, len(log.events))
        await operator.record_webhooks()
        left = task_ids - load.deleted
        assert await operator.pauses() == []
        images_lost = await audit_images(store, users, left)
        await audit_bucket(store, cluster, load.deleted)
        await audit_counters(store, (await whole_snapshot(store)).tasks)
        listed = {user: {each["task_id"] for each in await users[user].listed()} for user in USERS}
        recorder.add(*log.events, *await stored_tasks(store))

    verdict = check(recorder.records)
    arrivals = Counter(each.message_id for each in hooks[0].deliveries)
    figures |= {
        "tasks": len(task_ids),
        "deleted": len(load.deleted),
        "kills": dict(cluster.kills),
        "pauses": verdict.pauses,
        "webhooks": verdict.webhooks,
        "webhooks_repeated": sum(count - 1 for count in arrivals.values()),
        "violations": len(verdict.violations),
        "images_lost": images_lost,
    }
    assert verdict.violations == (), verdict
    assert images_lost == 0
    assert [logged(event) for event in follower.events] == log.events
    assert len(task_ids) == TASKS
    assert {event.task_id for event in log.events if event.type == "deleted"} == load.deleted
    assert {log.by_task[task_id][-1].state for task_id in left} == {"completed"}
    owned = {user: {task_id for task_id in left if log.by_task[task_id][0].user == user} for user in USERS}
    assert listed == owned
    assert {state_before_deletion(log, task_id) for task_id in load.deleted} == {"pending", "processing", "completed"}
    assert verdict.pauses == len(ROUNDS)
    assert all(arrivals[message_id] > 1 for message_id in load.unanswered), "no message was repeated after its kill"
    assert not cluster.no_folder.exists(), "something was kept outside of PostgreSQL, Redis and S3"
    opened = Counter(record.client for record in recorder.records if isinstance(record, Opened))
    assert min(opened.values()) > 1, "the kills disconnected no client"


async def delivered(operator: ClusterOperator, head: int) -> None:
    """Return once every webhook has been delivered up to a revision."""
    async with asyncio.timeout(PATIENCE):
        while not await operator.delivered(head):  # noqa: ASYNC110 (a delivery is recorded after it has arrived)
            await asyncio.sleep(0.2)


async def audit_images(store: SqlTaskStore, users: Mapping[str, User], left: set[int]) -> int:
    """Return the number of tasks with missing or wrong images, or with images although they were deleted.

    The bytes that count for each user's quota must be those of these images.
    """
    log, _ = await read_log(store, page=1000)
    wrong = 0
    stored: defaultdict[str, int] = defaultdict(int)
    for task_id, owner in {event.task.task_id: event.user_id for event in log}.items():
        images = await users[owner].images(task_id)
        complete = images.keys() >= IMAGES and images["input"] == PHOTO
        wrong += not complete if task_id in left else bool(images)
        stored[owner] += sum(len(image) for image in images.values())
    assert await stored_bytes(store) == stored
    return wrong


async def audit_bucket(store: SqlTaskStore, cluster: Topology, deleted: set[int]) -> None:
    """Return once no image of a deleted task is left in the bucket."""
    log, _ = await read_log(store, page=1000)
    images = {key for event in log if event.task.task_id in deleted for key in event.task.blobs}
    assert images
    bucket = S3BlobStore(cluster.s3.bucket(prefix=cluster.settings["s3_prefix"]))
    async with asyncio.timeout(PATIENCE):
        while images & {each.key for each in await bucket.list(after="", limit=10_000)}:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.2)


def state_before_deletion(log: Log, task_id: int) -> str:
    """Return the state in which a task was when its deletion began."""
    return [event.state for event in log.by_task[task_id] if event.state not in {"cancelled", "deleted"}][-1]
