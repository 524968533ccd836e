"""Reflection: `buf curl` and other tools call the service without its proto files."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2

from tests.integration.service.conftest import Connect
from tests.support.api import TINY, token
from tests.support.patience import PATIENCE
from tests.support.processes import ServiceProcess

SERVICE = "whitebg.v1.GeneratorService"
BUF = Path(sys.executable).with_name("buf")


async def curl(service: ServiceProcess, *arguments: str, path: str = "", body: dict[str, Any] | None = None) -> str:
    """Run ``buf curl`` in a folder without proto files; return its output."""
    data = [] if body is None else ["--data", json.dumps(body)]
    process = await asyncio.create_subprocess_exec(
        *(str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments, *data),
        f"http://{service.target}{path}",
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


def values(text: str) -> list[dict[str, Any]]:
    """Parse a sequence of JSON objects."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


async def test_buf_curl_lists_services_and_methods(service: ServiceProcess) -> None:
    assert SERVICE in (await curl(service, "--list-services")).split()
    methods = (await curl(service, "--list-methods")).split()
    assert {f"{SERVICE}/{name}" for name in ("SubmitTask", "WatchTasks", "DownloadImage")} <= set(methods)


async def test_buf_curl_submits_and_watches(service: ServiceProcess, connect: Connect) -> None:
    api = connect()
    header = ("--header", f"authorization: Bearer {token(api.user)}")
    photo = base64.b64encode(TINY).decode()
    body = {"image": photo, "filename": "mug.png", "options": {"engine": "ENGINE_LOCAL", "sizePx": 100}}

    (answer,) = values(await curl(service, *header, path=f"/{SERVICE}/SubmitTask", body=body))
    task_id = answer["task"]["taskId"]
    await api.finished(int(task_id))
    begin = (await api.events(page_size=1)).events[0].cursor

    said = await curl(service, *header, path=f"/{SERVICE}/WatchTasks", body={"after": begin, "stopAtHead": True})
    items = [item for response in values(said) for item in response["items"]]
    assert [item["event"]["type"] for item in items if "event" in item] == [
        "EVENT_TYPE_STARTED",
        "EVENT_TYPE_COMPLETED",
    ]
    assert items[-1] == {"bookmark": {"caughtUp": True}}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_of_the_protocol_answer(channel: aio.Channel, version: str) -> None:
    reflect = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="whitebg.v1.Nothing"),
    ]
    listed, described, unknown = [answer async for answer in reflect(iter(asked))]

    assert SERVICE in [each.name for each in listed.list_services_response.service]
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in described.file_descriptor_response.file_descriptor_proto
    ]
    assert "whitebg/v1/generator_service.proto" in [file.name for file in files]
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        (f"{SERVICE}.WatchTasks", "whitebg/v1/generator_service.proto"),
        ("grpc.health.v1.Health.Check", "grpc_health/v1/health.proto"),
        ("whitebg.v1.GetQueueStatsResponse.StateCount", "whitebg/v1/generator_service.proto"),
        ("whitebg.v1.Task.task_id", "whitebg/v1/task.proto"),
        ("whitebg.v1.ON_GAP_FAIL", "whitebg/v1/generator_service.proto"),
        ("whitebg.v1.WatchItem.item", "whitebg/v1/generator_service.proto"),
    ],
)
async def test_every_symbol_is_described(channel: aio.Channel, version: str, symbol: str, file: str) -> None:
    """The requests of grpcurl's ``describe``: methods, nested messages, fields, values and oneofs too."""
    reflect = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{symbol}Nothing"),
    ]
    described, unknown = [answer async for answer in reflect(iter(asked))]
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(each).name
        for each in described.file_descriptor_response.file_descriptor_proto
    ]
    assert file in files
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
