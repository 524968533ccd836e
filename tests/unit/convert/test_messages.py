"""Every value of the domain has a counterpart in the contract, and every field is converted."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, get_type_hints

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from generator_service.domain import transitions
from generator_service.domain.breaker import Breaker
from generator_service.domain.errors import GapReason, InvalidRequest
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.finding import Region
from generator_service.domain.presets import PRESETS
from generator_service.domain.report import Verdict
from generator_service.domain.revocation import Revocation
from generator_service.domain.task import Progress, Review, Task, TaskError, TaskState, WaitReason
from generator_service.domain.task_options import Content, Engine, OutputFormat, Shadow, TaskOptions, stored_names
from generator_service.domain.verdict import ResultVerdict
from generator_service.rpc.convert import messages, picture_options
from generator_service.watch.feed import Bookmark, Item, QueueChanged, SnapshotBegin, SnapshotEnd
from generator_service.watch.queue_positions import QueueView
from tests.support.clock import NOON, SettableClock
from tests.support.store import LEASE, RESULT, new_task, queue_of
from whitebg import models
from whitebg.convert.options import options_from_proto, options_to_proto
from whitebg.v1 import event_pb2, generator_service_pb2, task_pb2
from ws_gateway.http.options import OptionsOut, PictureOptions

REQUESTED = generator_service_pb2.SNAPSHOT_REASON_REQUESTED
VIEW = QueueView(SettableClock(), 1, running_per_user=4, queue_time=lambda: NOON)


@pytest.mark.parametrize(
    ("members", "table", "contract"),
    [
        (list(TaskState), messages.STATES, task_pb2.TaskState),
        (list(Engine), picture_options.ENGINES, task_pb2.Engine),
        (list(WaitReason), messages.WAIT_REASONS, task_pb2.WaitReason),
        (list(OutputFormat), picture_options.FORMATS, task_pb2.OutputFormat),
        (list(Verdict), messages.VERDICTS, task_pb2.Verdict),
        (list(ResultVerdict), messages.RESULT_VERDICTS, task_pb2.ResultVerdict),
        (list(EventType), messages.EVENT_TYPES, event_pb2.EventType),
        (list(GapReason), messages.GAP_REASONS, generator_service_pb2.SnapshotReason),
    ],
)
def test_enums_match_one_to_one(members: list[Enum], table: dict[Any, int], contract: EnumTypeWrapper) -> None:
    assert list(table) == members
    # The old name of NEURAL is only read; a snapshot that was requested has no gap.
    special: dict[object, int] = {
        task_pb2.Engine: task_pb2.ENGINE_REMBG,
        generator_service_pb2.SnapshotReason: REQUESTED,
    }
    unused = {0, special.get(contract)}
    assert sorted(table.values()) == [number for number in contract.values() if number not in unused]
    for member, number in table.items():
        assert contract.Name(number).endswith(f"_{member.name}")


def test_the_old_name_of_the_neural_engine_is_still_read() -> None:
    assert picture_options.options_from(task_pb2.TaskOptions(engine=task_pb2.ENGINE_REMBG)).engine is Engine.NEURAL
    assert Engine("rembg") is Engine.NEURAL
    assert stored_names(Engine.NEURAL) == ("neural", "rembg")


def whole_task() -> Task:
    """Make a task with every field set to a distinct value."""
    task = transitions.create(replace(new_task("ann", priority=3), max_attempts=9), task_id=77, at=NOON)
    task = transitions.start(task, owner="w", lease_expires_at=NOON + LEASE, at=NOON + timedelta(seconds=1))
    task = transitions.complete(task, result=RESULT, at=NOON + timedelta(seconds=2, microseconds=1))
    options = TaskOptions(
        engine=Engine.GEMINI,
        preset="jd",
        format=OutputFormat.WEBP,
        size_px=900,
        fill=0.75,
        margin=0.0,
        background="#010203",
        shadow=Shadow.CONTACT,
        content=Content.TRANSPARENT,
        prompt="p",
        rotation=-90.0,
        move_x=0.125,
        move_y=-0.25,
        scale=1.5,
        crop=Region(left=0.0, top=0.25, right=0.5, bottom=1.0),
    )
    error = TaskError(code="c", message="m", retryable=True)
    return replace(
        task,
        options=options,
        error=error,
        seq=5,
        run_at=NOON + timedelta(seconds=9),
        stage="done",
        source_task_id=76,
        batch_id="b",
        assigned_engine=Engine.LOCAL,
        wait_reason=WaitReason.RATE_LIMITED,
        failures=2,
        lost_leases=3,
        review=Review.REJECTED,
    )


def at(message: Any) -> datetime:
    """Read a timestamp."""
    moment: datetime = message.ToDatetime(tzinfo=UTC)
    return moment


def test_a_task_arrives_whole() -> None:
    task = whole_task()
    read = task_pb2.Task.FromString(messages.task(task).SerializeToString())
    plain = (
        "task_id",
        "user_id",
        "attempt",
        "max_attempts",
        "priority",
        "progress",
        "stage",
        "seq",
        "failures",
        "lost_leases",
        "source_task_id",
        "batch_id",
    )
    assert {name: getattr(read, name) for name in plain} == {name: getattr(task, name) for name in plain}
    times = ("created_at", "updated_at", "run_at", "started_at", "finished_at", "deadline")
    assert {name: at(getattr(read, name)) for name in times} == {name: getattr(task, name) for name in times}
    assert read.state == task_pb2.TASK_STATE_COMPLETED
    assert read.timeout.ToTimedelta() == task.timeout
    assert picture_options.options_from(read.options) == task.options
    shown = ("filename", "format", "width", "height", "size_bytes")
    assert {name: getattr(read.input, name) for name in shown} == {name: getattr(task.input, name) for name in shown}
    assert task.result is not None
    sizes = ("width", "height", "size_bytes", "confidence", "fill")
    assert {name: getattr(read.result, name) for name in sizes} == {
        name: pytest.approx(getattr(task.result, name)) for name in sizes
    }
    assert read.result.content_type == "image/png"
    touching, enlarged = read.result.findings
    assert (touching.code, touching.message) == ("product_touches_frame", "the product touches the edge")
    region = touching.region
    assert (region.left, region.top, region.right, region.bottom) == (0.25, 0.5, 0.75, 1.0)
    assert (enlarged.code, enlarged.HasField("region")) == ("enlarged", False)
    assert list(read.result.warnings) == [touching.message, enlarged.message], "older clients read the sentences"
    placed = read.result.placement
    assert (placed.scale, placed.x, placed.y) == (0.5, -10.0, 120.5)
    assert (placed.photo_width, placed.photo_height) == (1200, 900)
    assert read.result.verdict == task_pb2.RESULT_VERDICT_FAILED
    assert list(read.result.verdict_reasons) == ["format", "product_touches_frame", "enlarged"]
    border, form = read.result.report.checks
    assert (read.result.report.preset, read.result.report.passed) == ("jd", False)
    assert (border.name, border.verdict, border.value) == ("border", task_pb2.VERDICT_PASSED, 0)
    assert (form.verdict, form.HasField("value"), form.limit) == (task_pb2.VERDICT_FAILED, False, "JPEG")
    assert form.message == "The market does not take PNG."
    assert (read.error.code, read.error.message, read.error.retryable) == ("c", "m", True)
    assert read.wait_reason == task_pb2.WAIT_REASON_RATE_LIMITED
    sent = {
        *plain,
        *times,
        "state",
        "wait_reason",
        "timeout",
        "options",
        "input",
        "result",
        "error",
        "assigned_engine",
        "review",
    }
    assert (read.assigned_engine, read.review) == (task_pb2.ENGINE_LOCAL, task_pb2.REVIEW_REJECTED)
    internal = {"lease_owner", "lease_expires_at", "attempt_usage"}
    assert sent | internal | {"assigned_engine"} == {each.name for each in fields(Task)}, "add new fields here"


def test_what_is_not_known_stays_unset() -> None:
    read = messages.task(transitions.create(new_task(), task_id=1, at=NOON))
    for name in ("started_at", "finished_at", "result", "error", "estimated_remaining"):
        assert not read.HasField(name)
    done = replace(whole_task(), result=replace(RESULT, confidence=None))
    assert not messages.task(done).result.HasField("confidence")
    old = replace(whole_task(), result=replace(RESULT, report=None))
    assert not messages.task(old).result.HasField("report")


def test_only_a_task_that_waits_has_a_place() -> None:
    clock = SettableClock()
    view = QueueView(clock, 1, running_per_user=4, queue_time=clock.now)
    task = transitions.create(new_task(), task_id=1, at=NOON)
    view.load(queue_of(task))
    assert messages.task(task, view).queue_position == 1
    assert messages.task(task, view).HasField("estimated_remaining")
    started = transitions.start(task, owner="w", lease_expires_at=NOON + LEASE, at=NOON)
    assert messages.task(started, view).queue_position == 0, "though the view has not received it yet"


def test_an_event_carries_its_numbers_and_its_users_cursor() -> None:
    event = TaskEvent(revision=12, type=EventType.COMPLETED, task=whole_task())
    read = messages.event(event, "e1")
    assert (read.revision, read.seq, read.cursor) == (12, 5, "e1:5")
    assert read.type == event_pb2.EVENT_TYPE_COMPLETED
    assert at(read.occurred_at) == event.occurred_at
    assert read.task == messages.task(event.task)


def test_progress_arrives_whole() -> None:
    progress = Progress(
        task_id=7,
        user_id="ann",
        attempt=2,
        percent=33,
        stage="matting",
        updated_at=NOON,
        queue_position=4,
        remaining=timedelta(seconds=5),
    )
    read = messages.progress(progress, VIEW)
    assert (read.task_id, read.user_id, read.attempt, read.progress) == (7, "ann", 2, 33)
    assert (read.stage, read.queue_position, at(read.updated_at)) == ("matting", 4, NOON)
    assert read.estimated_remaining.ToTimedelta() == timedelta(seconds=5)
    assert not messages.progress(replace(progress, remaining=None), VIEW).HasField("estimated_remaining")


def test_each_kind_of_news_has_its_own_place() -> None:
    event = TaskEvent(revision=1, type=EventType.CREATED, task=whole_task())
    progress = Progress(task_id=7, user_id="ann", attempt=2, percent=33, stage="x", updated_at=NOON)
    kinds: dict[str, Item] = {
        "event": event,
        "progress": progress,
        "snapshot_task": whole_task(),
        "snapshot_begin": SnapshotBegin(GapReason.CURSOR_TOO_OLD),
        "snapshot_end": SnapshotEnd(3),
        "bookmark": Bookmark(caught_up=True),
        "revocation": Revocation(user_id="ann", revoked_at=NOON, expires_at=NOON, number=3),
        "queue_changed": QueueChanged(),
    }
    for name, item in kinds.items():
        message = messages.watch_item(item, "e1", VIEW)
        assert [field.name for field, _ in message.ListFields()] == [name]
    assert set(kinds) == {field.name for field in generator_service_pb2.WatchItem.DESCRIPTOR.fields}
    assert messages.watch_item(SnapshotEnd(0), "e1", VIEW).HasField("snapshot_end"), "an empty one is told, too"


def test_unknown_numbers_are_refused_with_their_field() -> None:
    with pytest.raises(InvalidRequest, match="99 is not a task state"):
        messages.states_from([99])  # type: ignore[list-item]  # what an old or broken client sends
    with pytest.raises(InvalidRequest, match=r"options\.engine: 99"):
        picture_options.options_from(task_pb2.TaskOptions(engine=99))  # type: ignore[arg-type]  # as above
    with pytest.raises(InvalidRequest, match=r"options\.format: 99"):
        picture_options.options_from(task_pb2.TaskOptions(format=99))  # type: ignore[arg-type]  # as above
    with pytest.raises(InvalidRequest, match=r"options\.content: 99"):
        picture_options.options_from(task_pb2.TaskOptions(content=99))  # type: ignore[arg-type]  # as above
    with pytest.raises(InvalidRequest, match=r"options\.shadow: 99"):
        picture_options.options_from(task_pb2.TaskOptions(shadow=99))  # type: ignore[arg-type]  # as above
    assert picture_options.options_from(task_pb2.TaskOptions()) == TaskOptions()
    with pytest.raises(InvalidRequest, match=r"options\.hints\[0\]\.region: is missing"):
        picture_options.options_from(task_pb2.TaskOptions(hints=[task_pb2.Hint(kind=task_pb2.HINT_KIND_KEEP)]))


@pytest.mark.parametrize("of", [TaskOptions, models.TaskOptions, OptionsOut, PictureOptions])
def test_an_option_of_the_contract_is_an_option_everywhere(of: type[object]) -> None:
    # The hints of a form are in it once, for all of its pictures.
    elsewhere = {"hints"} if of is PictureOptions else set()
    contract = {field.name for field in task_pb2.TaskOptions.DESCRIPTOR.fields}
    assert set(get_type_hints(of)) - {"model_config"} | elsewhere >= contract


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("engine", task_pb2.Engine),
        ("format", task_pb2.OutputFormat),
        ("content", task_pb2.Content),
        ("shadow", task_pb2.Shadow),
    ],
)
def test_every_value_of_an_option_is_read_by_service_and_client(name: str, enum: EnumTypeWrapper) -> None:
    for number in set(enum.values()) - {0, task_pb2.ENGINE_REMBG if name == "engine" else 0}:
        message = task_pb2.TaskOptions()
        setattr(message, name, number)
        service = picture_options.options(picture_options.options_from(message))
        client = options_to_proto(options_from_proto(message))
        assert (getattr(service, name), getattr(client, name)) == (number, number)


def test_a_preset_arrives_whole() -> None:
    preset = PRESETS["google_merchant"]
    read = picture_options.preset(preset)
    assert (read.name, read.rule, read.source) == (preset.name, preset.rule, preset.source)
    assert (read.size_px, read.max_bytes, read.format) == (1500, 16_000_000, task_pb2.OUTPUT_FORMAT_JPEG)
    assert (read.min_size_px, read.max_size_px) == preset.sizes_px
    assert (read.min_fill, read.max_fill) == preset.fills
    assert (len(read.formats), read.pure_white) == (3, True)
    custom = picture_options.preset(PRESETS["custom"])
    assert (custom.size_px, custom.max_bytes, custom.pure_white) == (0, 0, False)


def test_times_of_a_breaker_are_shown_by_the_wall_clock() -> None:
    clock = SettableClock(NOON + timedelta(hours=1))
    view = QueueView(clock, 1, running_per_user=4, queue_time=lambda: NOON)
    opened = Breaker(name="blobs", failing_since=NOON, open_until=NOON + LEASE)
    message = messages.breaker(opened, NOON, view)
    assert message.failing_since.ToDatetime(UTC) == clock.now()
    assert message.open_until.ToDatetime(UTC) == clock.now() + LEASE
    assert message.state == generator_service_pb2.BREAKER_STATE_OPEN
