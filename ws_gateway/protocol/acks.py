"""Messages that await the client's confirmation, and when they are sent again. Pure.

Acks are cumulative. Once the oldest message without one is 10 s old, it and all that went out after it are sent
again, with the same ids and in the same order: a client that simply keeps the latest state ends with the latest.
"""

from __future__ import annotations

from dataclasses import dataclass

from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.protocol.observer import Nobody, Observer


@dataclass(slots=True)
class _Sent:
    cursor: UserCursor
    text: str
    written_at: float | None = None
    """None while it is on its way into the socket."""


class Acks:
    """The durable messages of one client that wait for their ack. Times are seconds of one monotonic clock.

    Nothing is kept for a client that owes none: one that never acked and did not ask to be held to it.
    """

    def __init__(self, *, owed: bool, timeout: float, resends: int, observer: Observer | None = None) -> None:
        self.acked: UserCursor | None = None
        """How far the client has confirmed."""
        self._owed = owed
        self._timeout = timeout
        self._resends = resends
        self._observer = observer or Nobody()
        self._answered: float | None = None
        """When the message was written whose ack came since the last `written`; None for none."""
        self._sent: list[_Sent] = []
        self._rounds = 0
        """How often the oldest was sent again."""

    def __len__(self) -> int:
        return len(self._sent)

    def sent(self, cursor: UserCursor, text: str) -> None:
        """Note a message that goes out now."""
        if self._owed and not self._covers(cursor):
            self._sent.append(_Sent(cursor, text))

    def written(self, now: float) -> None:
        """Note that all that went out is written: the time to answer begins."""
        if self._answered is not None:
            self._observer.acked(now - self._answered)
            self._answered = None
        # Those on their way are always the latest.
        for message in reversed(self._sent):
            if message.written_at is not None:
                break
            message.written_at = now

    def confirm(self, message_id: UserCursor) -> None:
        """Take an ack of this message and all before it; from now on the client owes them."""
        self._owed = True
        acked = self.acked
        if acked is None or acked.epoch != message_id.epoch or acked.seq < message_id.seq:
            self.acked = message_id
        confirmed = 0
        while confirmed < len(self._sent) and self._covers(self._sent[confirmed].cursor):
            confirmed += 1
        if confirmed:
            self._answered = self._sent[confirmed - 1].written_at
            del self._sent[:confirmed]
            self._rounds = 0

    def forget(self) -> None:
        """Expect no ack of what went out so far: it is sent again, or void."""
        self._sent.clear()
        self._rounds = 0

    def rewind(self, start: UserCursor) -> None:
        """Expect no ack of what went out after ``start``: it is sent again from there, and must not come in between."""
        kept = [each for each in self._sent if each.cursor.epoch == start.epoch and each.cursor.seq <= start.seq]
        if not kept:
            self._rounds = 0
        self._sent = kept

    def exhausted(self, now: float) -> bool:
        """Return whether the oldest message was sent as often as allowed without a confirmation."""
        due = self.next_due
        return due is not None and due <= now and self._rounds >= self._resends

    def take(self, now: float) -> list[str]:
        """Return the messages to send again now."""
        due = self.next_due
        if due is None or due > now:
            return []
        self._rounds += 1
        for message in self._sent:
            message.written_at = None
        self._observer.resent(len(self._sent))
        return [message.text for message in self._sent]

    @property
    def next_due(self) -> float | None:
        """When something is to be done if no ack comes; None if nothing waits for one."""
        oldest = self._sent[0].written_at if self._sent else None
        return None if oldest is None else oldest + self._timeout

    def _covers(self, cursor: UserCursor) -> bool:
        return self.acked is not None and self.acked.epoch == cursor.epoch and cursor.seq <= self.acked.seq
