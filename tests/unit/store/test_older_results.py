"""Rows of older releases can be read, and older releases can read new rows."""

from __future__ import annotations

import json
from dataclasses import replace

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.finding import Finding
from generator_service.domain.task_options import Engine, TaskOptions
from generator_service.store import older_results, rows
from generator_service.store.older_results import TASK, result_from_json, task_from_json
from tests.support.clock import NOON
from tests.support.store import LEASE, RESULT, new_task

STORED_BEFORE = {
    **json.loads(older_results.RESULT.dump_json(replace(RESULT, findings=()))),
    "warnings": ["The outline is uncertain; check the result."],
}
del STORED_BEFORE["findings"]
FINDING = Finding(code="unknown", message="The outline is uncertain; check the result.")


def test_sentences_become_findings_of_an_unknown_code() -> None:
    assert result_from_json(json.dumps(STORED_BEFORE)) == replace(RESULT, findings=(FINDING,))


def test_results_of_an_event_are_upgraded_too() -> None:
    task = transitions.create(new_task("ann"), task_id=7, at=NOON)
    task = transitions.start(task, owner="w", lease_expires_at=NOON + LEASE, at=NOON)
    done = transitions.complete(task, result=RESULT, at=NOON)
    stored = {**json.loads(TASK.dump_json(done)), "result": STORED_BEFORE}
    assert task_from_json(json.dumps(stored)) == replace(done, result=replace(RESULT, findings=(FINDING,)))
    assert task_from_json(TASK.dump_json(task).decode()) == task, "a task without a result"


def test_findings_with_regions_are_read_as_they_were_stored() -> None:
    assert result_from_json(older_results.RESULT.dump_json(RESULT).decode()) == RESULT


def test_a_text_that_looks_like_an_older_result_changes_nothing() -> None:
    quoting = replace(RESULT, findings=(Finding(code="unknown", message='about "warnings": none'),), blob="warnings")
    assert result_from_json(older_results.RESULT.dump_json(quoting).decode()) == quoting


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
    assert task_from_json(json.dumps(event)) == done
