"""When a process counts as not ready."""

from __future__ import annotations

import pytest

from generator_service.domain import transitions
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.readiness import Backlog, Limits, Observation, StallDetector, not_ready
from tests.unit.watch.log_double import LogDouble

LIMITS = Limits(stalled=60, free_bytes=256 * 2**20)


def detector_after(*looks: tuple[float, bool, bool], step: float = 20) -> StallDetector:
    """Return a detector after these looks: time, whether a task could run, whether a slot should be free."""
    detector = StallDetector(longest_step=step)
    for now, runnable, free in looks:
        detector.observe(now, runnable=runnable, free_slots=free)
    return detector


def test_a_queue_stalls_from_the_first_look_at_work_and_free_slots() -> None:
    assert detector_after((100, True, True)).stalled == 0
    assert detector_after((100, True, True), (105, True, True), (110, True, True)).stalled == 10


@pytest.mark.parametrize("moment", [(105.0, False, True), (105.0, True, False)], ids=["no work", "all slots busy"])
def test_a_queue_without_work_or_free_slots_does_not_stall(moment: tuple[float, bool, bool]) -> None:
    assert detector_after((100, True, True), moment).stalled == 0
    assert detector_after((100, True, True), moment, (110, True, True)).stalled == 5


def test_an_attempt_that_starts_or_ends_is_progress_and_a_new_or_cancelled_task_is_none() -> None:
    log = LogDouble()
    detector = detector_after((100, True, True), (110, True, True))
    task = log.create("ann")
    detector.on_events(log.history[-1:])
    detector.observe(115, runnable=True, free_slots=True)
    assert detector.stalled == 15
    for now in (120, 125):
        task = log.advance(task)
        detector.on_events(log.history[-1:])
        detector.observe(now, runnable=True, free_slots=True)
        assert detector.stalled == 0


def test_a_task_that_fails_because_its_deadline_passes_is_no_progress() -> None:
    detector = detector_after((100, True, True), (110, True, True))
    task = LogDouble().create("ann")
    failed = transitions.miss_deadline(task, at=task.created_at)
    detector.on_events([TaskEvent(revision=2, type=EventType.FAILED, task=failed)])
    detector.observe(115, runnable=True, free_slots=True)
    assert detector.stalled == 15


def test_a_deletion_is_no_progress() -> None:
    detector = detector_after((100, True, True), (110, True, True))
    task = LogDouble().create("ann")
    deleted = transitions.delete(transitions.cancel(task, at=task.created_at), at=task.created_at)
    detector.on_events([TaskEvent(revision=3, type=EventType.DELETED, task=deleted)])
    detector.observe(115, runnable=True, free_slots=True)
    assert detector.stalled == 15


def test_time_in_which_the_process_was_frozen_is_not_counted() -> None:
    assert detector_after((100, True, True), (4000, True, True), step=20).stalled == 20


def test_slots_are_free_by_what_the_database_has_of_this_worker() -> None:
    assert Backlog(runnable=True, running={"me": 1, "other": 9}).free_slots("me", 2)
    assert not Backlog(runnable=True, running={"me": 2}).free_slots("me", 2)
    assert Backlog(runnable=True, running={}).free_slots(None, 0), "no worker is running"
    assert not Backlog(runnable=True, running={"other": 1}).free_slots(None, 0), "others' slots are not known"


def test_nothing_against_it_is_ready() -> None:
    assert not_ready(Observation(), LIMITS) == ()
    assert not_ready(Observation(stalled=59.9, free_bytes={"data": 256 * 2**20}), LIMITS) == ()


def test_every_reason_is_given_with_its_figures() -> None:
    observed = Observation(
        stalled=60,
        rejected={"images": "no images", "database": "no database"},
        refused="of another database",
        free_bytes={"data": 300 * 2**20, "data/blobs": 2**20},
    )
    reasons = {reason.code: reason.message for reason in not_ready(observed, LIMITS)}
    assert list(reasons) == [
        "database_unavailable",
        "images_unavailable",
        "images_refused",
        "disk_full",
        "queue_stalled",
    ]
    assert reasons["database_unavailable"] == "no database"
    assert reasons["images_unavailable"] == "no images"
    assert reasons["images_refused"] == "of another database"
    assert "data/blobs has 1 MiB free" in reasons["disk_full"]
    assert "256 MiB" in reasons["disk_full"]
    assert "for 60 s" in reasons["queue_stalled"]
