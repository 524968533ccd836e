"""The cluster as one: upgrades without loss, limits of all gateways together, and certificates."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing
from io import StringIO
from pathlib import Path

import grpc
import httpx
import pytest
from grpc import aio

from tests.cluster.database import logged_events, opened_store, stored_tasks
from tests.cluster.followers import LogFollower, browsers, caught_up
from tests.cluster.users import User
from tests.support.api import Api, open_channel, token
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import ServiceProcess
from tools.chaos.recorder import Recorder, logged
from tools.checker.history import Opened
from tools.checker.log import Log
from tools.checker.verdict import check
from tools.cluster.topology import Topology, topology

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

PHOTO = product_photo(200, 150)
WITHIN = 240.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Topology]:
    with topology({"lease": "PT3S", "heartbeat": "PT1S"}) as cluster:
        yield cluster


async def test_every_process_is_replaced_in_order_while_tasks_run(cluster: Topology, tmp_path: Path) -> None:
    """As in an upgrade: no submit is rejected, no attempt or event is lost, and none comes twice.

    A submit that arrives while a gateway ends may be rejected once: the gateway closes its idle connections, and nginx
    may just have sent a request over one. nginx sends no POST twice, because not every POST has an idempotency key.
    The client submits again, with the same key.
    """
    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(closing(Recorder.to(tmp_path / "history.jsonl")))
        store = await stack.enter_async_context(opened_store(cluster.database_url))
        head = (await store.latest_events(1)).head
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{cluster.http}", timeout=PATIENCE))
        channel = await stack.enter_async_context(cluster.open_channel())
        tabs = await stack.enter_async_context(browsers(cluster, head.epoch, ["eve", "hal"], recorder))
        watcher = Api(channel, "watcher", token("watcher", secret=cluster.secret, scope="service"))
        following = LogFollower(watcher, f"{head.epoch}:r{head.position}").following()
        follower = await stack.enter_async_context(following)
        users = [User(name, cluster, http, recorder) for name in ("eve", "hal")]
        task_ids: list[int] = []
        refusals: defaultdict[str, list[Sequence[str]]] = defaultdict(list)
        rolled = [name for name in cluster.processes if name != "nginx"]
        for name in sorted(rolled, key=lambda name: name.rpartition("-")[2]):
            replacing = asyncio.create_task(asyncio.to_thread(cluster.replace, name))
            replaced = False
            # The last submit of each begins when the new process is ready.
            while not replaced:
                replaced = replacing.done()
                number = 1001 + len(task_ids)
                task_id, refused = await users[number % 2].submit(PHOTO, f"photo-{number}")
                task_ids.append(task_id)
                refusals[name.partition("-")[0]].append(refused)
                await asyncio.wait([replacing], timeout=0.5)
            await replacing
        await follower.ended(len(task_ids), WITHIN)
        log = Log.of(await logged_events(store))
        await caught_up(tabs, {user.name: log.head(user.name) for user in users}, PATIENCE)
        recorder.add(*log.events, *await stored_tasks(store))

    verdict = check(recorder.records)
    assert verdict.violations == (), verdict
    new = log.events[head.position :]
    ended = [event for event in new if event.ends]
    assert len(rolled) == 7
    assert len(set(task_ids)) == len(task_ids) > 5
    assert sorted(event.task_id for event in ended) == sorted(task_ids)
    assert {event.type for event in ended} == {"completed"}
    assert {event.attempt for event in ended} == {1}, "an attempt was lost in a drain"
    assert not any(refusals["service"] + refusals["worker"]), [each for each in refusals.items() if any(each[1])]
    assert max(map(len, refusals["gateway"])) <= 1, refusals
    assert [logged(event) for event in follower.events] == new
    opened = Counter(record.client for record in recorder.records if isinstance(record, Opened))
    assert min(opened.values()) > 1, "the replaced gateways disconnected no client"


async def test_limits_hold_for_all_gateways_together(cluster: Topology) -> None:
    headers = {"Authorization": f"Bearer {token('fay', secret=cluster.secret)}"}
    async with httpx.AsyncClient(base_url=f"http://{cluster.http}", timeout=PATIENCE) as http:
        task_id, _ = await User("fay", cluster, http, Recorder(StringIO())).submit(PHOTO, "photo")
        polls = [await http.get(f"/api/v2/tasks/{task_id}/status", headers=headers) for _ in range(12)]
    assert Counter(poll.status_code for poll in polls) == {200: 10, 429: 2}
    assert all(int(poll.headers["Retry-After"]) >= 1 for poll in polls if poll.status_code == 429)


async def test_who_shows_no_certificate_gets_no_answer(cluster: Topology) -> None:
    """Neither nginx nor, when called directly, a service answers."""
    ca = grpc.ssl_channel_credentials((cluster.certificates / "ca.pem").read_bytes())
    service = cluster.processes["service-1"]
    assert isinstance(service, ServiceProcess)
    for target in (cluster.grpc, service.target):
        async with open_channel(target, ca) as channel:
            with pytest.raises(aio.AioRpcError) as refused:
                await Api(channel, "gus", token("gus", secret=cluster.secret)).get(1)
            assert refused.value.code() in {
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.INTERNAL,
                grpc.StatusCode.UNKNOWN,
            }
