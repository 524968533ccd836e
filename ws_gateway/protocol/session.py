"""One client's conversation as a pure state machine: no sockets, no tasks, the time passed in.

Inputs: frames of the client, events from the hub, pages of history. Outputs, after every input: `take` returns
the frames to send, `wanted` the history to read, `closing` how to end. A shell around it does the I/O.

::

                 page, more to come, or queue full              nothing left unsent
        READING ────────────────────────────────► CATCHING_UP ─────────────────────► READING
           │  ▲                                        ▲
      page │  │ sync asked for, or the hub lost track  │ a gap in seq, or queue full
           ▼  │                                        │
          LIVE ────────────────────────────────────────┘

While READING, live events wait in a bounded buffer; after the last page those that the history did not hold follow.
While CATCHING_UP they are dropped: they are in the log, and the next read begins where the client stands. So a
client gets every event once and in order, and a slow one costs a bounded amount of memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ws_gateway.protocol import inbound, messages
from ws_gateway.protocol.acks import Acks
from ws_gateway.protocol.backpressure import Backlog
from ws_gateway.protocol.close_codes import Close, CloseCode
from ws_gateway.protocol.cursor import Since, Start, UserCursor
from ws_gateway.protocol.liveness import Lifetime
from ws_gateway.protocol.messages import Page, ProgressMessage, SyncMode, TaskMessage
from ws_gateway.protocol.observer import Nobody, Observer
from ws_gateway.protocol.progress import ProgressSlots
from ws_gateway.protocol.queue_watch import QueueWatch


class Protocol(Enum):
    """What the client understands; the value is the WebSocket subprotocol."""

    BASE = ""
    """The three task messages and ``pong``."""
    V2 = "whitebg.v2"
    """Also hello, sync_begin, sync_end, bookmark, token_expiring, service, queue_changed, going_away and error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How much one session may hold."""

    queue_messages: int = 1024
    """Durable live messages not yet sent; beyond that the session drops them and reads them again later."""
    buffer_events: int = 512
    """Live events kept while history is read."""
    progress_interval: float = 0.1
    """Seconds between two progress messages of one task."""
    queue_interval: float = 1.0
    """Seconds between two hints to an operator that the queue has changed."""
    bookmark_interval: float = 25.0
    """Seconds between two bookmarks."""
    ack_timeout: float = 10.0
    """Seconds after which a message without its ack is sent again."""
    ack_resends: int = 3
    """How often a message is sent again before the client is given up."""
    behind_bytes: int = 64 * 1024
    """How far a client may be behind with reading live events, for longer than a moment."""
    behind_seconds: float = 5.0
    """How long that moment is."""
    stall_seconds: float = 30.0
    """How long a client may take in nothing at all of a sync that it asked for."""
    heartbeat_timeout: float = 75.0
    """Seconds of silence after which a client that keeps a heartbeat is gone: the 60 s of the protocol, and some
    grace, because browsers run the timers of a page in the background only once a minute."""
    expiry_leeway: float = 60.0
    """Seconds that the session goes on after its token's end, the same as everywhere for the clocks' difference."""
    expiry_warning: float = 60.0
    """Seconds before the token expires at which the client is warned; less for a short-lived token."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """History that the session needs. A new one replaces the one before."""

    number: int
    since: Since


class _State(Enum):
    LIVE = "live"
    READING = "reading"
    CATCHING_UP = "catching up"


class Session:
    """One client's conversation. Times are seconds of one monotonic clock."""

    def __init__(
        self,
        *,
        user_id: str,
        protocol: Protocol,
        since: Since,
        now: float,
        expires_at: float | None = None,
        acks: bool = False,
        operator: bool = False,
        limits: SessionLimits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.user_id = user_id
        self.protocol = protocol
        self.position: UserCursor | None = None
        """The last position sent to the client; None until the first history is read."""
        self.wanted: ReadRequest | None = None
        """The history to read now; None while none is needed."""
        self.offered: str | None = None
        """A new token of the client, to be checked and answered with `authenticated` or `close`; None for none."""
        self.closing: Close | None = None
        """How to close, once the frames are sent; None while the session goes on."""
        self._limits = limits = limits or SessionLimits()
        self._lifetime = Lifetime(
            now=now,
            expires_at=expires_at,
            leeway=limits.expiry_leeway,
            warning=limits.expiry_warning,
            heartbeat_timeout=limits.heartbeat_timeout,
        )
        self._acks = Acks(owed=acks, timeout=limits.ack_timeout, resends=limits.ack_resends, observer=observer)
        self._backlog = Backlog(limit=limits.behind_bytes, patience=limits.behind_seconds, stall=limits.stall_seconds)
        self._operator = operator
        self._queue_watch = QueueWatch(limits.queue_interval)
        self._slots = ProgressSlots(interval=limits.progress_interval, observer=observer)
        self._observer = observer or Nobody()
        self._told = since if isinstance(since, UserCursor) else None
        """The latest durable message given out, kept apart from `position` to notice a hole; None if any may follow."""
        self._replies: list[str] = []
        self._queue: list[tuple[str, UserCursor | None]] = []
        self._buffer: list[TaskMessage] = []
        self._overflowed = False
        self._next_seq: int | None = None
        """The seq that the next live event must have; None: any, it is the first."""
        self._announce = since is not Start.NOW
        """Whether the client requested this sync, so that its begin and end are announced."""
        self._begun: SyncMode | None = None
        self._deferred: datetime | None = None
        """A time that the client asked to sync from, once it is live."""
        self._bookmark_at = now + limits.bookmark_interval
        self._service_available = True
        self._reads = 0
        self._state = _State.READING
        self._reply(messages.hello(user_id))
        self._read(since)

    # Inputs ----------------------------------------------------------------------------------------------------

    def receive(self, frame: str | bytes) -> None:
        """Take a frame of the client."""
        if self.closing is not None:
            return
        self._lifetime.heard()
        try:
            message = inbound.parse(frame)
        except inbound.ProtocolError as error:
            self._reply(messages.error("protocol_error", str(error)))
            self.close(Close(CloseCode.PROTOCOL_ERROR, str(error)))
            return
        match message:
            case inbound.Ping():
                self._lifetime.beat()
                # One pong answers all pings before it, so a client that does not read can't pile them up.
                if messages.PONG not in self._replies:
                    self._replies.append(messages.PONG)
            case inbound.Sync(since):
                self._sync(since)
            case inbound.Ack(message_id):
                self._acks.confirm(message_id)
            case inbound.Auth(token):
                self.offered = token
            case inbound.Pong():
                self._lifetime.beat()
            case inbound.WatchQueue():
                self._watch_queue()

    def event(self, message: TaskMessage) -> None:
        """Take a live event of the user; in the order of the log, but there may be gaps and repeats."""
        if self.closing is not None or self._state is _State.CATCHING_UP:
            return
        if self._state is _State.LIVE:
            self._live(message)
        else:
            self._keep(message)

    def progress(self, message: ProgressMessage) -> None:
        """Take live progress of one of the user's tasks."""
        if self.closing is None:
            self._slots.offer(message)

    def page(self, number: int, page: Page) -> None:
        """Take the history that request ``number`` asked for; ignored if another one has replaced it."""
        if self.closing is not None or self.wanted is None or self.wanted.number != number:
            return
        if self.wanted.since is Start.NOW:
            self._start_now(page.head)
        elif isinstance(self.wanted.since, datetime) and self._skips(page):
            self._read(self.position or page.head)
            return
        else:
            if isinstance(self.wanted.since, datetime):
                self._acks.rewind(_start_of(page))
            self._begin(page)
            for message in page.messages:
                self._send(message)
            self.position, self._next_seq = page.head, page.head.seq + 1
        self.wanted = None
        if page.more:
            self._catch_up()
            return
        self._end(page)
        self._go_live()

    def refuse(self, number: int, why: str) -> None:
        """Note that request ``number`` can never be answered."""
        if self.wanted is not None and self.wanted.number == number:
            self._reply(messages.error("invalid_since", why))
            self.close(Close(CloseCode.PROTOCOL_ERROR, why))

    def resync(self) -> None:
        """Note a gap in the hub's events: live events may be missing from here on."""
        if self.closing is not None:
            return
        if self.wanted is not None:
            since = self.wanted.since
            self._read(self.position if since is Start.NOW and self.position is not None else since)
        elif self._state is _State.LIVE:
            self._catch_up()

    def service(self, *, available: bool) -> None:
        """Report to the client, once per change, whether the generator service is available."""
        if self.closing is None and available is not self._service_available:
            self._service_available = available
            self._reply(messages.service(available=available))

    def queue_changed(self) -> None:
        """Note a change of any user's tasks; an operator who watches the queue gets a hint."""
        self._queue_watch.change()

    def authenticated(self, now: float, user_id: str, expires_at: float, *, operator: bool = False) -> None:
        """Accept the offered token; the session continues until it expires, for the same user."""
        self.offered = None
        if user_id != self.user_id:
            self.close(Close(CloseCode.UNAUTHENTICATED, "the new token is another user's; open a socket for that one"))
            return
        self._lifetime.renew(now, expires_at)
        self._operator = operator
        if not operator:
            self._queue_watch.end()

    def observe(self, now: float, *, waiting: int, taken: int) -> None:
        """Take in how the client reads: bytes handed out that ``waiting`` for it, and all that it ever took."""
        waiting += sum(len(text.encode()) for text, _ in self._queue)
        why = self._backlog.observe(now, waiting=waiting, taken=taken, live=self._state is _State.LIVE)
        if why is not None:
            self.close(Close(CloseCode.TOO_SLOW, why))

    def close(self, close: Close) -> None:
        """End the session; the first reason stands. Frames that wait are still to be sent."""
        self.closing = self.closing or close
        self.wanted = None

    def go_away(self, retry_after_ms: int) -> None:
        """End the session because the gateway shuts down; the client is to come back after so many milliseconds."""
        self._reply(messages.going_away(retry_after_ms))
        self.close(Close(CloseCode.GOING_AWAY, f"shutting down; resume in {retry_after_ms} ms"))

    # Outputs ---------------------------------------------------------------------------------------------------

    def take(self, now: float) -> list[str]:
        """Return the frames to send now. Call again once they are sent, until nothing comes."""
        self._acks.written(now)
        self._check_time(now)
        frames, self._replies = self._replies, []
        if self.closing is None:
            if self._queue_watch.take(now):
                frames.append(messages.QUEUE_CHANGED)
            frames += self._acks.take(now)
            if self._state is _State.CATCHING_UP and self.position is not None and self._has_room:
                self._read(self.position)
        for text, cursor in self._queue:
            frames.append(text)
            if cursor is not None:
                self._acks.sent(cursor, text)
        self._queue.clear()
        if self._state is _State.LIVE:
            frames += self._slots.take(now)
        return frames

    def wakes_at(self) -> float | None:
        """Return when `take` is to be called if nothing else happens; None: not before the next input."""
        times = [self._lifetime.ends_at, self._lifetime.silent_at, self._acks.next_due]
        if self.protocol is Protocol.V2:
            times += [self._bookmark_at, self._lifetime.warns_at, self._queue_watch.next_due]
        if self._state is _State.LIVE:
            times.append(self._slots.next_due)
        return min((time for time in times if time is not None), default=None)

    @property
    def watches_queue(self) -> bool:
        """Whether the client is an operator who gets hints about the whole queue."""
        return self._queue_watch.active

    @property
    def acked(self) -> UserCursor | None:
        """How far the client has confirmed."""
        return self._acks.acked

    # Inside ----------------------------------------------------------------------------------------------------

    def _sync(self, since: Since) -> None:
        """Answer the client's request for missed events."""
        if isinstance(since, datetime) and self._state is not _State.LIVE:
            # A time doesn't determine which events the client has received; send the pending ones first.
            self._deferred = since
            return
        if not isinstance(since, datetime):
            # Unsent messages are part of the answer, or the client has them.
            self._queue.clear()
            self._acks.forget()
        self._backlog.sync_began()
        self._told = since if isinstance(since, UserCursor) else None
        self._announce, self._begun, self._deferred = True, None, None
        self._read(since)

    def _watch_queue(self) -> None:
        if self.protocol is not Protocol.V2:
            self.close(Close(CloseCode.PROTOCOL_ERROR, "watch_queue needs the subprotocol whitebg.v2"))
        elif not self._operator:
            why = "the token lacks the scope 'admin', which watch_queue needs"
            self._reply(messages.error("scope_missing", why))
            self.close(Close(CloseCode.UNAUTHENTICATED, why))
        else:
            self._queue_watch.begin()

    def _read(self, since: Since) -> None:
        self._reads += 1
        self._state = _State.READING
        self._buffer.clear()
        self._overflowed = False
        self.wanted = ReadRequest(self._reads, since)

    def _keep(self, message: TaskMessage) -> None:
        """Keep a live event until history was read."""
        if self.position is None and message.cursor is not None and self.wanted and self.wanted.since is Start.NOW:
            # The first event after the client was registered fixes where "now" was.
            self.position = UserCursor(message.cursor.epoch, message.cursor.seq - 1)
        if len(self._buffer) < self._limits.buffer_events:
            self._buffer.append(message)
        else:
            self._overflowed = True

    def _start_now(self, head: UserCursor) -> None:
        """Begin with the first live event, even if the head, read a moment later, covers it."""
        if self.position is None:
            self.position, self._next_seq = head, None
        else:
            self._next_seq = self.position.seq + 1
        if self.protocol is Protocol.V2:
            self._mark(messages.bookmark(self.position))

    def _skips(self, page: Page) -> bool:
        """Return whether a replay by time, trusting the client's clock, would skip events that were never sent."""
        if self.position is None or page.mode is SyncMode.SNAPSHOT:
            return False
        start = _start_of(page)
        return start.epoch != self.position.epoch or start.seq > self.position.seq

    def _catch_up(self) -> None:
        """Read on from the client's position, once it has taken the queued messages (`take` triggers it)."""
        self._buffer.clear()
        self._state = _State.CATCHING_UP

    def _go_live(self) -> None:
        buffered, overflowed = list(self._buffer), self._overflowed
        self._buffer.clear()
        self._state = _State.LIVE
        if overflowed:
            self._catch_up()
            return
        for message in buffered:
            self.event(message)
        if self._deferred is not None and self._state is _State.LIVE:
            self._sync(self._deferred)

    def _live(self, message: TaskMessage) -> None:
        cursor, position = message.cursor, self.position
        if cursor is None or position is None:
            raise ValueError("a live event has a cursor, and comes after the first history")
        same_log = cursor.epoch == position.epoch
        if same_log and self._next_seq is not None and cursor.seq < self._next_seq:
            return
        follows = same_log and (self._next_seq is None or cursor.seq == self._next_seq)
        if not follows or self._held >= self._limits.queue_messages:
            self._catch_up()
            return
        self._send(message)
        self.position, self._next_seq = cursor, cursor.seq + 1

    def _send(self, message: TaskMessage) -> None:
        if message.cursor is not None:
            told, self._told = self._told, message.cursor
            if told is not None and told.epoch == self._told.epoch and self._told.seq > told.seq + 1:
                self._observer.terminal_dropped(self._told.seq - told.seq - 1)
        self._slots.settle(message)
        self._queue.append((message.text, message.cursor))

    def _mark(self, text: str) -> None:
        """Send a message in order among the durable ones."""
        self._queue.append((text, None))

    @property
    def _held(self) -> int:
        """Durable messages held for the client: not yet sent, or not yet confirmed."""
        return len(self._queue) + len(self._acks)

    @property
    def _has_room(self) -> bool:
        """Whether history may be read on."""
        return not self._queue and len(self._acks) < self._limits.queue_messages

    def _begin(self, page: Page) -> None:
        """Announce a sync to a client that requested it, or whose state is now void."""
        if page.mode is SyncMode.SNAPSHOT:
            self._slots.clear()
            self._acks.forget()
            self._told = page.head
            self._announce = True
        if self._announce and self.protocol is Protocol.V2 and self._begun is not page.mode:
            self._mark(messages.sync_begin(page))
            self._begun = page.mode

    def _end(self, page: Page) -> None:
        if self._announce and self.protocol is Protocol.V2:
            self._mark(messages.sync_end(page))
        self._announce, self._begun = False, None

    def _reply(self, text: str) -> None:
        """Send what only the second protocol has."""
        if self.protocol is Protocol.V2:
            self._replies.append(text)

    def _check_time(self, now: float) -> None:
        end = self._lifetime.end(now)
        if self.closing is not None:
            return
        if end is None and self._acks.exhausted(now):
            end = Close(CloseCode.TOO_SLOW, "no ack, though messages were sent again and again; resume later")
        if end is not None:
            self.close(end)
            return
        seconds_left = self._lifetime.warn(now)
        if seconds_left is not None:
            self._reply(messages.token_expiring(seconds_left))
        if now >= self._bookmark_at:
            self._bookmark_at = now + self._limits.bookmark_interval
            if self.protocol is Protocol.V2 and self._state is _State.LIVE and self.position is not None:
                self._mark(messages.bookmark(self.position))


def _start_of(page: Page) -> UserCursor:
    """Return the position that a page of a replay continues from."""
    first = page.messages[0].cursor if page.messages else None
    return page.head if first is None else UserCursor(first.epoch, first.seq - 1)
