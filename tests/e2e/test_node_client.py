"""A client in another language that knows the service only by reflection."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.support.api import SECRET, TINY, token
from tests.support.patience import PATIENCE
from tests.support.processes import service_process
from tools.node import find_node

FOLDER = Path(__file__).with_name("node")


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package["integrity"] for name, package in packages.items() if name)


async def test_grpc_js_lists_submits_and_watches_by_reflection(tmp_path: Path) -> None:
    node = find_node()
    await asyncio.to_thread(node.install, FOLDER)
    photo = tmp_path / "mug.png"
    photo.write_bytes(TINY)
    with service_process(tmp_path / "data", SECRET, worker_slots="1", pool_processes="1") as service:
        client = await asyncio.create_subprocess_exec(
            *(node.node, str(FOLDER / "client.mjs"), service.target, token("ann"), str(photo)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, errors = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()

    assert client.returncode == 0, errors.decode()
    said = json.loads(out)
    assert "whitebg.v1.GeneratorService" in said["services"]
    assert [event["seq"] for event in said["events"]] == ["1", "2", "3"]
    assert [event["type"].removeprefix("EVENT_TYPE_") for event in said["events"]] == [
        "CREATED",
        "STARTED",
        "COMPLETED",
    ]
    assert {event["taskId"] for event in said["events"]} == {said["taskId"]}
