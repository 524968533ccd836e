"""Results are complete in the Python client and over HTTP, also from services without findings or verdicts."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from whitebg import models
from whitebg.convert.tasks import task_from_proto
from whitebg.v1 import task_pb2
from ws_gateway.http.task_models import TaskOut

NEW = task_pb2.ResultInfo(
    engine=task_pb2.ENGINE_LOCAL,
    content_type="image/png",
    confidence=0.4,
    warnings=["cut off", "soft"],
    findings=[
        task_pb2.Finding(
            code="product_touches_frame",
            message="cut off",
            region=task_pb2.Region(left=0.1, top=0.2, right=0.3, bottom=0.4),
        ),
        task_pb2.Finding(code="enlarged", message="soft"),
    ],
    placement=task_pb2.Placement(scale=0.5, x=-3.0, y=7.5, photo_width=1200, photo_height=900),
    verdict=task_pb2.RESULT_VERDICT_NEEDS_REVIEW,
    verdict_reasons=["product_touches_frame", "low_confidence"],
)
OLD = task_pb2.ResultInfo(engine=task_pb2.ENGINE_LOCAL, content_type="image/png", warnings=["cut off"])


def task_with(result: task_pb2.ResultInfo) -> task_pb2.Task:
    """Make a completed task."""
    now = Timestamp(seconds=1_700_000_000)
    return task_pb2.Task(
        task_id=7, user_id="ann", state=task_pb2.TASK_STATE_COMPLETED, result=result, created_at=now, updated_at=now
    )


def of_client(result: task_pb2.ResultInfo) -> models.ResultInfo:
    """Read a result with the Python client."""
    read = task_from_proto(task_with(result)).result
    assert read is not None
    return read


def over_http(result: task_pb2.ResultInfo) -> dict[str, object]:
    """Read a result over HTTP."""
    answer = TaskOut.of(task_with(result), lambda *_: "").model_dump(mode="json")["result"]
    assert isinstance(answer, dict)
    return answer


def test_client_reads_findings_placement_and_verdict() -> None:
    result = of_client(NEW)
    region = models.Region(left=0.1, top=0.2, right=0.3, bottom=0.4)
    assert result.findings == (
        models.Finding(code="product_touches_frame", message="cut off", region=region),
        models.Finding(code="enlarged", message="soft"),
    )
    assert result.warnings == ("cut off", "soft")
    assert result.placement == models.Placement(scale=0.5, x=-3.0, y=7.5, photo_width=1200, photo_height=900)
    assert result.verdict is models.ResultVerdict.NEEDS_REVIEW
    assert result.verdict_reasons == ("product_touches_frame", "low_confidence")


def test_client_reads_results_of_older_services() -> None:
    result = of_client(OLD)
    assert result.findings == (models.Finding(code="unknown", message="cut off"),)
    assert (result.placement, result.verdict, result.verdict_reasons) == (None, models.ResultVerdict.UNKNOWN, ())


def test_http_states_findings_placement_and_verdict() -> None:
    result = over_http(NEW)
    assert result["findings"] == [
        {
            "code": "product_touches_frame",
            "message": "cut off",
            "region": {"left": 0.1, "top": 0.2, "right": 0.3, "bottom": 0.4},
        },
        {"code": "enlarged", "message": "soft", "region": None},
    ]
    assert result["warnings"] == ["cut off", "soft"]
    assert result["placement"] == {
        "scale": 0.5,
        "x": -3.0,
        "y": 7.5,
        "photo_width": 1200,
        "photo_height": 900,
        "rotation": 0.0,
    }
    assert (result["verdict"], result["verdict_reasons"]) == (
        "needs_review",
        ["product_touches_frame", "low_confidence"],
    )


def test_http_asks_for_a_review_of_results_of_older_services() -> None:
    result = over_http(OLD)
    assert result["findings"] == [{"code": "unknown", "message": "cut off", "region": None}]
    assert (result["placement"], result["verdict"], result["verdict_reasons"]) == (None, "needs_review", [])
