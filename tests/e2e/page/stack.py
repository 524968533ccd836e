"""The whole stack behind the page: service and gateway as processes, which a test may kill and restart."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx

from tests.support.api import SECRET
from tests.support.patience import PATIENCE
from tests.support.processes import Program, ServiceProcess, free_port

PHOTOS = Path(__file__).resolve().parents[3] / "examples" / "photos"
# The page is one of many clients with this address.
_GATEWAY = {
    "guest_login": "true",
    "connections_per_minute": "0",
    "connections_per_address": "0",
    "uploads_per_minute": "0",
    "exit_on_stdin_eof": "1",
}
_SERVICE = {
    "lease": "PT3S",
    "heartbeat": "PT1S",
    "engine_order": "local",
    "pool_processes": "1",
    "exit_on_stdin_eof": "1",
}


class Stack:
    """Both processes, on ports that stay the same after a restart."""

    def __init__(self, data_dir: Path, service: dict[str, str], gateway: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.grpc_port, self.http_port = free_port(), free_port()
        self._service_settings = _SERVICE | service
        self._gateway_settings = _GATEWAY | gateway
        self.service: Program | None = None
        self.gateway: Program | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start_service(self, **settings: str) -> None:
        self.service = ServiceProcess(
            self.data_dir, SECRET, grpc_port=str(self.grpc_port), **self._service_settings | settings
        )

    def start_gateway(self) -> None:
        settings = {
            "http_port": str(self.http_port),
            "grpc_target": f"127.0.0.1:{self.grpc_port}",
            "jwt_secret": SECRET,
        }
        self.gateway = Program([sys.executable, "-m", "ws_gateway"], self._gateway_settings | settings)
        self._wait_until_ready()

    def kill_service(self) -> None:
        assert self.service is not None
        self.service.signal(signal.SIGKILL)
        self.service.close()

    def kill_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.signal(signal.SIGKILL)
        self.gateway.close()

    def restart_gateway(self, **settings: str) -> None:
        """Stop it cleanly and restart it with these settings changed."""
        self._gateway_settings |= settings
        assert self.gateway is not None
        self.gateway.terminate()
        self.gateway.wait()
        self.gateway.close()
        self.start_gateway()

    def crash(self, gateway: signal.Signals) -> None:
        """Kill the service, and signal the gateway at the same moment."""
        assert self.service is not None
        assert self.gateway is not None
        self.service.signal(signal.SIGKILL)
        self.gateway.signal(gateway)
        self.gateway.wait()
        self.gateway.close()
        self.service.close()

    def close(self) -> None:
        for process in (self.gateway, self.service):
            if process is not None:
                process.close()

    def _wait_until_ready(self) -> None:
        assert self.gateway is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=PATIENCE).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the gateway was never ready:\n{self.gateway.output}")


@contextmanager
def running_stack(
    data_dir: Path,
    service: Mapping[str, str] = MappingProxyType({}),
    gateway: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    """Run both while the block runs, with these settings for each."""
    stack = Stack(data_dir, dict(service), dict(gateway))
    try:
        stack.start_service()
        stack.start_gateway()
        yield stack
    finally:
        stack.close()
