"""The AsyncAPI document matches the code: all sent messages are described, all described ones are understood."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml

from tests.integration.gateway.world import GatewayHarness
from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.http.docs import ASYNCAPI
from ws_gateway.protocol import inbound, messages
from ws_gateway.protocol.close_codes import CloseCode
from ws_gateway.protocol.cursor import Start, UserCursor
from ws_gateway.protocol.messages import Page, SyncMode
from ws_gateway.upstream import history

DOCUMENT: dict[str, Any] = yaml.safe_load(ASYNCAPI)
CHANNEL = DOCUMENT["channels"]["notifications"]
MESSAGES = DOCUMENT["components"]["messages"]
PROTOCOL_PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"
CURSOR = UserCursor("6f1c2a", 42)


def operation(name: str) -> list[str]:
    return [each["$ref"].rsplit("/", 1)[1] for each in DOCUMENT["operations"][name]["messages"]]


def validator(message: str) -> jsonschema_rs.Validator:
    # The payload's references point into the document, so the whole document is passed.
    return jsonschema_rs.validator_for(
        MESSAGES[message]["payload"] | {"components": DOCUMENT["components"]}, validate_formats=True
    )


SENT = {MESSAGES[each]["payload"]["properties"]["type"]["const"]: validator(each) for each in operation("notify")}


def check(frame: dict[str, Any]) -> None:
    SENT[frame["type"]].validate(frame)


def examples(operation_name: str) -> list[Any]:
    return [
        pytest.param(name, example["payload"], id=f"{name}-{number}")
        for name in operation(operation_name)
        for number, example in enumerate(MESSAGES[name]["examples"])
    ]


@pytest.mark.parametrize(("name", "payload"), examples("notify") + examples("listen"))
def test_every_example_fits_its_schema(name: str, payload: dict[str, Any]) -> None:
    validator(name).validate(payload)


@pytest.mark.parametrize(("name", "payload"), examples("listen"))
def test_the_gateway_understands_every_example(name: str, payload: dict[str, Any]) -> None:
    parsed = inbound.parse(orjson.dumps(payload).decode())
    match payload:
        case {"type": "sync", "since": None}:
            assert parsed == inbound.Sync(Start.SNAPSHOT)
        case {"type": "sync", "since": str(since)} if since == "6f1c2a:40":
            assert parsed == inbound.Sync(UserCursor("6f1c2a", 40))
        case {"type": "sync", "since": str(since)}:
            assert parsed == inbound.Sync(datetime.fromisoformat(since))
        case {"type": "ack"}:
            assert parsed == inbound.Ack(CURSOR)
        case {"type": "auth", "token": token}:
            assert parsed == inbound.Auth(token)
        case {"type": kind}:
            assert parsed == {"ping": inbound.Ping(), "pong": inbound.Pong(), "watch_queue": inbound.WatchQueue()}[kind]


def test_every_type_that_the_gateway_understands_is_described() -> None:
    with pytest.raises(inbound.ProtocolError) as refusal:
        inbound.parse('{"type": "?"}')
    known = set(re.split(r", | and ", str(refusal.value).partition("known are ")[2]))
    assert known == {MESSAGES[each]["payload"]["properties"]["type"]["const"] for each in operation("listen")}


@pytest.mark.parametrize(
    "frame",
    [
        messages.PONG,
        messages.hello("ann"),
        messages.bookmark(CURSOR),
        messages.token_expiring(59.9),
        messages.service(available=False),
        messages.QUEUE_CHANGED,
        messages.going_away(730),
        messages.error("protocol_error", "not JSON"),
        messages.sync_begin(Page(SyncMode.REPLAY, (), CURSOR)),
        messages.sync_end(Page(SyncMode.SNAPSHOT, (), CURSOR, reason="epoch_changed")),
    ],
)
def test_every_frame_but_those_of_tasks_fits(frame: str) -> None:
    check(orjson.loads(frame))


async def test_whatever_happens_to_tasks_fits(world: GatewayHarness) -> None:
    service = world.service
    for _ in range(3):
        await service.submit("ann")
    async with world.open(v2=True, since="e0:0") as client:
        await client.until(lambda m: m["type"] == "sync_end")
        await service.work(1)
        await service.progress(1, 50)
        await client.until(lambda m: m.get("data", {}).get("progress") == 50)
        await service.cancel(2)
        await service.work(3)
        await service.fail(3)
        await service.retry(1)
        await service.work(1)
        await service.complete(1)
        await client.until(lambda m: m["type"] == "task_complete")
        await client.send(type="ping")
        await client.send(type="sync", since=None)
        await client.until(lambda m: m["type"] == "sync_end")
    kinds = {message["type"] for message in client.messages}
    assert kinds >= {"hello", "task_update", "task_complete", "task_failed", "sync_begin", "sync_end", "pong"}
    for message in client.messages:
        check(message)


def test_every_reason_of_a_snapshot_is_named() -> None:
    named = set(DOCUMENT["components"]["schemas"]["snapshotReason"]["enum"]) - {None}
    of_service = {name.removeprefix("SNAPSHOT_REASON_").lower() for name in pb.SnapshotReason.keys()}  # noqa: SIM118
    assert named == (of_service - {"unspecified"}) | {history.TOO_OLD, history.TOO_MANY}


def test_the_close_codes_are_those_of_the_code_and_of_the_page() -> None:
    described = {each["code"]: each["policy"] for each in CHANNEL["x-close-codes"]}
    assert described == {int(code): code.policy.name.lower() for code in CloseCode}
    rows = re.findall(r"^\| (4\d{3}) \| ([a-z ]+) \|", PROTOCOL_PAGE.read_text(), re.MULTILINE)
    assert {int(code): policy.replace(" ", "_") for code, policy in rows} == described


def test_every_example_of_the_page_is_one_that_the_code_knows() -> None:
    frames = re.findall(r"^([<>]) (\{.*\})$", PROTOCOL_PAGE.read_text(), re.MULTILINE)
    assert len(frames) > 10
    for direction, text in frames:
        if direction == ">":
            inbound.parse(text)
        else:
            check(orjson.loads(text))


async def test_the_document_is_served(world: GatewayHarness) -> None:
    answer = await world.http.get("/asyncapi.yaml")
    assert answer.headers["Content-Type"].startswith("application/yaml")
    assert answer.content == ASYNCAPI


async def test_the_pages_of_the_api_come_from_here_alone(world: GatewayHarness) -> None:
    page = (await world.http.get("/docs")).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 2
    for source in sources:
        assert source.startswith("/"), f"{source} is somebody else's"
        assert (await world.http.get(source)).status_code == 200
