"""The S3 server of compose, started by its own command: every operation that services need."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.blobs.s3 import S3BlobStore
from generator_service.settings import Settings
from tests.support.patience import PATIENCE
from tests.support.processes import Program, free_port
from tests.support.s3 import PARTS, forget_sockets

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "deploy" / "compose.yaml").read_text())
SERVER = COMPOSE["services"]["s3"]
SECRET = "a secret of more than 32 bytes that the test fills in"


def environment(of: dict[str, str], port: int) -> dict[str, str]:
    return {
        name: re.sub(r"\$\{[^}]+\}", SECRET, value).replace("//s3:8333", f"//127.0.0.1:{port}")
        for name, value in of.items()
    }


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run it locally, with other ports and another folder."""
    port = free_port()
    here = {"-dir=/data": f"-dir={tmp_path}", "-ip=s3": "-ip=127.0.0.1", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1"}
    command = [here.get(word, word) for word in SERVER["command"] if word != "-s3.port=8333"]
    assert len(command) == len(SERVER["command"]) - 1
    grpc = {part: free_port() for part in PARTS}
    command += [f"-{part}.port.grpc={number}" for part, number in grpc.items()]
    command += [f"-{part}.port={free_port()}" for part in PARTS if part != "s3"] + [f"-s3.port={port}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-{part}.localSocket={tmp_path}/{part}.sock" for part in ("filer", "s3")]
    for name, value in environment(SERVER["environment"], port).items():
        monkeypatch.setenv(name, value)
    program = Program([str(Path(sys.executable).with_name("weed")), "-logtostderr=true", *command], {})
    program.wait_for("Start Seaweed S3 API Server")
    for name in SERVER["environment"]:
        monkeypatch.delenv(name)
    probe = SERVER["healthcheck"]["test"][-1].replace("8333", str(port))
    assert httpx.get(probe, timeout=PATIENCE).status_code == 200
    yield port
    program.close()
    forget_sockets(*grpc.values())


async def test_services_find_their_images_in_it(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(COMPOSE["x-service"]["environment"], port).items():
        monkeypatch.setenv(name, value)
    bucket = Settings().bucket
    assert bucket is not None
    blobs = S3BlobStore(bucket)
    await blobs.put("input/ab/abc", b"x", content_type="image/png")
    assert await blobs.get("input/ab/abc") == b"x"
    assert [stored.key for stored in await blobs.list(after="", limit=10)] == ["input/ab/abc"]
    assert bucket.keys is not None
    with pytest.raises(BlobStoreUnavailable, match="SignatureDoesNotMatch"):
        await S3BlobStore(replace(bucket, keys=replace(bucket.keys, secret_access_key="x"))).get("input/ab/abc")
