"""`whitebg up`: services and gateways as children, from the first start to the last drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from whitebg.cli import ports
from whitebg.cli.connection import ConnectionOptions, resolve
from whitebg.cli.datadir import DataDir, Endpoints
from whitebg.cli.problems import Problem
from whitebg.cli.readiness import gateway_ready, service_ready
from whitebg.cli.submitting import Job, submit_photos
from whitebg.cli.supervisor import ChildCrashLooping, Command, Misconfigured, Supervisor
from whitebg.errors import WhitebgError
from whitebg.tls import ClientTls
from whitebg.tokens import sign_in_link
from whitebg_process.durations import parse_duration
from whitebg_process.hardening import protect_memory
from whitebg_process.loopback import is_loopback
from whitebg_process.printable import one_line
from whitebg_process.token_lifetime import MAX_TOKEN_LIFETIME

READY_WITHIN = 60.0
DRAIN_WITHIN = 20.0
MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSettings:
    """What `whitebg up` was asked for."""

    data_dir: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_host: str = "127.0.0.1"
    grpc_ports: tuple[int, ...] = (50051,)
    """One for each service process."""
    gateways: int = 1
    """Gateway processes, which share the HTTP port."""
    verbose: bool = False
    photo: Path | None = None
    """A photo to put through once it runs."""
    out: Path = Path()
    """Where its picture goes."""
    tls: ClientTls | None = None
    """How the service is spoken to; the settings of both processes come from the environment."""

    @property
    def endpoints(self) -> Endpoints:
        """Where it will be reached, from this machine."""
        return Endpoints(
            ports.reachable(self.grpc_host, self.grpc_ports[0]),
            f"http://{ports.reachable(self.http_host, self.http_port)}",
            os.getpid(),
        )


def commands(settings: UpSettings, folder: DataDir, secret: str) -> list[Command]:
    """Return the children to run; the first is started first and ended last."""
    # The folder's secret wins over that of the environment, in either form: both together are an error of a process.
    signing = {"WHITEBG_JWT_SECRET": secret, "WHITEBG_JWT_SECRET_FILE": ""}
    service = {
        "WHITEBG_DATA_DIR": str(folder.path),
        "WHITEBG_GRPC_HOST": settings.grpc_host,
        **signing,
    }
    gateway = {
        "WHITEBG_HTTP_HOST": settings.http_host,
        "WHITEBG_HTTP_PORT": str(settings.http_port),
        "WHITEBG_HTTP_SHARED_PORT": "true" if settings.gateways > 1 else "false",
        "WHITEBG_GRPC_TARGET": ports.target(settings.grpc_host, settings.grpc_ports),
        **signing,
        # Where the environment names a port, the service has it; the gateway's metrics are on its HTTP port, too.
        "WHITEBG_METRICS_PORT": "",
        **_spoken_by(settings),
        # Anyone with access to the page may become a guest, so it must be reachable from this machine only.
        "WHITEBG_GUEST_LOGIN": "true" if is_loopback(settings.http_host) else "false",
        **_guest_lifetime(os.environ),
    }
    # -P: modules never come from the current folder, which may be a customer's.
    python = [sys.executable, "-P", "-m"]
    return [
        Command(
            name=name,
            argv=[*python, "generator_service", "serve"],
            log=folder.logs / f"{name}.log",
            environment=service | {"WHITEBG_GRPC_PORT": str(port)} | _metrics_port(os.environ, number),
        )
        for number, (name, port) in enumerate(
            zip(_names("service", len(settings.grpc_ports)), settings.grpc_ports, strict=True)
        )
    ] + [
        Command(name=name, argv=[*python, "ws_gateway"], log=folder.logs / f"{name}.log", environment=gateway)
        for name in _names("gateway", settings.gateways)
    ]


def _names(kind: str, count: int) -> list[str]:
    """Return the names of ``count`` processes, such as service and service-2."""
    return [kind, *(f"{kind}-{number}" for number in range(2, count + 1))]


def _metrics_port(environment: Mapping[str, str], number: int) -> dict[str, str]:
    """Return the setting by which each service has a port for its metrics, in order from the one that was named."""
    named = environment.get("WHITEBG_METRICS_PORT", "").strip()
    return {"WHITEBG_METRICS_PORT": str(int(named) + number)} if named.isdecimal() and int(named) else {}


def _guest_lifetime(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the gateway's setting by which guests keep access to their photos as long as the service stores them."""
    stored_for = environment.get("WHITEBG_TASKS_FOR", "")
    if not stored_for or environment.get("WHITEBG_GUEST_TOKEN_TTL"):
        return {}
    try:
        lifetime = min(parse_duration(stored_for), MAX_TOKEN_LIFETIME)
    except ValueError:
        return {}  # The service rejects it by its own name.
    return {"WHITEBG_GUEST_TOKEN_TTL": f"{lifetime.total_seconds():.0f}"}


def _spoken_by(settings: UpSettings) -> dict[str, str]:
    """Return a gateway's settings for this way to speak to the service."""
    tls = settings.tls
    if tls is None:
        return {}
    # A target of several addresses holds no name that a certificate could have.
    host = settings.grpc_host if len(settings.grpc_ports) > 1 else None
    named = {
        "WHITEBG_GRPC_SERVER_CA": tls.ca,
        "WHITEBG_GRPC_SERVER_NAME": tls.server_name or host,
        "WHITEBG_GRPC_CLIENT_CERT": tls.cert,
        "WHITEBG_GRPC_CLIENT_KEY": tls.key,
    }
    return {"WHITEBG_GRPC_TLS": "true"} | {name: str(value) for name, value in named.items() if value is not None}


async def run(settings: UpSettings, console: Console) -> None:
    """Run until SIGINT or SIGTERM, then drain.

    Raises:
        Problem: it can't be started, or a child is beyond help.

    """
    _check(settings, os.environ)
    protect_memory()  # The environment may hold secrets, and engine processes run as the same user.
    folder = DataDir(await asyncio.to_thread(settings.data_dir.expanduser().resolve))
    folder.create()
    with folder.locked(), _stop_signals() as stop:
        wanted = [
            ("HTTP", settings.http_host, settings.http_port),
            *(("GRPC", settings.grpc_host, port) for port in settings.grpc_ports),
        ]
        http_port, *grpc_ports = ports.choose(wanted)
        settings = replace(settings, http_port=http_port, grpc_ports=tuple(grpc_ports))
        supervisor = Supervisor(
            commands(settings, folder, folder.ensure_secret()),
            on_news=lambda name, news: console.print(Text(f"{name} {news}", style="yellow"), soft_wrap=True),
            on_line=(lambda name, line: console.print(Text(f"{name} | {line}"), soft_wrap=True))
            if settings.verbose
            else None,
        )
        supervisor.start()
        try:
            await _serve(settings, folder, supervisor, stop, console)
        except Misconfigured as error:
            raise Problem(f"{error}: {error.problems[0]}", "\n       ".join(error.problems[1:])) from error
        except ChildCrashLooping as error:
            tail = "\n       ".join(["its last words:", *error.last_lines])
            raise Problem(str(error), f"{tail}\n       more in {folder.logs}") from error
        finally:
            console.print("stopping: what runs is finished or put back into the queue (Ctrl-C again kills)")
            stop.clear()
            await _drain(supervisor, stop)
            console.print("stopped")


def _check(settings: UpSettings, environment: Mapping[str, str]) -> None:
    """Raise a `Problem` if these processes could not work together."""
    named = any(environment.get(f"WHITEBG_DATABASE_URL{form}") for form in ("", "_FILE"))
    if len(settings.grpc_ports) > 1 and not named:
        raise Problem(
            f"{len(settings.grpc_ports)} services can't share SQLite",
            "set WHITEBG_DATABASE_URL to a PostgreSQL database, or leave out --service-workers",
        )
    if (settings.tls is not None) != bool(environment.get("WHITEBG_GRPC_SERVER_CERT")):
        raise Problem(
            "one of service and gateway would use TLS, and the other plain text",
            "set WHITEBG_GRPC_TLS=true with WHITEBG_GRPC_SERVER_CERT and WHITEBG_GRPC_SERVER_KEY, or none of them",
        )
    if max(settings.grpc_ports) > MAX_PORT:
        raise Problem(
            f"there is no port {max(settings.grpc_ports)} for the last service", "choose a smaller --grpc-port"
        )


async def _serve(
    settings: UpSettings, folder: DataDir, supervisor: Supervisor, stop: asyncio.Event, console: Console
) -> None:
    endpoints = settings.endpoints
    services = [ports.reachable(settings.grpc_host, port) for port in settings.grpc_ports]
    for what, ready in (
        *((f"service on {target}", partial(service_ready, target, settings.tls or False)) for target in services),
        (f"gateway on {endpoints.http_url}", partial(gateway_ready, endpoints.http_url.removeprefix("http://"))),
    ):
        waiting = Text(f"waiting for the {what} …")
        if not console.is_terminal:
            console.print(waiting)
        with console.status(waiting):
            try:
                async with asyncio.timeout(READY_WITHIN):
                    going_on = await _unless(ready(), supervisor.failed(), stop.wait())
            except TimeoutError:
                raise Problem(f"the {what} is not ready after {READY_WITHIN:g} s", f"see {folder.logs}") from None
        if not going_on:
            return
    with folder.published(endpoints):
        _announce(settings, folder, console)
        if settings.photo is not None and not await _unless(
            _try_photo(settings, folder, console), supervisor.failed(), stop.wait()
        ):
            return
        await _unless(supervisor.failed(), stop.wait())


async def _try_photo(settings: UpSettings, folder: DataDir, console: Console) -> None:
    try:
        await submit_photos(
            resolve(ConnectionOptions(target=settings.endpoints.grpc_target, data_dir=folder.path, tls=settings.tls)),
            [str(settings.photo)],
            Job(out=settings.out),
            console,
        )
    except (WhitebgError, Problem) as error:  # The photo is a guest here: the house goes on without it.
        console.print(Text(one_line(f"{settings.photo}: {error.message}"), style="red"), soft_wrap=True)
    console.print(Text(f"still serving at {settings.endpoints.http_url}; Ctrl-C stops"))


def _announce(settings: UpSettings, folder: DataDir, console: Console) -> None:
    endpoints = settings.endpoints
    console.print(Text("whitebg is running", style="bold green"))
    rows = [
        ("page", endpoints.http_url),
        *_sign_in(endpoints.http_url, folder, console),
        ("gRPC", endpoints.grpc_target),
        ("data", str(folder.path)),
        ("try it", f"whitebg submit PHOTO --out DIR --data-dir {shlex.quote(str(folder.path))}"),
        ("stop", "Ctrl-C"),
    ]
    for label, value in rows:
        console.print(Text.assemble((f"  {label:<8}", "dim"), value), soft_wrap=True)


def _sign_in(http_url: str, folder: DataDir, console: Console) -> list[tuple[str, str]]:
    """Return the link to the command line's own photos, for a terminal only: it holds a token, and logs must not."""
    secret = folder.secret()
    if secret is None or not console.is_terminal:
        command = f"whitebg token --link --data-dir {shlex.quote(str(folder.path))}"
        return [("sign in", f"the page shows the photos of `whitebg submit` too, if opened by `{command}`")]
    return [("sign in", sign_in_link(http_url, secret))]


async def _drain(supervisor: Supervisor, again: asyncio.Event) -> None:
    if not await _unless(supervisor.stop(DRAIN_WITHIN), again.wait()):
        supervisor.kill()
        await supervisor.stop(DRAIN_WITHIN)


async def _unless(work: Coroutine[Any, Any, Any], *others: Coroutine[Any, Any, Any]) -> bool:
    """Run ``work`` until it is done (True) or one of the others is (False); cancel the rest.

    Whatever one of them raises is raised.
    """
    tasks = [asyncio.ensure_future(each) for each in (work, *others)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return tasks[0] in done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Turn SIGINT and SIGTERM into an event while the block runs."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
