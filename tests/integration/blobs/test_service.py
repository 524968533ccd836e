"""A service and its worker on a bucket, through an outage of the store and its recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.service.conftest import frozen_engine
from tests.support.api import QUICK, SECRET, TINY, Api, open_channel, refusal, token
from tests.support.http import http_client
from tests.support.processes import ServiceProcess, service_process
from tests.support.s3 import S3Server, s3_server
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb


@pytest.fixture
def mortal() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def service(tmp_path: Path, mortal: S3Server) -> Iterator[ServiceProcess]:
    bucket = mortal.settings | {"s3_public_url": f"{mortal.endpoint}/images"}
    with service_process(tmp_path / "data", SECRET, worker_slots="1", pool_processes="1", **bucket) as service:
        yield service


async def test_a_store_that_is_away_is_unavailable_and_costs_no_task(
    service: ServiceProcess, mortal: S3Server, tmp_path: Path
) -> None:
    async with open_channel(service.target) as channel:
        api = Api(channel, "ann", token("ann"))
        (before,) = await api.finished((await api.submit(options=QUICK)).task_id)
        await asyncio.to_thread(mortal.kill)

        refused = await refusal(api.submit(options=QUICK))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert refused.message == f"bucket images at {mortal.endpoint} can't be used: it does not answer"
        assert mortal.keys.secret_access_key not in service.output
        unread = await refusal(api.download(before.task_id, pb.IMAGE_KIND_RESULT))
        assert unread.code is grpc.StatusCode.UNAVAILABLE

        await asyncio.to_thread(mortal.start)
        _, result = await api.download(before.task_id, pb.IMAGE_KIND_RESULT)
        assert len(result) == before.result.size_bytes
        (after,) = await api.finished((await api.submit(options=QUICK)).task_id)
        assert after.state == task_pb2.TASK_STATE_COMPLETED
        assert len((await api.list_tasks()).tasks) == 2, "a rejected submission is no task"
    assert not (tmp_path / "data" / "blobs").exists()


async def test_a_result_that_can_not_be_stored_is_made_again(service: ServiceProcess, mortal: S3Server) -> None:
    async with open_channel(service.target) as channel:
        api = Api(channel, "ann", token("ann"))
        async with api.watch() as watch:
            with frozen_engine(service):
                task = await api.submit(options=QUICK)
                await watch.until_event(event_pb2.EVENT_TYPE_STARTED, task.task_id)
                await asyncio.to_thread(mortal.kill)
            snoozed = await watch.until_event(event_pb2.EVENT_TYPE_SNOOZED)
            assert (snoozed.task.error.code, snoozed.task.failures) == ("images_unavailable", 0)
            assert snoozed.task.wait_reason == task_pb2.WAIT_REASON_STORE_UNAVAILABLE
            assert snoozed.task.stage == "waiting for image storage"
            await asyncio.to_thread(mortal.start)
            completed = await watch.until_event(event_pb2.EVENT_TYPE_COMPLETED, task.task_id)
        assert (completed.task.attempt >= 2, completed.task.failures) == (True, 0)
        _, result = await api.download(task.task_id, pb.IMAGE_KIND_RESULT)
        assert len(result) == completed.task.result.size_bytes


async def test_an_address_is_given_in_place_of_bytes(service: ServiceProcess, mortal: S3Server) -> None:
    async with open_channel(service.target) as channel:
        api = Api(channel, "ann", token("ann"))
        task = await api.submit(filename="杯.png", options=QUICK)
        asked = {"url_lifetime": Duration(seconds=60), "url_attachment": True}
        info, data = await api.download(task.task_id, pb.IMAGE_KIND_INPUT, **asked)
        assert data == b""
        assert urlsplit(info.url).netloc == urlsplit(mortal.endpoint).netloc
        assert (info.content_type, info.size_bytes, info.filename) == ("image/png", len(TINY), "杯.png")
        async with http_client() as browser:
            image = await browser.get(info.url)
        assert image.content == TINY
        assert image.headers["Content-Disposition"] == "attachment; filename=\"_.png\"; filename*=UTF-8''%E6%9D%AF.png"
        created = await api.image_url(task.task_id, pb.IMAGE_KIND_INPUT, lifetime=Duration(seconds=60), attachment=True)
        assert created.image == await api.image(task.task_id, pb.IMAGE_KIND_INPUT)
        async with http_client() as browser:
            direct = await browser.get(created.url)
        assert direct.content == TINY
        assert direct.headers["Content-Disposition"] == image.headers["Content-Disposition"]
        other = Api(channel, "bob", token("bob"))
        refused = await refusal(other.download(task.task_id, pb.IMAGE_KIND_INPUT, **asked))
        assert refused.code is grpc.StatusCode.NOT_FOUND
