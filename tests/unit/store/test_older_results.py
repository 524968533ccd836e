"""Rows of older releases can be read, and older releases can read new rows."""

from __future__ import annotations

import json
from dataclasses import replace

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.finding import Finding
from generator_service.domain.task import Engine, TaskOptions
from generator_service.store import rows
from generator_service.store.older_results import STORED_RESULT, STORED_TASK
from tests.support.clock import NOON
from tests.support.store import LEASE, RESULT, new_task

STORED_BEFORE = {
    **json.loads(STORED_RESULT.dump_json(replace(RESULT, findings=()))),
    "warnings": ["The outline is uncertain; check the result."],
}
del STORED_BEFORE["findings"]
FINDING = Finding(code="unknown", message="The outline is uncertain; check the result.")


def test_sentences_become_findings_of_an_unknown_code() -> None:
    assert STORED_RESULT.validate_json(json.dumps(STORED_BEFORE)) == replace(RESULT, findings=(FINDING,))


def test_results_of_an_event_are_upgraded_too() -> None:
    task = transitions.create(new_task("ann"), task_id=7, at=NOON)
    task = transitions.start(task, owner="w", lease_expires_at=NOON + LEASE, at=NOON)
    done = transitions.complete(task, result=RESULT, at=NOON)
    stored = {**json.loads(STORED_TASK.dump_json(done)), "result": STORED_BEFORE}
    assert STORED_TASK.validate_json(json.dumps(stored)) == replace(done, result=replace(RESULT, findings=(FINDING,)))
    assert STORED_TASK.validate_json(STORED_TASK.dump_json(task)) == task, "a task without a result"


def test_findings_with_regions_are_read_as_they_were_stored() -> None:
    assert STORED_RESULT.validate_json(STORED_RESULT.dump_json(RESULT)) == RESULT


def test_rows_name_the_neural_engine_as_older_releases_know_it() -> None:
    told = 'a "engine":"neural" sign'
    options = TaskOptions(engine=Engine.NEURAL, prompt=told)
    task = transitions.create(replace(new_task("ann"), options=options), task_id=7, at=NOON)
    task = transitions.start(task, owner="w", lease_expires_at=NOON + LEASE, at=NOON)
    done = transitions.complete(task, result=replace(RESULT, engine=Engine.NEURAL), at=NOON)

    row = rows.task_values(done)
    event = json.loads(rows.event_values(TaskEvent(revision=1, type=EventType.COMPLETED, task=done))["task"])

    named = [json.loads(row["options"]), json.loads(row["result"]), event["options"], event["result"]]
    assert [each["engine"] for each in named] == ["rembg"] * 4
    assert [named[0]["prompt"], named[2]["prompt"]] == [told, told]
    assert STORED_TASK.validate_python(event) == done
