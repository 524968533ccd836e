"""The supervisor over real processes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.client.conftest import RunCli
from tests.support.patience import PATIENCE
from whitebg.cli.datadir import DataDir, Endpoints
from whitebg.cli.restart import RestartPolicy
from whitebg.cli.supervisor import ChildCrashLooping, Command, Misconfigured, Supervisor

FAST = RestartPolicy(base=0.01, cap=0.02, quick=60.0, give_up_after=3)

DUTIFUL = "import os, sys; print('ready', os.getpid(), os.getsid(0), flush=True); sys.stdin.read(); print('drained')"
STUBBORN = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
)
DYING = "print('I can not go on'); raise SystemExit(3)"


class Heard:
    """Records the events of a supervisor."""

    def __init__(self) -> None:
        self.news: list[tuple[str, str]] = []
        self.lines: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def on_news(self, name: str, what: str) -> None:
        self.news.append((name, what))

    def on_line(self, name: str, line: str) -> None:
        self.lines.put_nowait((name, line))

    async def line(self) -> tuple[str, str]:
        return await asyncio.wait_for(self.lines.get(), PATIENCE)


def _command(tmp_path: Path, name: str, script: str) -> Command:
    return Command(name=name, argv=[sys.executable, "-c", script], log=tmp_path / f"{name}.log")


def _supervisor(heard: Heard, *commands: Command) -> Supervisor:
    return Supervisor(commands, on_news=heard.on_news, on_line=heard.on_line, policy=FAST)


async def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = _supervisor(heard, _command(tmp_path, "one", DUTIFUL))
    supervisor.start()
    _, first = await heard.line()
    os.kill(int(first.split()[1]), 9)
    _, second = await heard.line()
    assert first != second
    assert heard.news == [("one", "died with exit code -9; starting it again in 0.0 s")]
    await supervisor.stop(PATIENCE)


async def test_children_have_a_session_of_their_own(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = _supervisor(heard, _command(tmp_path, "one", DUTIFUL))
    supervisor.start()
    _, pid, session = (await heard.line())[1].split()
    assert pid == session
    assert int(session) != os.getsid(0)
    await supervisor.stop(PATIENCE)


async def test_a_child_that_cannot_use_its_settings_is_not_started_again(tmp_path: Path) -> None:
    heard = Heard()
    script = "import sys; print('{\"level\": \"INFO\"}'); print('WHITEBG_X: wrong', file=sys.stderr); sys.exit(2)"
    supervisor = _supervisor(heard, _command(tmp_path, "well", DUTIFUL), _command(tmp_path, "ill", script))
    supervisor.start()
    with pytest.raises(Misconfigured, match="ill can't start") as caught:
        await asyncio.wait_for(supervisor.failed(), PATIENCE)
    assert caught.value.problems == ["WHITEBG_X: wrong"]
    assert heard.news == []
    await supervisor.stop(PATIENCE)


async def test_a_child_beyond_help_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = _supervisor(heard, _command(tmp_path, "well", DUTIFUL), _command(tmp_path, "ill", DYING))
    supervisor.start()
    with pytest.raises(ChildCrashLooping, match="ill died 3 times in a row, the last time with exit code 3") as caught:
        await asyncio.wait_for(supervisor.failed(), PATIENCE)
    assert caught.value.last_lines == ["I can not go on"] * 3
    await supervisor.stop(PATIENCE)
    assert (tmp_path / "ill.log").read_text().splitlines() == ["I can not go on"] * 3


async def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    heard = Heard()
    missing = Command(name="gone", argv=[str(tmp_path / "no-such-program")], log=tmp_path / "gone.log")
    supervisor = _supervisor(heard, missing)
    supervisor.start()
    with pytest.raises(FileNotFoundError):
        await asyncio.wait_for(supervisor.failed(), PATIENCE)


async def test_the_last_one_is_drained_first(tmp_path: Path) -> None:
    heard = Heard()
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('drained', flush=True), sys.exit()))\n"
        "print('ready', flush=True); signal.pause()"
    )
    supervisor = _supervisor(heard, _command(tmp_path, "first", script), _command(tmp_path, "last", script))
    supervisor.start()
    assert {await heard.line(), await heard.line()} == {("first", "ready"), ("last", "ready")}
    await supervisor.stop(PATIENCE)
    assert [await heard.line(), await heard.line()] == [("last", "drained"), ("first", "drained")]
    assert heard.news == []


async def test_a_child_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    heard = Heard()
    supervisor = _supervisor(heard, _command(tmp_path, "one", STUBBORN))
    supervisor.start()
    await heard.line()
    await asyncio.wait_for(supervisor.stop(0.05), PATIENCE)
    assert heard.news == [("one", "did not drain within 0.05 s and is killed")]
    assert supervisor.children[0].pid is None


PARENT = """
import asyncio, sys
from pathlib import Path
from whitebg.cli.supervisor import Command, Supervisor

async def main():
    child = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.send(b'up'); sys.stdin.read()"
    command = Command(name="one", argv=[sys.executable, "-c", child, sys.argv[1]], log=Path(sys.argv[2]))
    supervisor = Supervisor([command], on_news=print)
    supervisor.start()
    await supervisor.failed()

asyncio.run(main())
"""  # noqa: E501


async def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PARENT, str(listener.getsockname()[1]), str(tmp_path / "log"))
        )
        child, _ = await asyncio.wait_for(loop.sock_accept(listener), PATIENCE)
        with child:
            assert await loop.sock_recv(child, 10) == b"up"
            parent.kill()
            await parent.wait()
            assert await asyncio.wait_for(loop.sock_recv(child, 10), PATIENCE) == b""  # Its process ended.


@pytest.fixture
async def busy_port() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_up_says_that_a_port_is_taken(cli: RunCli, busy_port: int) -> None:
    async with cli("up", "--http-port", str(busy_port), "--grpc-port", "0", connect=False) as process:
        _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert f"127.0.0.1:{busy_port} can't be used: Address already in use" in stderr.decode()
    assert "--http-port" in stderr.decode()


async def test_up_says_that_it_runs_already(cli: RunCli, tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "data")
    folder.create()
    with folder.locked(), folder.published(Endpoints("127.0.0.1:1", "http://127.0.0.1:2", os.getpid())):
        async with cli("up", connect=False) as process:
            _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert f"already running on {folder.path} at http://127.0.0.1:2 (pid {os.getpid()})" in stderr.decode()
