"""The guarantees by name, and a violation of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Guarantee(Enum):
    """A promise of the system; the value is its name in reports."""

    REVISIONS = "I1: revisions order the whole log without a gap"
    SEQS = "I2: seq numbers each user's events without a gap"
    ATOMIC = "I3: rows and log agree"
    FENCED = "I4: only the holder of an attempt reports its outcome"
    QUOTA = "I5: limits per user are exact"
    IDEMPOTENT = "I6: a key stands for one task"
    TRANSITIONS = "a task changes state only as allowed, and ends once"
    ATTEMPTS = "starts are numbered, and failures count failed attempts only, never a wait"
    ACKNOWLEDGED = "an acknowledged call has its effect"
    NOT_STUCK = "every task ends"
    ORDER = "events arrive in order"
    NO_GAP = "no event is left out"
    NO_REPEAT = "no event is repeated"
    PAYLOAD = "an event is received as the log has it"
    SNAPSHOT = "a snapshot is the state at its cursor"
    ENDS_ONCE = "a task's end is delivered exactly once"
    DELIVERED = "all events reach a client that stays"
    ISOLATED = "a user receives only the user's own tasks"
    TRUTHFUL = "readiness reports a stalled queue, and no other"
    REVOKED = "a revoked session has no access"
    PAUSED = "a paused queue or engine starts no task"
    GONE = "a deleted task is gone for every client, and never reappears"
    WEBHOOK_SIGNED = "webhooks have valid signatures"
    WEBHOOK_ORDER = "webhooks arrive in the order of the log"
    WEBHOOK_ONCE = "an event has one webhook id, and an id one event"
    WEBHOOK_DELIVERED = "the end of a task reaches every endpoint"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken guarantee, with the facts."""

    guarantee: Guarantee
    message: str

    def __str__(self) -> str:
        return f"{self.guarantee.name}: {self.message}"
