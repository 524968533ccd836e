"""Bytes that are no message are the caller's fault, with and without a token."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc import aio

from tests.support.api import token
from tests.support.processes import ServiceProcess

_DAMAGED = b"\xff\xff\xff"


@pytest.mark.parametrize(
    "method",
    [
        "/whitebg.v1.GeneratorService/SubmitTask",
        "/whitebg.v1.GeneratorService/GetTask",
        "/whitebg.v1.AdminService/ListUsers",
        "/grpc.health.v1.Health/Check",
    ],
)
async def test_damaged_bytes_are_an_invalid_argument(
    service: ServiceProcess, channel: aio.Channel, method: str
) -> None:
    metadata = (("authorization", f"Bearer {token('ann')}"),)
    call: Any = channel.unary_unary(method)  # untyped: it takes bytes, no message
    with pytest.raises(aio.AioRpcError) as rejected:
        await call(_DAMAGED, metadata=metadata)
    assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "can't be parsed" in (rejected.value.details() or "")
    assert "Traceback" not in service.output
