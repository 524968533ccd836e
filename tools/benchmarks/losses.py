"""What each system under test loses, by its documentation; `make bench` prints it beside the figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost, from the point of view of whoever submitted a task or waits for messages."""

    killed: str
    """When its process, and what holds its data, is killed or loses power."""
    away: str
    """When a watcher was disconnected for an hour."""
    past_window: str
    """When a watcher was disconnected for longer than messages are kept."""


_NO_LOG = "every message: there is no log to resume from"
LOSSES = {
    "whitebg": Losses("nothing acknowledged: each commit is synced", "nothing", "nothing: a snapshot after 24 h"),
    "taskiq, Redis Streams, fsync always": Losses("nothing acknowledged", _NO_LOG, _NO_LOG),
    "taskiq, Redis Streams": Losses("tasks of up to 1 s", _NO_LOG, _NO_LOG),
    "Celery, Redis": Losses("tasks of up to 1 s", _NO_LOG, _NO_LOG),
    "Procrastinate, PostgreSQL": Losses("nothing acknowledged", "nothing: events stay in a table", "nothing"),
    "nchan": Losses("all messages, kept in memory", "all but what its buffer holds (here 2 min)", "every message"),
    "Socket.IO with recovery": Losses("all messages, kept in memory", "all: kept for 2 min", "every message"),
    "stock FastAPI": Losses("all messages, kept nowhere", "every message", "every message"),
}


def losses_of(system: str) -> Losses | None:
    """Return the losses of a system by its full name; all of ours lose the same. None for a bare library."""
    return LOSSES.get("whitebg" if system.startswith("whitebg") else system)
