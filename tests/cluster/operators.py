"""The ways in which an operator pauses and resumes the cluster's queue: gRPC, HTTP and the command line."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
from grpc import aio

from tests.support.api import Api, long_token
from tests.support.patience import PATIENCE
from tests.support.processes import environment
from tools.chaos.operations import Operator, Switch, Unacknowledged
from tools.chaos.recorder import Recorder
from tools.cluster.topology import Topology


class ClusterOperator(Operator):
    """An operator with a switch for each way."""

    def __init__(self, cluster: Topology, channel: aio.Channel, http: httpx.AsyncClient, recorder: Recorder) -> None:
        self._token = long_token("ops", secret=cluster.secret, scope="admin")
        super().__init__(Api(channel, "ops", self._token), recorder)
        self._cluster = cluster
        self._http = http

    def by(self, way: str) -> Switch:
        """Return the switch for ``grpc``, ``http`` or ``cli``."""
        return {"grpc": self.switch, "http": self._over_http, "cli": self._on_the_command_line}[way]

    async def pauses(self) -> Any:
        """Return what is paused."""
        answer = await self._http.get("/api/v2/admin/queue", headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["pauses"]

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    async def _over_http(self, action: str, engine: str) -> None:
        body = {"engine": engine or "auto"}
        try:
            answer = await self._http.post(f"/api/v2/admin/{action}", json=body, headers=self._headers)
        except httpx.TransportError as error:
            raise Unacknowledged from error
        if answer.status_code >= 500:
            raise Unacknowledged(answer.text)
        assert answer.status_code in {200, 204}, answer.text

    async def _on_the_command_line(self, action: str, engine: str) -> None:
        certificates = self._cluster.certificates
        settings = {
            "grpc_target": self._cluster.grpc,
            "grpc_tls": "1",
            "grpc_server_ca": str(certificates / "ca.pem"),
            "grpc_client_cert": str(certificates / "client.pem"),
            "grpc_client_key": str(certificates / "client.key"),
            "token": self._token,
        }
        command = [sys.executable, "-P", "-m", "whitebg", "admin", action]
        command += ["--engine", engine] if engine else []
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stderr
        if done.returncode:
            raise Unacknowledged(done.stderr)
