"""A good history passes; each planted fault is found under the name of its guarantee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.checker.good_history import (
    ACCESS,
    ANN,
    BOB,
    CALLS,
    CONFIG,
    GOOD,
    LOG,
    PAUSES,
    READINGS,
    SOCKET,
    STORED,
    WEBHOOKS,
    WORKERS,
    changed,
    logged,
    received,
    swapped,
    with_after,
    without,
)
from tools.checker.__main__ import main
from tools.checker.history import (
    Called,
    Finished,
    Logged,
    Moved,
    Record,
    Shown,
    SnapshotBegun,
    SnapshotEnded,
    from_line,
    read,
    to_line,
)
from tools.checker.verdict import check
from tools.checker.violation import Guarantee

LAST = LOG[-1]
MARK = Moved(client="watcher", at=8, seq=6)
SHOWN = SOCKET[7]
WATCHED = dict(zip(range(1, 12), received("watcher", *ANN), strict=True))


def test_a_review_follows_the_end_and_is_none() -> None:
    end, last = ANN[7], ANN[-1]
    review = replace(end, revision=LOG[-1].revision + 1, seq=last.seq + 1, type="reviewed", at=last.at)
    history: list[Record] = []
    for record in GOOD:
        if isinstance(record, Finished) and record.client in {"watcher", "socket"}:
            history += received(record.client, review)
        history.append(replace(record, seq=review.seq) if record == STORED[0] else record)
        history += [review] if record == LOG[-1] else []
    assert check(history).violations == ()
    early = [replace(record, type="reviewed") if record == ANN[2] else record for record in GOOD]
    assert Guarantee.TRANSITIONS in {violation.guarantee for violation in check(early).violations}


def test_a_good_history_has_no_violation() -> None:
    verdict = check(GOOD)
    assert verdict.violations == ()
    assert (verdict.events, verdict.tasks, verdict.clients, verdict.reconnects) == (14, 3, 3, 2)


FAULTS: dict[str, tuple[Guarantee, Sequence[Record]]] = {
    "a revision is missing": (
        Guarantee.REVISIONS,
        [
            replace(record, revision=record.revision + 1)
            if isinstance(record, Logged) and record.revision > 6
            else record
            for record in GOOD
        ],
    ),
    "two revisions are out of order": (Guarantee.REVISIONS, swapped(LOG[2], LOG[3])),
    "a seq is missing": (Guarantee.SEQS, changed(BOB[2], seq=4)),
    "a row changed without an event": (Guarantee.ATOMIC, changed(STORED[0], state="failed")),
    "a row is gone": (Guarantee.ATOMIC, without(STORED[0])),
    "a deleted task has a row": (Guarantee.ATOMIC, changed(STORED[1], task_id=2)),
    "a claim has no event": (Guarantee.ATOMIC, changed(WORKERS[1], attempt=2)),
    "a late report is accepted": (Guarantee.FENCED, changed(WORKERS[3], accepted=True)),
    "a task runs beyond the limit": (Guarantee.QUOTA, [replace(CONFIG, pending_per_user=1), *GOOD[1:]]),
    "a submission is rejected without need": (Guarantee.QUOTA, changed(CALLS[3], began=20.0, at=21.0)),
    "a key stands for two tasks": (Guarantee.IDEMPOTENT, changed(CALLS[2], key="k1")),
    "a task has two ends": (
        Guarantee.TRANSITIONS,
        with_after(LAST, logged(15, 12, "ann", 1, "completed", attempt=3, failures=1)),
    ),
    "a wait counts as a failure": (Guarantee.ATTEMPTS, changed(LOG[5], failures=1)),
    "a start is not numbered": (Guarantee.ATTEMPTS, changed(LOG[6], attempt=1)),
    "an acknowledged task is lost": (
        Guarantee.ACKNOWLEDGED,
        [*GOOD, Called(user="ann", operation="submit", began=5, at=6, outcome="ok", key="k9", task_id=9)],
    ),
    "an acknowledged cancellation has no effect": (
        Guarantee.ACKNOWLEDGED,
        changed(CALLS[5], user="ann", task_id=1),
    ),
    "a task never ends": (
        Guarantee.NOT_STUCK,
        with_after(LAST, logged(15, 4, "bob", 4, "created", at=43)),
    ),
    "an event arrives late": (Guarantee.ORDER, swapped(WATCHED[2], WATCHED[3])),
    "an event is left out": (Guarantee.NO_GAP, without(WATCHED[5])),
    "the cursor moves before delivery": (Guarantee.NO_GAP, changed(MARK, seq=7)),
    "an event is repeated": (Guarantee.NO_REPEAT, with_after(WATCHED[3], WATCHED[3])),
    "an event differs from the log": (Guarantee.PAYLOAD, changed(WATCHED[5], attempt=7)),
    "a read differs from the log": (Guarantee.PAYLOAD, changed(CALLS[6], state="failed")),
    "a snapshot leaves a task out": (Guarantee.SNAPSHOT, without(SHOWN)),
    "a snapshot is old": (Guarantee.SNAPSHOT, changed(SHOWN, attempt=1, seq=3)),
    "a snapshot shows the task of another log position": (
        Guarantee.SNAPSHOT,
        changed(SnapshotEnded(client="socket", at=5, seq=5), seq=6),
    ),
    "an end is never delivered": (Guarantee.ENDS_ONCE, without(WATCHED[8])),
    "an end is delivered twice": (
        Guarantee.ENDS_ONCE,
        with_after(WATCHED[8], replace(WATCHED[8], seq=9)),
    ),
    "the last event never arrives": (Guarantee.DELIVERED, without(WATCHED[11])),
    "a user receives another's event": (
        Guarantee.ISOLATED,
        changed(WATCHED[5], task_id=3),
    ),
    "readiness hides a stall": (Guarantee.TRUTHFUL, changed(READINGS[2], ready=True, reasons=())),
    "readiness reports a stall without one": (
        Guarantee.TRUTHFUL,
        changed(READINGS[0], ready=False, reasons=("queue_stalled",)),
    ),
    "a revoked session has access": (Guarantee.REVOKED, changed(ACCESS[3], session="s1")),
    "readiness reports a stall while claims are paused": (
        Guarantee.TRUTHFUL,
        changed(PAUSES[0], began=11.0, at=11.0),
    ),
    "a task starts during a pause": (Guarantee.PAUSED, changed(PAUSES[0], began=37.0, at=38.0)),
    "a task starts during a pause of its engine": (Guarantee.PAUSED, changed(LOG[11], engine="gemini")),
    "a deleted task is read": (Guarantee.GONE, changed(CALLS[8], began=43.0, outcome="ok")),
    "a deleted task reappears": (Guarantee.GONE, with_after(WATCHED[11], replace(WATCHED[10], seq=12))),
    "a deleted task reappears in a snapshot": (
        Guarantee.GONE,
        with_after(
            WATCHED[11],
            SnapshotBegun(client="watcher", at=43),
            Shown(client="watcher", at=43, task_id=1, state="completed", attempt=3, seq=8),
            Shown(client="watcher", at=43, task_id=2, state="failed", attempt=1, seq=10),
            SnapshotEnded(client="watcher", at=43, seq=11),
        ),
    ),
    "a deletion never arrives": (Guarantee.GONE, without(WATCHED[11])),
    "a webhook has a wrong signature": (Guarantee.WEBHOOK_SIGNED, changed(WEBHOOKS[3], signed=False)),
    "a webhook arrives too early": (Guarantee.WEBHOOK_ORDER, swapped(WEBHOOKS[3], WEBHOOKS[5])),
    "a rejected webhook holds nothing back": (Guarantee.WEBHOOK_ORDER, without(WEBHOOKS[2])),
    "a repeated webhook has another id": (Guarantee.WEBHOOK_ONCE, changed(WEBHOOKS[4], message_id="evt_99")),
    "two webhooks have the same id": (Guarantee.WEBHOOK_ONCE, changed(WEBHOOKS[5], message_id="evt_11")),
    "a webhook is lost": (Guarantee.WEBHOOK_DELIVERED, without(WEBHOOKS[9])),
    "a webhook that failed is forgotten": (Guarantee.WEBHOOK_DELIVERED, without(WEBHOOKS[7])),
    "a webhook differs from the log": (Guarantee.PAYLOAD, changed(WEBHOOKS[5], type="task.completed")),
    "an endpoint gets the tasks of another user": (
        Guarantee.ISOLATED,
        with_after(WEBHOOKS[9], replace(WEBHOOKS[5], endpoint="bobs")),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_by_name(name: str) -> None:
    guarantee, history = FAULTS[name]
    found = check(history).violations
    assert guarantee in {violation.guarantee for violation in found}, found


def test_every_guarantee_is_proven_by_a_fault() -> None:
    assert {guarantee for guarantee, _ in FAULTS.values()} == set(Guarantee)


def test_a_history_survives_its_files(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text("".join(f"{to_line(record)}\n" for record in GOOD) + '{"kind": "Log')
    assert list(read([file])) == list(GOOD)


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"kind": "Other"}', '{"kind": "Moved"}', '{"kind": "Disturbed", "x": 1}']
)
def test_a_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a record"):
        from_line(line)


def test_the_command_reports_violations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses = []
    for name, history in {"good": GOOD, "bad": without(WATCHED[5])}.items():
        (tmp_path / name).write_text("".join(f"{to_line(record)}\n" for record in history))
        monkeypatch.setattr("sys.argv", ["checker", str(tmp_path / name)])
        statuses.append(main())
    assert statuses == [0, 1]
    assert "NO_GAP: watcher: event 6 followed 4" in capsys.readouterr().out
