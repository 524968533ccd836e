"""TLS between real processes: accepted and rejected clients, and replacement of certificates."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from pydantic import ValidationError

from generator_service.server import Running, running_service
from generator_service.settings import Settings as ServiceSettings
from tests.support.api import SECRET, token
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.processes import Program, environment, program
from tools.certificates import make_certificates
from whitebg import AsyncClient, ClientTls
from whitebg.errors import CertificateError, DeadlineExceeded, ServiceUnavailable, WhitebgError
from whitebg_process.backoff import Backoff
from ws_gateway.server import make_server
from ws_gateway.settings import Settings as GatewaySettings

QUICK = Backoff(base=0.01, cap=0.05)
SERVE = [sys.executable, "-m", "generator_service", "serve"]
GATEWAY = [sys.executable, "-m", "ws_gateway"]


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Certificates of the installation."""
    make_certificates(tmp_path / "ours", ["127.0.0.1", "whitebg-service"])
    return tmp_path / "ours"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Certificates of another CA, for the same names."""
    make_certificates(tmp_path / "theirs", ["127.0.0.1", "whitebg-service"])
    return tmp_path / "theirs"


def service_settings(folder: Path, certificates: Path, **changes: Any) -> ServiceSettings:
    chosen: dict[str, Any] = {
        "data_dir": folder / "data",
        "jwt_secret": SECRET,
        "grpc_port": 0,
        "worker_slots": 0,
        "grpc_server_cert": certificates / "server.pem",
        "grpc_server_key": certificates / "server.key",
        "grpc_client_ca": certificates / "ca.pem",
    }
    return ServiceSettings(**chosen | changes)


@pytest.fixture
async def service(tmp_path: Path, ours: Path) -> AsyncIterator[Running]:
    """A service that requires a client certificate."""
    async with running_service(service_settings(tmp_path, ours)) as running:
        yield running


def tls(certificates: Path, *, ca: Path | None = None, **changes: Any) -> ClientTls:
    """Return the TLS settings of a client of the installation."""
    chosen = {"cert": certificates / "client.pem", "key": certificates / "client.key"}
    return ClientTls(ca=(ca or certificates) / "ca.pem", **chosen | changes)


async def ask(running: Running, how: ClientTls | bool, *, timeout: float = PATIENCE) -> int:
    """Make one call over a new connection; return the number of presets."""
    client = AsyncClient(f"127.0.0.1:{running.port}", token("ann"), tls=how, timeout=timeout, backoff=QUICK)
    async with client:
        return len(await client.presets())


async def refused(running: Running, how: ClientTls | bool) -> None:
    # The error depends on the state of the last attempt at the deadline.
    with pytest.raises((ServiceUnavailable, DeadlineExceeded)):
        await ask(running, how, timeout=0.7)


async def test_who_shows_a_certificate_of_the_ca_gets_in(service: Running, ours: Path) -> None:
    assert await ask(service, tls(ours))


async def test_who_shows_none_is_refused(service: Running, ours: Path) -> None:
    await refused(service, ClientTls(ca=ours / "ca.pem"))


async def test_who_speaks_plain_text_is_refused(service: Running) -> None:
    await refused(service, how=False)


async def test_a_certificate_of_another_ca_is_refused(service: Running, ours: Path, theirs: Path) -> None:
    await refused(service, tls(theirs, ca=ours))


async def test_a_client_refuses_a_service_of_another_ca(service: Running, ours: Path, theirs: Path) -> None:
    await refused(service, tls(ours, ca=theirs))


async def test_a_client_refuses_a_service_of_another_name(service: Running, ours: Path) -> None:
    await refused(service, tls(ours, server_name="elsewhere.example"))
    assert await ask(service, tls(ours, server_name="whitebg-service"))


async def test_an_expired_certificate_is_refused(service: Running, ours: Path) -> None:
    make_certificates(ours, ["127.0.0.1"], good_for=timedelta(seconds=-1))
    await refused(service, tls(ours))


async def test_a_service_that_asks_for_none_takes_a_client_without(tmp_path: Path, ours: Path) -> None:
    async with running_service(service_settings(tmp_path, ours, grpc_client_ca=None)) as running:
        assert await ask(running, ClientTls(ca=ours / "ca.pem"))
        await refused(running, how=False)


def shown_by(running: Running, certificates: Path) -> str:
    """Return the certificate that the port presents, as PEM."""
    return ssl.get_server_certificate(
        ("127.0.0.1", running.port), timeout=PATIENCE, ca_certs=str(certificates / "ca.pem")
    )


async def test_replaced_certificates_are_shown_without_a_restart(tmp_path: Path, ours: Path, theirs: Path) -> None:
    """First one of the same CA, then those of another CA; a running call continues."""
    async with running_service(service_settings(tmp_path, ours, grpc_client_ca=None)) as running:
        how = ClientTls(ca=ours / "ca.pem")
        async with AsyncClient(f"127.0.0.1:{running.port}", token("ann"), tls=how, backoff=QUICK) as old:
            assert await old.presets()
            before = await asyncio.to_thread(shown_by, running, ours)
            make_certificates(ours, ["127.0.0.1"])
            after = await asyncio.to_thread(shown_by, running, ours)
            assert before != after == (ours / "server.pem").read_text()

            for name in ("server.pem", "server.key", "ca.pem"):
                shutil.copy(theirs / name, ours / name)
            await refused(running, tls(theirs, server_name="elsewhere.example"))
            assert await ask(running, ClientTls(ca=theirs / "ca.pem"))
            assert await old.presets(), "a connection that is open outlives its certificate"


async def test_a_replaced_client_ca_holds_for_the_next_connection(service: Running, ours: Path, theirs: Path) -> None:
    shutil.copy(ours / "ca.pem", ours / "old-ca.pem")
    shutil.copy(theirs / "ca.pem", ours / "ca.pem")
    for certificates, welcome in ((theirs, True), (ours, False)):
        how = ClientTls(ca=ours / "old-ca.pem", cert=certificates / "client.pem", key=certificates / "client.key")
        if welcome:
            assert await ask(service, how)
        else:
            await refused(service, how)


async def test_half_a_rotation_leaves_the_old_certificates_in_force(
    service: Running, ours: Path, theirs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(theirs / "server.pem", ours / "server.pem")
    assert await ask(service, tls(ours))
    assert await ask(service, tls(ours))
    said = [record.getMessage() for record in caplog.records if "stay in force" in record.getMessage()]
    assert len(said) == 1
    assert "is not that of the certificate" in said[0]


@asynccontextmanager
async def gateway(running: Running, how: Path, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run a gateway connected to a service."""
    chosen: dict[str, Any] = {
        "http_port": 0,
        "jwt_secret": SECRET,
        "grpc_target": f"127.0.0.1:{running.port}",
        "grpc_tls": True,
        "grpc_server_ca": how / "ca.pem",
        "grpc_client_cert": how / "client.pem",
        "grpc_client_key": how / "client.key",
        "call_timeout": timedelta(seconds=2),
    }
    server = make_server(GatewaySettings(**chosen | changes))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
    headers = {"Authorization": f"Bearer {token('ann')}"}
    try:
        async with http_client(f"http://127.0.0.1:{server.port}", headers=headers) as http:
            yield http
    finally:
        server.should_exit = True
        await serving


async def ready(http: httpx.AsyncClient) -> None:
    """Return once the gateway is connected to the service, which only its readiness shows."""
    async with asyncio.timeout(PATIENCE):
        while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_gateway_and_its_service_prove_themselves_to_each_other(service: Running, ours: Path) -> None:
    async with gateway(service, ours) as http:
        await ready(http)
        assert (await http.get("/api/v2/presets")).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"grpc_client_cert": None, "grpc_client_key": None},
        {"grpc_server_name": "elsewhere.example"},
        {"grpc_tls": False, "grpc_server_ca": None, "grpc_client_cert": None, "grpc_client_key": None},
    ],
    ids=["without-certificate", "other-name", "plain-text"],
)
async def test_a_gateway_that_does_not_fit_gets_no_news(
    service: Running, ours: Path, changes: dict[str, object]
) -> None:
    async with gateway(service, ours, **changes) as http:
        assert (await http.get("/api/v2/presets")).status_code == 503
        assert (await http.get("/readyz")).status_code == 503


async def test_a_gateway_takes_up_certificates_that_replace_its_own(
    service: Running, ours: Path, theirs: Path, tmp_path: Path
) -> None:
    """Everything is replaced, one side after the other; the running gateway continues."""
    mine = tmp_path / "mine"
    shutil.copytree(ours, mine)
    async with gateway(service, mine) as http:
        await ready(http)
        for name in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(theirs / name, ours / name)
        # Half replaced: calls continue over the existing connection.
        shutil.copy(theirs / "client.pem", mine / "client.pem")
        assert (await http.get("/api/v2/presets")).status_code == 200
        for name in ("client.key", "ca.pem"):
            shutil.copy(theirs / name, mine / name)
        assert (await http.get("/api/v2/presets")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200, "the watch was cut off"


END = re.compile(r'^whitebg_certificate_expiry_timestamp_seconds\{file="(\w+)"\} (\S+)$', re.MULTILINE)


def ends_told(text: str) -> dict[str, float]:
    """Return the expiry of certificates by the setting that names them, from the metrics."""
    return {name: float(end) for name, end in END.findall(text)}


def days(seconds: float) -> int:
    return round((seconds - time.time()) / 86400)


async def test_both_sides_tell_when_their_certificates_end(
    tmp_path: Path, ours: Path, theirs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(ours, mine)
    async with (
        running_service(service_settings(tmp_path, ours, metrics_port=0)) as service,
        gateway(service, mine) as http,
        http_client(f"http://127.0.0.1:{service.metrics_port}") as of_service,
    ):

        async def told() -> dict[str, int]:
            headers = {"Authorization": f"Bearer {token('root', scope='admin')}"}
            texts = [(await each.get("/metrics", headers=headers)).text for each in (of_service, http)]
            return {name: days(end) for text in texts for name, end in ends_told(text).items()}

        for_ten_years = 3650
        assert await told() == {
            "grpc_server_cert": 90,
            "grpc_client_ca": for_ten_years,
            "grpc_client_cert": 90,
            "grpc_server_ca": for_ten_years,
        }
        # Replaced, and exported with the next scrape, without a new connection.
        make_certificates(ours, ["127.0.0.1"], good_for=timedelta(days=7))
        make_certificates(mine, ["127.0.0.1"], good_for=timedelta(days=8))
        found = await told()
        assert (found["grpc_server_cert"], found["grpc_client_cert"]) == (7, 8)
        # Half replaced is not replaced.
        make_certificates(theirs, ["127.0.0.1"], good_for=timedelta(days=60))
        shutil.copy(theirs / "server.pem", ours / "server.pem")
        shutil.copy(theirs / "client.pem", mine / "client.pem")
        found = await told()
        assert (found["grpc_server_cert"], found["grpc_client_cert"]) == (7, 8)


async def test_of_a_chain_the_first_end_counts_and_of_trusted_ones_the_last(tmp_path: Path, ours: Path) -> None:
    make_certificates(tmp_path / "short", ["127.0.0.1"], good_for=timedelta(days=5))
    short = (tmp_path / "short" / "server.pem").read_text()
    for name in ("server.pem", "ca.pem"):
        with (ours / name).open("a") as file:
            file.write(short)
    files = service_settings(tmp_path, ours).tls
    assert files is not None
    assert {name: days(end.timestamp()) for name, end in files.expiry_times().items()} == {
        "grpc_server_cert": 5,
        "grpc_client_ca": 3650,
    }


async def test_without_tls_there_is_nothing_to_end(tmp_path: Path) -> None:
    plain: dict[str, Any] = dict.fromkeys(("grpc_server_cert", "grpc_server_key", "grpc_client_ca"))
    async with running_service(service_settings(tmp_path, tmp_path, **plain)) as service:
        figures = await asyncio.to_thread(generate_latest, service.parts.metrics.registry)
        assert not END.search(figures.decode())


def broken(certificates: Path, theirs: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield defects of the service's files, each with the expected error."""
    good = {"server_cert": certificates / "server.pem", "server_key": certificates / "server.key"}
    for name, change, said in (
        ("missing", {"server_cert": certificates / "gone.pem"}, "gone.pem can't be read: No such file"),
        ("no certificate", {"server_cert": certificates / "server.key"}, "server.key holds no certificate in PEM"),
        ("no key", {"server_key": certificates / "server.pem"}, "server.pem is not a private key in PEM"),
        ("another's key", {"server_key": theirs / "server.key"}, "is not that of the certificate in"),
        ("no CA", {"client_ca": certificates / "ca.key"}, "ca.key holds no certificate in PEM"),
    ):
        yield name, {f"grpc_{key}": str(path) for key, path in (good | change).items()}, said


def ends(process: Program, said: str) -> None:
    assert process.wait() == 2, process.output
    assert said in process.output
    assert "Traceback" not in process.output


def test_a_service_says_which_file_can_not_be_used(tmp_path: Path, ours: Path, theirs: Path) -> None:
    for _, files, said in broken(ours, theirs):
        settings = {"data_dir": str(tmp_path / "data"), "jwt_secret": SECRET, "grpc_port": "0", "worker_slots": "0"}
        with program(SERVE, **settings | files) as process:
            ends(process, said)


def test_a_gateway_says_which_file_can_not_be_used(ours: Path, theirs: Path) -> None:
    files = {"grpc_client_cert": str(ours / "client.pem"), "grpc_client_key": str(theirs / "client.key")}
    with program(GATEWAY, jwt_secret=SECRET, http_port="0", grpc_tls="true", **files) as process:
        ends(process, "is not that of the certificate in")


@pytest.mark.parametrize(
    ("program_", "setting", "said"),
    [
        (SERVE, "grpc_server_cert", "WHITEBG_GRPC_SERVER_KEY go together"),
        (SERVE, "grpc_server_key", "WHITEBG_GRPC_SERVER_KEY go together"),
        (SERVE, "grpc_client_ca", "set WHITEBG_GRPC_SERVER_CERT and WHITEBG_GRPC_SERVER_KEY too"),
        (GATEWAY, "grpc_client_cert", "WHITEBG_GRPC_CLIENT_KEY go together"),
        (GATEWAY, "grpc_server_ca", "WHITEBG_GRPC_TLS is not"),
        (GATEWAY, "grpc_server_name", "WHITEBG_GRPC_TLS is not"),
    ],
)
def test_half_a_configuration_is_refused(program_: list[str], setting: str, said: str) -> None:
    with program(program_, jwt_secret=SECRET, **{setting: "some.pem"}) as process:
        ends(process, said)


def test_settings_of_python_refuse_it_alike(ours: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        service_settings(tmp_path, ours, grpc_server_key=None)
    with pytest.raises(CertificateError, match="go together"):
        ClientTls(cert=ours / "client.pem").credentials()


async def cli(running: Running, *options: str) -> tuple[int | None, str]:
    """Run ``whitebg presets``; return its status and output."""
    settings = environment(grpc_target=f"127.0.0.1:{running.port}", token=token("ann"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "whitebg", *options, "presets", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=settings,
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_command_line_connects_by_tls(service: Running, ours: Path) -> None:
    files = ["--ca", str(ours / "ca.pem"), "--cert", str(ours / "client.pem"), "--key", str(ours / "client.key")]
    status, said = await cli(service, "--tls", *files)
    assert (status, "amazon" in said) == (0, True), said
    for options, words in (
        (files, "TLS is off"),
        (["--tls", *files[:4]], "go together"),
        (["--tls", *files[:2], "--cert", str(ours / "gone.pem"), *files[4:]], "gone.pem can't be read"),
    ):
        status, said = await cli(service, *options)
        assert status == 1
        assert words in " ".join(said.split())
        assert "Traceback" not in said


def test_every_error_of_a_certificate_is_one_of_ours() -> None:
    assert issubclass(CertificateError, WhitebgError)
