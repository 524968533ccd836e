"""A rejected request leaves nothing in the service's memory."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from sqlalchemy.exc import DBAPIError

from generator_service.domain.errors import WhitebgError
from generator_service.domain.task import NewTask
from generator_service.submission import Submission
from tests.support.api import SECRET, TINY, Api, open_channel, refusal, submit_request, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE

HELD = (Submission, NewTask, WhitebgError, DBAPIError, grpc.aio.AbortError)
"""Objects that hold a photo, or the traceback of a call that does."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DrivenService]:
    """A service within this process, where a user may have one task pending."""
    service = DrivenService(tmp_path / "data", SECRET, pending_per_user=1)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def api(service: DrivenService) -> AsyncIterator[Api]:
    async with open_channel(service.target) as channel:
        yield Api(channel, "ann", token("ann"))


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Turn off the collector of reference cycles, so that objects are freed either at once or not at all."""
    gc.collect()
    # Objects that other tests of this process still hold, such as the traceback of a failure, are ignored.
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


async def nothing_remains() -> None:
    """Return once no such object exists; the client has its response a moment before the server ends the call."""
    deadline = time.monotonic() + PATIENCE
    while (names := remaining()) and time.monotonic() < deadline:  # noqa: ASYNC110  nothing signals that memory is freed
        await asyncio.sleep(0.01)
    assert names == []


def remaining() -> list[str]:
    return [type(held).__name__ for held in gc.get_objects() if isinstance(held, HELD)]


async def rejected(call: Awaitable[object], reason: str) -> None:
    assert (await refusal(call)).reason == reason


@pytest.mark.usefixtures("no_collector")
async def test_a_photo_that_is_rejected_by_its_bytes_is_freed(api: Api) -> None:
    await rejected(api.submit(b"%PDF" + bytes(1000)), "IMAGE_NOT_RECOGNISED")

    await nothing_remains()


@pytest.mark.usefixtures("no_collector")
async def test_a_photo_that_is_rejected_by_the_store_is_freed(api: Api) -> None:
    await api.submit(TINY, idempotency_key="first")

    await rejected(api.submit(TINY), "QUOTA_EXCEEDED")
    await rejected(api.submit(TINY, filename="other.png", priority=-1, idempotency_key="first"), "IDEMPOTENCY_CONFLICT")

    await nothing_remains()


@pytest.mark.usefixtures("no_collector")
async def test_photos_that_are_rejected_within_a_call_are_freed(api: Api) -> None:
    await api.submit(TINY)

    results = await api.submit_many(submit_request(b"%PDF" + bytes(1000)), submit_request(TINY))
    assert [each.error.reason for each in results] == ["IMAGE_NOT_RECOGNISED", "QUOTA_EXCEEDED"]

    await nothing_remains()


@pytest.mark.usefixtures("no_collector")
async def test_a_photo_whose_task_the_database_does_not_take_is_freed(
    api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "generator_service.rpc.interceptors")  # pytest keeps records and their errors
    with closing(sqlite3.connect(tmp_path / "data" / "whitebg.db")) as database:
        database.execute("CREATE TRIGGER broken BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'broken'); END")

    await rejected(api.submit(TINY), "INTERNAL")

    await nothing_remains()


@pytest.mark.usefixtures("no_collector")
async def test_a_request_without_a_token_is_freed(api: Api) -> None:
    api.metadata = ()

    await rejected(api.submit(TINY), "UNAUTHENTICATED")

    await nothing_remains()


@pytest.mark.usefixtures("no_collector")
async def test_a_stream_that_is_rejected_is_freed(api: Api) -> None:
    async with api.watch(after="not a cursor", settled=False) as watch:
        await rejected(watch.call.read(), "INVALID_REQUEST")

    await nothing_remains()
