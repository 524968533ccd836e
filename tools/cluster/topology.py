"""PostgreSQL, Redis, S3, nginx, services, workers and gateways, on free ports; any can be killed and restarted.

Services and workers share these and nothing else: no folder.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import grpc
from grpc import aio

from tests.support.api import open_channel
from tests.support.nginx import nginx_configuration, nginx_program
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ServiceProcess, WorkerProcess, free_port
from tests.support.redis import RedisServer
from tests.support.s3 import BUCKET, S3Server
from tools.certificates import make_certificates

SERVICE_NAME = "whitebg-service"
"""The services' name in their certificates, on whichever host they run."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Number of processes of each kind."""

    services: int = 2
    workers: int = 3
    gateways: int = 2


@dataclass
class Topology:
    """The processes by name, such as ``worker-2``, and the addresses for clients."""

    folder: Path
    postgres: PostgresServer
    redis: RedisServer
    s3: S3Server
    secret: str
    database_url: str
    size: Size
    settings: dict[str, str]
    """Settings of services and workers."""
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    kills: Counter[str] = field(default_factory=Counter)
    processes: dict[str, Program] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    """Port of each process's metrics."""
    _start: dict[str, Callable[[], Program]] = field(default_factory=dict)

    @property
    def certificates(self) -> Path:
        """The folder of the certificates for the gRPC ports."""
        return self.folder / "tls"

    @property
    def no_folder(self) -> Path:
        """The data folder in the settings of services and workers, which they must never create."""
        return self.folder / "data"

    @property
    def http(self) -> str:
        """Host and port of nginx for HTTP and WebSocket."""
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc(self) -> str:
        """Host and port of nginx for gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    def start(self) -> None:
        """Start everything but the databases; return once all are ready."""
        make_certificates(self.certificates, [SERVICE_NAME, "127.0.0.1"])
        services = {f"service-{number}": free_port() for number in range(1, self.size.services + 1)}
        gateways = {f"gateway-{number}": free_port() for number in range(1, self.size.gateways + 1)}
        workers = [f"worker-{number}" for number in range(1, self.size.workers + 1)]
        self.metrics = {name: free_port() for name in (*services, *workers, *gateways)}
        self._start |= {name: partial(self._service, name, port) for name, port in services.items()}
        self._start |= {name: partial(self._worker, name) for name in workers}
        self._start |= {name: partial(self._gateway, name, port) for name, port in gateways.items()}
        self._start["nginx"] = partial(self._nginx, gateways=gateways.values(), services=services.values())
        # Two at a time, because starting is CPU-bound.
        with ThreadPoolExecutor(2) as starting:
            for started in [starting.submit(self._open, name) for name in self._start]:
                started.result()

    def _open(self, name: str) -> None:
        self.processes[name] = self._start[name]()

    def open_channel(self) -> AbstractAsyncContextManager[aio.Channel]:
        """Connect to the gRPC port as a client of the installation."""
        ca, cert, key = (self.certificates / name for name in ("ca.pem", "client.pem", "client.key"))
        return open_channel(
            self.grpc, grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
        )

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL and restart it unchanged; return once it is ready."""
        self.kills[name.partition("-")[0]] += 1
        self.take_down(name)
        self.bring_back(name)

    def take_down(self, name: str) -> None:
        """Kill a process with SIGKILL."""
        (self._servers[name].kill if name in self._servers else self.processes[name].close)()

    def bring_back(self, name: str) -> None:
        """Restart a process that was taken down, unchanged; return once it is ready."""
        if name in self._servers:
            self._servers[name].start()
        else:
            self._open(name)

    @property
    def _servers(self) -> dict[str, PostgresServer | RedisServer | S3Server]:
        return {"postgres": self.postgres, "redis": self.redis, "s3": self.s3}

    def replace(self, name: str) -> None:
        """Stop a process cleanly, as an upgrade does, and restart it."""
        process = self.processes[name]
        process.terminate()
        process.wait()
        process.close()
        self._open(name)

    def close(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.close()

    def _service(self, name: str, port: int) -> Program:
        settings = self._shared | {
            "metrics_port": str(self.metrics[name]),
            "database_url": self.database_url,
            "worker_slots": "0",
            "grpc_port": str(port),
            "grpc_server_cert": str(self.certificates / "server.pem"),
            "grpc_server_key": str(self.certificates / "server.key"),
            "grpc_client_ca": str(self.certificates / "ca.pem"),
        }
        return ServiceProcess(self.no_folder, self.secret, **settings)

    def _worker(self, name: str) -> Program:
        settings = self._shared | {"metrics_port": str(self.metrics[name])}
        return WorkerProcess(self.no_folder, self.database_url, **settings)

    @property
    def _shared(self) -> dict[str, str]:
        own = {"redis_url": self.redis.url, "s3_public_url": self.images, "exit_on_stdin_eof": "1"}
        return own | self.settings

    @property
    def images(self) -> str:
        """The bucket's address for browsers."""
        return f"{self.s3.endpoint}/{BUCKET}"

    def _gateway(self, name: str, port: int) -> Program:
        settings = {
            "metrics_port": str(self.metrics[name]),
            "http_port": str(port),
            "grpc_target": self.grpc,
            "grpc_tls": "1",
            "grpc_server_ca": str(self.certificates / "ca.pem"),
            "grpc_client_cert": str(self.certificates / "client.pem"),
            "grpc_client_key": str(self.certificates / "client.key"),
            "jwt_secret": self.secret,
            "redis_url": self.redis.url,
            "s3_public_url": self.images,
            "trusted_proxies": "127.0.0.1/32",
            "connections_per_minute": "0",
            "connections_per_address": "0",
            "uploads_per_minute": "0",
            "exit_on_stdin_eof": "1",
        }
        process = Program([sys.executable, "-m", "ws_gateway"], settings)
        process.wait_for("listening on")
        return process

    def _nginx(self, *, gateways: Iterable[int], services: Iterable[int]) -> Program:
        folder = self.folder / "nginx"
        folder.mkdir(exist_ok=True)
        values = {
            "NGINX_DIR": str(folder),
            "TLS_DIR": str(self.certificates),
            "HTTP_PORT": str(self.http_port),
            "GRPC_PORT": str(self.grpc_port),
            "GATEWAYS": _upstream(gateways),
            "SERVICES": _upstream(services),
        }
        (folder / "nginx.conf").write_text(nginx_configuration(values))
        options = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        return Program([nginx_program(), *options, "-g", "daemon off;"], {})


def _upstream(ports: Iterable[int]) -> str:
    return " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in ports)


@contextmanager
def topology(settings: Mapping[str, str] = MappingProxyType({}), size: Size | None = None) -> Iterator[Topology]:
    """Run the topology while the block runs; ``settings`` are those of services and workers."""
    folder = Path(tempfile.mkdtemp(prefix="whitebg-cluster-"))
    # nginx's workers run as another user.
    folder.chmod(0o755)
    postgres, redis, s3 = PostgresServer(), RedisServer(), S3Server()
    of_all = s3.settings | dict(settings)
    cluster = Topology(folder, postgres, redis, s3, secrets.token_hex(32), postgres.url(), size or Size(), of_all)
    try:
        postgres.start()
        redis.start()
        s3.start()
        cluster.start()
        yield cluster
    finally:
        cluster.close()
        s3.close()
        redis.kill()
        postgres.close()
        shutil.rmtree(folder, ignore_errors=True)
