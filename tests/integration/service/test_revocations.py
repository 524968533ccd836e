"""Revoked sessions: at the service that was called, at another one on the same database, and after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.service.conftest import Connect
from tests.support.api import SECRET, Api, open_channel, refusal, token
from tests.support.postgres import PostgresServer
from tests.support.processes import service_process
from whitebg.v1 import admin_service_pb2 as admin_pb
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def stamp(at: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(at)
    return message


async def test_a_revoked_session_is_rejected_and_its_watch_ends(connect: Connect) -> None:
    admin = connect("root", scope="admin")
    ann, other = connect(jti="rev-1", sid="rev-session"), connect(jti="rev-2")
    async with ann.watch() as watch, other.watch() as kept:
        recorded = await admin.revoke(session_id="rev-session")
        refused = await refusal(watch.rest())
        assert (refused.code, refused.reason) == (UNAUTHENTICATED, "SESSION_REVOKED")
        task = await other.submit()
        assert (await kept.until(lambda item: item.HasField("event"))).event.task.task_id == task.task_id
    assert (await refusal(ann.list_tasks())).reason == "SESSION_REVOKED"
    assert await admin.revoke(session_id="rev-session") == recorded, "a second time changes nothing"


async def test_the_session_of_an_api_key_that_is_revoked_by_its_id(connect: Connect) -> None:
    """Its id stands in each link to an image; a key must not be rejected over HTTP alone."""
    admin, user = connect("root", scope="admin"), connect().user
    wanted = admin_pb.CreateApiKeyRequest(name="shop", user_id=user, scopes=["tasks"])
    made = await AdminServiceStub(admin.channel).CreateApiKey(wanted, metadata=admin.metadata)
    shop = Api(admin.channel, user, made.key)
    async with shop.watch() as watch:
        await admin.revoke(session_id=f"key:{made.api_key.key_id}")
        assert (await refusal(watch.rest())).reason == "SESSION_REVOKED"
    assert (await refusal(shop.list_tasks())).reason == "SESSION_REVOKED"


async def test_all_sessions_of_a_user(connect: Connect) -> None:
    admin = connect("root", scope="admin")
    user = connect().user
    now = datetime.now(UTC)
    old, new, nameless = connect(user, iat=now), connect(user, iat=now + timedelta(seconds=70)), connect(user)
    await admin.revoke(user_id=user)
    for caller in (old, nameless):
        assert (await refusal(caller.list_tasks())).code is UNAUTHENTICATED
    await new.list_tasks()


async def test_only_those_issued_before_a_time(connect: Connect) -> None:
    admin = connect("root", scope="admin")
    user, now = connect().user, datetime.now(UTC)
    await admin.revoke(user_id=user, issued_before=stamp(now - timedelta(hours=1)))
    await connect(user, iat=now).list_tasks()
    assert (await refusal(connect(user, iat=now - timedelta(hours=2)).list_tasks())).code is UNAUTHENTICATED


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"session_id": "s", "user_id": "ann"},
        {"session_id": "x" * 256},
        {"user_id": "a\0"},
        {"session_id": "s", "expires_at": Timestamp(seconds=1)},
        {"user_id": "ann", "issued_before": Timestamp(seconds=2**62)},
    ],
)
async def test_what_can_t_be_revoked(connect: Connect, which: dict[str, Any]) -> None:
    refused = await refusal(connect("root", scope="admin").revoke(**which))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_may_revoke_and_list(connect: Connect) -> None:
    assert (await refusal(connect().revoke(session_id="s"))).code is grpc.StatusCode.PERMISSION_DENIED
    for scope in ("tasks", "admin"):
        assert (await refusal(connect(scope=scope).revocations())).code is grpc.StatusCode.PERMISSION_DENIED
    assert (await connect("gateway", scope="service").revocations()).epoch


async def test_watchers_of_everybody_get_them_and_nobody_else(connect: Connect) -> None:
    gateway = connect("gateway", scope="service")
    ann = connect()
    async with gateway.watch(all_users=True) as everybody, ann.watch() as own:
        recorded = await gateway.revoke(session_id=f"told-{ann.user}")
        item = await everybody.until(lambda item: item.HasField("revocation"))
        assert item.revocation == recorded
        await ann.submit()
        await own.until(lambda item: item.HasField("event"))
        assert not any(item.HasField("revocation") for item in own.items)
    last = recorded.number
    page = await gateway.revocations(after=last - 1)
    assert (page.revocations[0], page.head >= last) == (recorded, True)
    assert len((await gateway.revocations(page_size=1)).revocations) == 1


async def test_every_service_knows_at_once_and_after_a_restart(tmp_path: Path, postgres: PostgresServer) -> None:
    database = postgres.url(postgres.create())
    settings = {"database_url": database, "worker_slots": "0"}
    with (
        service_process(tmp_path / "one", SECRET, **settings) as one,
        service_process(tmp_path / "two", SECRET, **settings) as two,
    ):
        async with open_channel(one.target) as first, open_channel(two.target) as second:
            admin = Api(first, "root", token("root", scope="admin"))
            ann = Api(second, "ann", token("ann", sid="s1"))
            async with ann.watch() as watch:
                await admin.revoke(session_id="s1")
                assert (await refusal(watch.rest())).reason == "SESSION_REVOKED"
            assert (await refusal(ann.list_tasks())).code is UNAUTHENTICATED
    with service_process(tmp_path / "three", SECRET, **settings) as three:
        async with open_channel(three.target) as third:
            assert (await refusal(Api(third, "ann", token("ann", jti="s1")).list_tasks())).code is UNAUTHENTICATED
