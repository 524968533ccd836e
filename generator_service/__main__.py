"""Command line: ``python -m generator_service serve``, and ``worker`` for further processes that only work."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from datetime import timedelta
from typing import Protocol

from pydantic import ValidationError

from generator_service import tracing
from generator_service.blobs.contract import BlobsUnusable
from generator_service.data_dir import DataDirInUse, DataDirUnusable, data_dir_lock
from generator_service.doctor import examine
from generator_service.engines.registry import NoEngine
from generator_service.engines.rembg import RembgUnusable
from generator_service.logs import configure_logs
from generator_service.metrics_server import PortInUse
from generator_service.parts import engine_settings
from generator_service.server import running_service
from generator_service.settings import Settings
from generator_service.store.postgres import renew_postgres
from generator_service.store.reconnect import StoreAway
from generator_service.store.restored import StoreInUse
from generator_service.store.sqlite import renew_sqlite
from generator_service.tls import CertificateUnusable
from generator_service.worker_process import UnsuitableSettings, running_worker


class Running(Protocol):
    """A process of the service that is under way."""

    @property
    def background(self) -> Sequence[asyncio.Task[None]]:
        """What goes on all the time; none of it ends by itself."""
        ...


Process = Callable[[Settings], AbstractAsyncContextManager[Running]]
PROCESSES: dict[str, tuple[str, Process]] = {
    "serve": ("whitebg-service", running_service),
    "worker": ("whitebg-worker", running_worker),
}
"""By command: the name under which traces tell of the process, and what it runs."""

SWITCH_SECONDS = 0.0005
"""How long a thread of the store may keep the interpreter while the event loop waits for it. The default of 5 ms is as
long as all the rest of an event's way to its watchers."""


def main() -> int:
    """Run a command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m generator_service", description="The whitebg generator service.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve gRPC and run tasks; settings come from WHITEBG_* variables")
    commands.add_parser("worker", help="only run tasks of the database that WHITEBG_DATABASE_URL names")
    commands.add_parser("restored", help="after a backup was restored, all stopped: give the log a new epoch")
    doctor = commands.add_parser("doctor", help="look at everything that serving needs, and say what is wrong")
    doctor.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    arguments = parser.parse_args()
    try:
        settings = Settings()  # type: ignore[call-arg]  # the environment supplies the fields
    except ValidationError as error:
        for problem in error.errors():
            # What is wrong with several together names them itself.
            variable = "".join(f"WHITEBG_{name}: ".upper() for name in problem["loc"][:1])
            sys.stderr.write(f"{variable}{problem['msg']}\n")
        return 2
    if arguments.command == "doctor":
        return asyncio.run(see_doctor(settings, as_json=arguments.json))
    if arguments.command == "restored":
        return asyncio.run(renew(settings))
    name, run = PROCESSES[arguments.command]
    configure_logs(settings.log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        if settings.tracing:
            tracing.start(name)
        asyncio.run(run_until_told(settings, run))
    except NoEngine as error:
        sys.stderr.write(f"WHITEBG_ENGINE_ORDER: {error}\n")
        return 2
    except RembgUnusable as error:
        sys.stderr.write(f"WHITEBG_REMBG_MODEL: {error}\n")
        return 2
    except (UnsuitableSettings, BlobsUnusable, CertificateUnusable, tracing.TracingUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (DataDirInUse, DataDirUnusable, PortInUse, StoreAway) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def renew(settings: Settings) -> int:
    """Give a restored database's log a new epoch; return the exit status."""
    try:
        if settings.database_url is not None:
            renewed = await asyncio.to_thread(renew_postgres, settings.database_url.get_secret_value())
        else:
            async with data_dir_lock(settings.data_dir, timedelta(0)):
                renewed = await asyncio.to_thread(renew_sqlite, settings.database)
    except (DataDirInUse, DataDirUnusable, StoreAway, StoreInUse) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"there is no database at {error}; restore it first\n")
        return 1
    sys.stdout.write(
        f"epoch {renewed.old_epoch} is now {renewed.epoch}; the log goes on after revision {renewed.revision}, "
        f"task ids after {renewed.last_id}\n"
    )
    return 0


async def see_doctor(settings: Settings, *, as_json: bool) -> int:
    """Print what is found; return 1 if anything is wrong."""
    status = 0
    async for finding in examine(settings, engine_settings(settings)):
        status = status if finding.ok else 1
        line = json.dumps(asdict(finding)) if as_json else f"{'ok   ' if finding.ok else 'WRONG'} {finding.subject}: "
        sys.stdout.write(line + ("" if as_json else finding.message) + "\n")
        sys.stdout.flush()
    return status


async def run_until_told(settings: Settings, run: Process) -> None:
    """Run until SIGTERM, SIGINT or, where the settings say so, the end of standard input; then drain."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.exit_on_stdin_eof:
        _on_stdin_eof(lambda: loop.call_soon_threadsafe(stop.set))
    async with run(settings) as running:
        stopped = asyncio.create_task(stop.wait(), name="stopped")
        await asyncio.wait({stopped, *running.background}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in running.background:
            # None of these ends by itself: better to stop and be started again than to go on by halves.
            if task.done():
                raise RuntimeError(f"background task {task.get_name()} ended") from task.exception()


def _on_stdin_eof(then: Callable[[], object]) -> None:
    def wait() -> None:
        # Not through sys.stdin: its lock, held by a thread that waits, makes the interpreter abort at exit.
        while os.read(sys.stdin.fileno(), 4096):
            continue
        then()

    threading.Thread(target=wait, name="stdin", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
