"""The blocking client when its process ends or forks, or when it calls itself, in real interpreters."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import AsyncClient, Client, errors


async def run(script: str, server: DrivenService) -> tuple[str, str]:
    """Run a script with a client; return its output on stdout and stderr."""
    prelude = "import os, sys, threading\nfrom whitebg import Client\nclient = Client(sys.argv[1], sys.argv[2])\n"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", prelude + script, server.target, token()()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise AssertionError("the interpreter did not exit") from None
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


@pytest.mark.parametrize(
    "script",
    [
        "updates = client.watch(); next(updates); print('done')",
        "for update in client.watch(): break\nprint('done')",
        "keep = client.watch(); next(keep); keep_client = [keep, client]; client.keep = keep; print('done')",
        "client.presets(); print('done')",
    ],
)
async def test_the_interpreter_exits_while_a_watch_is_open(server: DrivenService, script: str) -> None:
    assert await run(script, server) == ("done\n", "")


async def test_the_interpreter_exits_while_a_daemon_thread_watches(server: DrivenService) -> None:
    script = (
        "began = threading.Event()\n"
        "def watch():\n"
        "    try:\n"
        "        for update in client.watch():\n"
        "            began.set()\n"
        "    except Exception as error:\n"
        "        pass\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "began.wait()\n"
        "print('done')\n"
    )
    assert (await run(script, server))[0] == "done\n"


async def test_the_interpreter_exits_while_a_callback_blocks_the_loop(server: DrivenService) -> None:
    script = (
        "asked = threading.Event()\n"
        "def token():\n"
        "    asked.set()\n"
        "    threading.Event().wait()\n"
        "blocked = Client(sys.argv[1], token)\n"
        "threading.Thread(target=blocked.presets, daemon=True).start()\n"
        "asked.wait()\n"
        "print('done')\n"
    )
    assert (await run(script, server))[0] == "done\n"


FORKED = """
pid = os.fork()
if pid == 0:
    try:
        client.presets()
    except RuntimeError as error:
        print(type(error).__name__, error, flush=True)
    client.close()
    os._exit(0)
_, status = os.waitpid(pid, 0)
assert status == 0, status
client.presets()
client.close()
"""


async def test_a_forked_process_gets_a_clear_error(server: DrivenService) -> None:
    out, _ = await run(FORKED, server)
    assert out.startswith("ClientStateError")
    assert "forked" in out
    assert "spawn" in out


async def test_no_channel_is_opened_where_grpc_did_not_survive_a_fork(
    server: DrivenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not a real fork: without gRPC's threads, its C code may crash a forked process before our code runs.
    monkeypatch.setattr("whitebg.wire._opened_in", os.getppid())
    async with AsyncClient(server.target, token()) as client:
        with pytest.raises(errors.ClientStateError, match="does not work here"):
            await client.presets()


async def test_a_client_first_used_after_a_fork_works(server: DrivenService) -> None:
    script = (
        "pid = os.fork()\n"
        "client = Client(*sys.argv[1:])\n"
        # In one write: print writes a line and its end separately, and two processes share the pipe.
        "os.write(1, f'{len(client.presets()) > 0}\\n'.encode())\n"
        "client.close()\n"
        "if not pid: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    out, _ = await run(script, server)
    assert out == "True\nTrue\n"


async def test_a_callback_that_calls_the_client_gets_a_clear_error(server: DrivenService) -> None:
    def use() -> None:
        def renew() -> str:
            client.presets()
            return "never"

        with Client(server.target, renew, backoff=QUICK) as client:
            with pytest.raises(errors.ClientStateError, match="hand the work to another thread"):
                client.presets()
            with pytest.raises(errors.ClientStateError, match="hand the work to another thread"):
                next(client.watch())

    await asyncio.wait_for(asyncio.to_thread(use), PATIENCE)


async def test_a_closed_client_raises_and_stays_closed(server: DrivenService) -> None:
    def use() -> None:
        client = Client(server.target, token())
        updates = client.watch()
        next(updates)
        client.close()
        for call in (client.presets, lambda: client.submit(PHOTO), lambda: next(client.list_tasks())):
            with pytest.raises(errors.ClientStateError, match="closed; create a new one"):
                call()
        with pytest.raises(errors.ClientStateError, match="closed"):
            next(updates)
        updates.close()
        client.close()

    await asyncio.wait_for(asyncio.to_thread(use), PATIENCE)


async def test_paths_may_be_text_and_pictures_may_go_to_a_file(server: DrivenService, tmp_path: Path) -> None:
    (tmp_path / "cap.png").write_bytes(PHOTO)

    def use() -> None:
        with Client(server.target, token()) as client:
            with (tmp_path / "cap.png").open("rb") as photo:
                task = client.wait(client.submit(photo).task_id, 60)
            assert task.input.filename == "cap.png"
            client.wait(client.submit(str(tmp_path / "cap.png")).task_id, 60)
            saved = client.download(task.task_id, str(tmp_path / "out.png"))
            assert saved == tmp_path / "out.png"
            end, start = os.pipe()
            with os.fdopen(start, "wb") as pipe, os.fdopen(end, "rb") as reader:
                client.download(task.task_id, pipe)
                pipe.close()
                assert reader.read() == saved.read_bytes()

    await asyncio.wait_for(asyncio.to_thread(use), PATIENCE)
