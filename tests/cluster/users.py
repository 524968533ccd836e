"""A user of the cluster's HTTP API who repeats each call until it is answered, as a persistent client does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx

from tests.support.api import long_token
from tools.chaos.recorder import Recorder
from tools.cluster.topology import Topology

AGAIN_SECONDS = 0.2
IMAGES = {"input", "result", "thumbnail"}
"""Every completed task has these, and some a mask."""


@dataclass(frozen=True)
class User:
    """One user; every call that changes something is recorded."""

    name: str
    cluster: Topology
    http: httpx.AsyncClient
    recorder: Recorder

    @property
    def headers(self) -> Mapping[str, str]:
        """The header that authenticates the user."""
        return {"Authorization": f"Bearer {long_token(self.name, secret=self.cluster.secret)}"}

    async def submit(self, photo: bytes, key: str, engine: str = "local") -> tuple[int, Sequence[str]]:
        """Submit a photo with the same key until there is a response.

        Return the task's id, and the errors of failed attempts.
        """
        failed: list[str] = []
        while True:
            began = time.time()
            answer = await self._call(
                "POST",
                "/api/v2/tasks",
                files={"file": ("mug.png", photo)},
                data={"engine": engine},
                headers={"Idempotency-Key": key},
            )
            if isinstance(answer, httpx.Response):
                assert answer.status_code == 202, answer.text
                task_id: int = answer.json()["task_id"]
                self._record("submit", began, "ok", key=key, task_id=task_id)
                return task_id, failed
            self._record("submit", began, "unknown", key=key)
            failed.append(answer)
            await asyncio.sleep(AGAIN_SECONDS)

    async def delete(self, task_id: int) -> None:
        """Delete a task until there is a response.

        It may not exist any more: nginx and gateway, too, repeat a call that was cut off, although it had its effect.
        """
        while True:
            began = time.time()
            answer = await self._call("DELETE", f"/api/v2/tasks/{task_id}")
            if isinstance(answer, httpx.Response):
                assert answer.status_code in {204, 404}, answer.text
                self._record("delete", began, "ok", task_id=task_id)
                return
            self._record("delete", began, "unknown", task_id=task_id)
            await asyncio.sleep(AGAIN_SECONDS)

    async def listed(self) -> Sequence[dict[str, Any]]:
        """Return all tasks, newest first."""
        tasks: list[dict[str, Any]] = []
        token = ""
        while True:
            query: dict[str, str | int] = {"limit": 500, "page_token": token}
            answer = await self.http.get("/api/v2/tasks", params=query, headers=self.headers)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            tasks += page["tasks"]
            if not (token := page["next_page_token"]):
                return tasks

    async def images(self, task_id: int) -> Mapping[str, bytes]:
        """Fetch all images of a task as a browser does, following redirects; missing ones are left out."""
        found = {}
        for kind in (*IMAGES, "mask"):
            led = await self.http.get(f"/images/{task_id}/{kind}", headers=self.headers)
            if led.status_code == 404:
                continue
            assert led.status_code == 307, led.text
            assert led.headers["Location"].startswith(f"{self.cluster.images}/")
            answer = await self.http.get(led.headers["Location"])
            if answer.status_code == 200:
                found[kind] = answer.content
        return found

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str] = MappingProxyType({}), **content: Any
    ) -> httpx.Response | str:
        """Make one call; return the error where the outcome is unknown."""
        try:
            answer = await self.http.request(method, path, headers={**self.headers, **headers}, **content)
        except httpx.TransportError as error:
            return repr(error)
        return answer if answer.status_code < 500 else f"{answer.status_code} {answer.text}"

    def _record(self, operation: str, began: float, outcome: str, **details: Any) -> None:
        self.recorder.called(self.name, operation, began, outcome, **details)
