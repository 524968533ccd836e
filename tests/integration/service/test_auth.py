"""Authentication and authorization of callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from tests.integration.service.conftest import Connect
from tests.support.api import SECRET, Api, claims, read_refusal, refusal, token
from tests.support.processes import ServiceProcess
from whitebg.v1 import admin_service_pb2, event_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.token_lifetime import CLOCK_SKEW

DENIED = grpc.StatusCode.PERMISSION_DENIED


def rs256() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return jwt.encode(claims("ann"), pem, algorithm="RS256")


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "expired": lambda: token("ann", exp=datetime.now(UTC) - timedelta(seconds=61)),
    "unsigned": lambda: jwt.encode(claims("ann"), "", algorithm="none"),
    "wrong algorithm": lambda: jwt.encode(claims("ann"), SECRET, algorithm="HS512"),
    "asymmetric algorithm": rs256,
    "wrong audience": lambda: token("ann", aud="whitebg-ws"),
    "no audience": lambda: token("ann", aud=None),
    "another secret": lambda: token("ann", secret="0" * 64),
    "no expiry": lambda: token("ann", exp=None),
    "no subject": lambda: token("ann", sub=None),
    "empty subject": lambda: token("ann", sub=""),
    "endless subject": lambda: token("a" * 256),
    "not yet valid": lambda: token("ann", nbf=datetime.now(UTC) + timedelta(hours=1)),
    "not a token": lambda: "swordfish",
    "empty": lambda: "",
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
async def test_a_bad_token_is_unauthenticated(channel: aio.Channel, make: Callable[[], str]) -> None:
    bearer = make()
    refused = await refusal(Api(channel, "ann", bearer).list_tasks())

    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert not bearer or bearer not in refused.message


async def test_a_watch_ends_when_its_token_expires(connect: Connect) -> None:
    user = connect().user
    almost_expired = datetime.now(UTC) - CLOCK_SKEW + timedelta(seconds=4)
    lasting = connect(user)
    async with connect(user, exp=almost_expired).watch() as watch, lasting.watch() as kept:
        refused = await refusal(watch.rest())
        task = await lasting.submit()
        assert (await kept.until(lambda item: item.HasField("event"))).event.task.task_id == task.task_id
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert "the token has expired" in refused.message
    async with lasting.watch(after=watch.cursor) as resumed:
        await resumed.until_event(event_pb2.EVENT_TYPE_CREATED, task.task_id)


async def test_a_call_says_what_to_do_about_its_token(channel: aio.Channel) -> None:
    expired = Api(channel, "ann", BAD_TOKENS["expired"]())
    elsewhere = Api(channel, "ann", BAD_TOKENS["wrong audience"]())

    assert "expired; get a new one" in (await refusal(expired.list_tasks())).message
    assert "'whitebg'" in (await refusal(elsewhere.list_tasks())).message


@pytest.mark.parametrize("service_name", ["GeneratorService", "AdminService"])
async def test_every_method_asks_for_a_token(channel: aio.Channel, service_name: str) -> None:
    files = {"GeneratorService": pb.DESCRIPTOR, "AdminService": admin_service_pb2.DESCRIPTOR}
    service = files[service_name].services_by_name[service_name]
    for method in service.methods:
        request = GetMessageClass(method.input_type)().SerializeToString()
        path = f"/{service.full_name}/{method.name}"
        call: Awaitable[object]
        if method.server_streaming:
            stream: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            call = stream(request).read()
        else:
            unary: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            call = unary(request)
        assert (await refusal(call)).code is grpc.StatusCode.UNAUTHENTICATED, method.name


async def test_no_token_ever_reaches_the_log(service: ServiceProcess, channel: aio.Channel) -> None:
    good, bad = token("log-reader"), token("log-reader", secret="0" * 64)
    await Api(channel, "log-reader", good).list_tasks()
    await refusal(Api(channel, "log-reader", bad).list_tasks())

    service.wait_for("log-reader")
    assert good not in service.output
    assert bad not in service.output
    assert SECRET not in service.output


async def test_acting_for_somebody_else_needs_the_service_scope(api: Api, connect: Connect) -> None:
    theirs = connect().user
    calls: list[Awaitable[object]] = [
        *(api.submit(user_id=theirs), api.list_tasks(user_id=theirs), api.events(user_id=theirs)),
        *(api.get(1, user_id=theirs), api.cancel(1, user_id=theirs)),
        api.download(1, pb.IMAGE_KIND_INPUT, user_id=theirs),
    ]
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (DENIED, "PERMISSION_DENIED")
        assert "scope 'service'" in refused.message


@pytest.mark.parametrize("scope", [{"user_id": "somebody-else"}, {"all_users": True}], ids=["a user", "all"])
async def test_watching_somebody_else_needs_the_service_scope(api: Api, scope: dict[str, Any]) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        async with api.watch(**scope):
            pytest.fail("a watch of another user was opened")
    assert read_refusal(caught.value).code is DENIED


async def test_a_service_acts_for_whom_it_names(api: Api, connect: Connect) -> None:
    gateway = connect("gateway", scope="service")

    task = await gateway.submit(user_id=api.user)

    assert task.user_id == api.user
    assert (await api.get(task.task_id)).task_id == task.task_id
    assert (await gateway.get(task.task_id)).user_id == api.user
    assert [each.task_id for each in (await gateway.list_tasks(user_id=api.user)).tasks] == [task.task_id]


async def test_somebody_elses_task_does_not_exist(api: Api, connect: Connect) -> None:
    task = await api.submit()
    stranger = connect()
    calls: list[Awaitable[object]] = [
        *(stranger.get(task.task_id), stranger.cancel(task.task_id)),
        stranger.download(task.task_id, pb.IMAGE_KIND_INPUT),
        stranger.submit(image=None, source_task_id=task.task_id),
    ]
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


async def test_a_service_that_names_the_wrong_owner_finds_nothing(api: Api, connect: Connect) -> None:
    task = await api.submit()
    refused = await refusal(connect("gateway", scope="service").get(task.task_id, user_id="somebody-else"))

    assert refused.code is grpc.StatusCode.NOT_FOUND


async def test_a_token_without_any_scope_may_do_nothing(connect: Connect) -> None:
    nothing = connect(scope=None)

    for call in (nothing.list_tasks(), nothing.submit(), nothing.get(1)):
        assert (await refusal(call)).code is DENIED


async def test_figures_of_the_queue_are_for_administrators(api: Api, connect: Connect) -> None:
    assert (await refusal(api.stats())).code is DENIED
    assert (await connect(scope="admin").stats()).epoch


async def test_only_services_may_jump_the_queue(api: Api, connect: Connect) -> None:
    assert (await refusal(api.submit(priority=1))).code is DENIED
    assert (await api.submit(priority=-1)).priority == -1
    assert (await connect(scope="tasks service").submit(priority=10)).priority == 10
