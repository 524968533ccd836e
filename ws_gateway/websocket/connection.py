"""The thin shell between one WebSocket and its `Session`: it moves frames, bytes and time, and decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import grpc
from starlette.websockets import WebSocket, WebSocketDisconnect

from whitebg_process.backoff import Backoff
from ws_gateway.auth.authenticator import Authenticator
from ws_gateway.auth.image_urls import ImageUrls
from ws_gateway.auth.jwt import Claims, Scope
from ws_gateway.clock import Clock
from ws_gateway.protocol.close_codes import Close, CloseCode
from ws_gateway.protocol.messages import ProgressMessage, TaskMessage
from ws_gateway.protocol.session import ReadRequest, Session
from ws_gateway.telemetry.metrics import Metrics
from ws_gateway.upstream.errors import ServiceError
from ws_gateway.upstream.history import History
from ws_gateway.upstream.hub import Hub
from ws_gateway.websocket.latency import DeliveryLatency
from ws_gateway.websocket.transport import wire_of

log = logging.getLogger(__name__)

_READ_BACKOFF = Backoff(base=0.1, cap=5.0)
# Seconds between two checks of a client that does not read; a client that reads is not checked.
_LOOK_S = 0.5
_WRITE_CHARS = 16 * 1024
"""Length of the frames that are written together; after that, the client's reading is checked again."""


class Connection:
    """One open socket. Three activities: receive, write, and read history while the session wants some."""

    def __init__(
        self,
        *,
        websocket: WebSocket,
        session: Session,
        claims: Claims,
        hub: Hub,
        history: History,
        authority: Authenticator,
        image_urls: ImageUrls,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.claims = claims
        """Of the token that the socket is open by; the latest one."""
        self._websocket = websocket
        self._wire = wire_of(websocket)
        self._handed_out = 0
        """Bytes given to the socket so far."""
        self._authority = authority
        self._image_urls = image_urls
        self._session = session
        self._hub = hub
        self._history = history
        self._clock = clock
        self._deliveries = DeliveryLatency(metrics, clock)
        self._wake = asyncio.Event()
        self._reading: tuple[int, asyncio.Task[None]] | None = None

    async def run(self) -> None:
        """Serve the accepted socket until it is closed."""
        try:
            with self._hub.subscribed(self._session.user_id, self):
                self._session.service(available=self._hub.available)
                async with asyncio.TaskGroup() as group:
                    writer = group.create_task(self._write(group))
                    await self._receive()
                    writer.cancel()
                    if self._reading is not None:
                        self._reading[1].cancel()
        finally:
            self._hub.unwatch_queue(self._on_queue)

    def on_event(self, message: TaskMessage) -> None:
        """Take a durable state change from the hub."""
        self._deliveries.expect(message)
        self._session.event(message)
        self._wake.set()

    def on_progress(self, message: ProgressMessage) -> None:
        """Take progress from the hub."""
        self._deliveries.expect(message)
        self._session.progress(message)
        self._wake.set()

    def on_resync(self) -> None:
        """Learn that the hub lost track."""
        self._session.resync()
        self._wake.set()

    def on_service(self, *, available: bool) -> None:
        """Report whether the generator service is available."""
        self._session.service(available=available)
        self._wake.set()

    def _on_queue(self) -> None:
        self._session.queue_changed()
        self._wake.set()

    def go_away(self, retry_after_ms: int) -> None:
        """Send what waits, then close because the gateway shuts down."""
        self._session.go_away(retry_after_ms)
        self._wake.set()

    def close(self, close: Close) -> None:
        """End the connection; the first reason stands."""
        self._session.close(close)
        self._wake.set()

    async def _receive(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            self._session.receive(message["bytes"] if text is None else text)
            if self._session.offered is not None:
                await self._authenticate(self._session.offered)
            if self._session.watches_queue:
                self._hub.watch_queue(self._on_queue)
            else:
                self._hub.unwatch_queue(self._on_queue)
            self._wake.set()

    async def _authenticate(self, token: str) -> None:
        """Check a token that the client offered in place of the one that it came with."""
        claims = await self._authority.authenticate(token)
        if isinstance(claims, Close):
            self._session.close(claims)
            return
        now, lifetime = self._clock.monotonic(), (claims.expires_at - self._clock.now()).total_seconds()
        operator = Scope.ADMIN in claims.scopes
        self._session.authenticated(now, claims.subject, now + lifetime, operator=operator)
        self.claims = claims

    async def _write(self, group: asyncio.TaskGroup) -> None:
        """Send the session's frames as they arise; end after the close frame."""
        session, alarm = self._session, _Alarm(self._wake.set)
        try:
            while True:
                self._wake.clear()
                while frames := session.take(self._clock.monotonic()):
                    await self._send(frames)
                if session.closing is not None:
                    await self._websocket.close(session.closing.code, session.closing.reason)
                    return
                self._read_if_wanted(group)
                wakes_at = session.wakes_at()
                if self._observe():
                    look_at = self._clock.monotonic() + _LOOK_S
                    wakes_at = look_at if wakes_at is None else min(wakes_at, look_at)
                if wakes_at is not None:
                    alarm.ring_after(max(0.0, wakes_at - self._clock.monotonic()))
                await self._wake.wait()
        except WebSocketDisconnect:
            log.debug("the client disconnected during a send")
        finally:
            alarm.cancel()

    async def _send(self, frames: list[str]) -> None:
        """Send frames as fast as the client reads; give up if the session does."""
        while frames:
            while not await self._wire.room(_LOOK_S):
                self._observe(frames)
                if self._given_up():
                    return
            texts, size = [], 0
            for frame in frames:
                texts.append(self._image_urls.fill(frame, self.claims))
                size += len(texts[-1])
                if size >= _WRITE_CHARS:
                    break
            await self._wire.write(texts)
            self._handed_out += size
            for frame in frames[: len(texts)]:
                self._deliveries.written(frame)
            frames = frames[len(texts) :]
        self._observe()

    def _observe(self, in_hand: Sequence[str] = ()) -> int:
        """Show the session how the client reads; return the bytes that the socket has not taken yet."""
        unsent = self._wire.unsent()
        waiting = unsent + sum(len(frame.encode()) for frame in in_hand)
        self._session.observe(self._clock.monotonic(), waiting=waiting, taken=self._handed_out - unsent)
        return unsent

    @property
    def unsent(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._wire.unsent()

    def _given_up(self) -> bool:
        """Return whether the session ended in a way that does not wait for the client to read."""
        closing = self._session.closing
        return closing is not None and closing.code is not CloseCode.GOING_AWAY

    def _read_if_wanted(self, group: asyncio.TaskGroup) -> None:
        wanted = self._session.wanted
        if wanted is None or (self._reading is not None and self._reading[0] == wanted.number):
            return
        if self._reading is not None:
            self._reading[1].cancel()
        self._reading = (wanted.number, group.create_task(self._read(wanted)))

    async def _read(self, wanted: ReadRequest) -> None:
        """Read history for the session; retry while the service is unavailable."""
        failures = 0
        while True:
            # Until the hub has a log position, events after this read could be missed.
            await self._hub.positioned.wait()
            try:
                page = await self._history.read(self._session.user_id, wanted.since)
            except ServiceError as error:
                if error.status is grpc.StatusCode.INVALID_ARGUMENT:
                    self._session.refuse(wanted.number, error.message)
                    break
                if not error.away:
                    log.warning("could not read a history, trying again: %s", error)
                failures += 1
                await asyncio.sleep(_READ_BACKOFF.delay(failures))
            else:
                self._session.page(wanted.number, page)
                break
        self._wake.set()


class _Alarm:
    """A timer that may ring too early, but not too late: so it need not be set again for each message."""

    __slots__ = ("_handle", "_loop", "_ring")

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None

    def ring_after(self, seconds: float) -> None:
        """Ring after so many seconds, or before."""
        at = self._loop.time() + seconds
        if self._handle is not None:
            if self._handle.when() <= at:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(at, self._rings)

    def cancel(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()

    def _rings(self) -> None:
        self._handle = None
        self._ring()
