"""Command line: ``python -P -m generator_service serve``, and ``worker`` for further processes that only work."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict
from datetime import timedelta
from io import TextIOWrapper
from typing import Protocol

import uvloop
from pydantic import ValidationError

from generator_service.arguments import parse_arguments
from generator_service.blobs.contract import BlobStoreConfigError, BlobStoreUnavailable
from generator_service.bootstrap import engine_settings, open_blob_store, open_store
from generator_service.data_dir import DataDirError, DataDirInUse, data_dir_lock
from generator_service.domain.clock import SystemClock
from generator_service.engines.neural.models import ModelUnusable
from generator_service.engines.registry import NoEngine
from generator_service.image_store import ImageStoreGuard
from generator_service.ops.metrics_server import PortInUse
from generator_service.server import running_service
from generator_service.settings import MissingSetting, Settings
from generator_service.store.postgres import renew_postgres
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.restored import StoreInUse
from generator_service.store.sqlite import damage, renew_sqlite
from generator_service.store.unavailable import DatabaseUnusable
from generator_service.worker_process import UnsuitableSettings, running_worker
from whitebg_process.certificates import CertificateError
from whitebg_process.event_loops import call_in_loop
from whitebg_process.garbage import settle_garbage
from whitebg_process.hardening import protect_memory
from whitebg_process.known_settings import unknown_settings
from whitebg_process.logs import configure_logs
from whitebg_process.settings import describe
from whitebg_process.standard_input import on_end_of_input
from whitebg_process.stopping import exit_within, seconds_to_end
from whitebg_process.tracing import TracingUnavailable, start_tracing

logger = logging.getLogger(__name__)


class Running(Protocol):
    """A running process of the service."""

    @property
    def background(self) -> Sequence[asyncio.Task[None]]:
        """Long-running background tasks."""
        ...


Process = Callable[[Settings], AbstractAsyncContextManager[Running]]
PROCESSES: dict[str, tuple[str, Process]] = {
    "serve": ("whitebg-service", running_service),
    "worker": ("whitebg-worker", running_worker),
}
"""The process's name in traces and its main function, by command."""

MISCONFIGURED = (
    MissingSetting,
    UnsuitableSettings,
    BlobStoreConfigError,
    CertificateError,
    DatabaseUnusable,
    DataDirError,
    PortInUse,
    TracingUnavailable,
)
"""Errors that a restart can't fix: the exit status is 2. The message names the setting."""

_S3_SECRETS = frozenset({"s3_access_key_id", "s3_secret_access_key", "s3_session_token"})
UNUSED_SECRETS = {
    "doctor": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url"}),
    "models": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key", "database_url"})
    | _S3_SECRETS,
    "backup": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key"}),
    "restore": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key"}),
    "adopt-images": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key"}),
    "rotate-epoch": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key"}) | _S3_SECRETS,
    "restored": frozenset({"jwt_secret", "jwt_former_secrets", "redis_url", "gemini_api_key"}) | _S3_SECRETS,
}
"""Secrets that a command runs without: they may be missing, unreadable or invalid."""

SWITCH_SECONDS = 0.0005
"""How long a thread of the store may hold the interpreter while the event loop waits for it. The default of 5 ms is as
long as the rest of the latency from an event to its watchers."""


def main() -> int:
    """Run a command; return the exit status."""
    arguments = parse_arguments()
    unused = UNUSED_SECRETS.get(arguments.command, frozenset())
    try:
        settings, problems = load_settings(unused)
    except ValidationError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in describe(error, Settings))
        return 2
    if arguments.command == "doctor":
        return asyncio.run(run_doctor(settings, as_json=arguments.json, problems=problems))
    # These two are imported here because serving does not need them.
    if arguments.command == "models":
        from generator_service import models_command

        return models_command.run(settings, arguments)
    if arguments.command in {"backup", "restore"}:
        from generator_service import backup_command

        return backup_command.run(settings, arguments)
    if (once := ONCE.get(arguments.command)) is not None:
        return asyncio.run(once(settings))
    return run_process(arguments.command, settings)


def load_settings(unused: Collection[str]) -> tuple[Settings, Sequence[str]]:
    """Read the settings; return them with the problems of ``unused`` secrets, which a command does without.

    Raises:
        pydantic.ValidationError: another setting is invalid.

    """
    try:
        return Settings(), ()
    except ValidationError as error:
        if not unused:
            raise
        problems = tuple(describe(error, Settings))
    names = {f"WHITEBG_{name}{suffix}".upper() for name in unused for suffix in ("", "_FILE")}
    for name in [name for name in os.environ if name.upper() in names]:
        del os.environ[name]
    return Settings(), problems


def run_process(command: str, settings: Settings) -> int:
    """Run a long-lived process until it is stopped by a signal; return the exit status."""
    name, run = PROCESSES[command]
    configure_logs(settings.log_level)
    protect_memory()
    for problem in (*unknown_settings(os.environ), *settings.cautions):
        logger.warning(problem)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        if settings.tracing:
            start_tracing(name)
        uvloop.run(run_until_stopped(settings, run))
    except NoEngine as error:
        sys.stderr.write(f"WHITEBG_ENGINE_ORDER: {error}\n")
        return 2
    except ModelUnusable as error:
        sys.stderr.write(f"WHITEBG_NEURAL_MODEL: {error}\n")
        return 2
    except MISCONFIGURED as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except DataDirInUse as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except DatabaseUnavailable as error:
        setting = "WHITEBG_DATA_DIR" if settings.database_url is None else "WHITEBG_DATABASE_URL"
        sys.stderr.write(f"{setting}: {error}{f' ({error.cause})' if error.cause else ''}\n")
        return 1
    except Exception as error:
        if found := damage(error):
            sys.stderr.write(f"the database {settings.database} is damaged: {found}; restore a backup\n")
            return 2
        raise
    return 0


async def renew(settings: Settings) -> int:
    """Rotate the log epoch of a restored database; return the exit status."""
    try:
        if settings.database_url is not None:
            renewed = await asyncio.to_thread(renew_postgres, settings.database_url.get_secret_value())
        else:
            async with data_dir_lock(settings.data_dir, timedelta(0)):
                renewed = await asyncio.to_thread(renew_sqlite, settings.database)
    except (DataDirInUse, DataDirError, DatabaseUnavailable, StoreInUse) as error:
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


async def adopt_images(settings: Settings) -> int:
    """Bind the configured image store to this database; return the exit status."""
    try:
        async with AsyncExitStack() as stack:
            if settings.database_url is None:
                await stack.enter_async_context(data_dir_lock(settings.data_dir, timedelta(0)))
            store = await open_store(settings, SystemClock(), lambda _: None)
            stack.push_async_callback(store.close)
            blobs = await asyncio.to_thread(open_blob_store, settings)
            await ImageStoreGuard(store, blobs).adopt()
    except (
        BlobStoreUnavailable,
        BlobStoreConfigError,
        DatabaseUnusable,
        DataDirInUse,
        DataDirError,
        DatabaseUnavailable,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"the {blobs.where} now belongs to this database; images that none of its tasks names are deleted in two days\n"
    )
    return 0


ONCE = {"rotate-epoch": renew, "restored": renew, "adopt-images": adopt_images}
"""Commands that run to their end and need nothing but the settings."""


async def run_doctor(settings: Settings, *, as_json: bool, problems: Sequence[str] = ()) -> int:
    """Print the findings, ``problems`` of the settings first; return 1 if there is a problem."""
    # Imported here because it checks every engine and needs modules that serving rarely uses.
    from generator_service.doctor import Finding, examine

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # A path may not fit the stream's encoding.
    status = 0

    def show(finding: Finding) -> None:
        nonlocal status
        status = status if finding.ok else 1
        line = json.dumps(asdict(finding)) if as_json else f"{'ok   ' if finding.ok else 'WRONG'} {finding.subject}: "
        sys.stdout.write(line + ("" if as_json else finding.message) + "\n")
        sys.stdout.flush()

    for problem in problems:
        show(Finding(subject="settings", ok=False, message=problem))
    async for finding in examine(settings, engine_settings(settings)):
        show(finding)
    return status


async def run_until_stopped(settings: Settings, run: Process) -> None:
    """Run until SIGTERM, SIGINT or, if configured, the end of standard input; then drain.

    A start that is stopped is cancelled. In either case the process ends in bounded time.
    """
    loop, stop, started = asyncio.get_running_loop(), asyncio.Event(), False
    process = asyncio.current_task(loop)
    assert process is not None  # noqa: S101 (a coroutine runs in a task)

    def request_stop() -> None:
        if stop.is_set():
            return
        stop.set()
        exit_within(seconds_to_end(settings.drain.total_seconds(), started=started))
        if not started:
            process.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request_stop)
    if settings.exit_on_stdin_eof:
        on_end_of_input(lambda: call_in_loop(loop, request_stop))
    try:
        async with run(settings) as running:
            started = True
            settle_garbage()
            stopped = asyncio.create_task(stop.wait(), name="stopped")
            await asyncio.wait({stopped, *running.background}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            for task in running.background:
                # Background tasks never end by design: it is better to stop and be restarted than to run incompletely.
                if task.done():
                    raise RuntimeError(f"background task {task.get_name()} ended") from task.exception()
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        logger.info("stopped before the start was complete")
