"""NUL is rejected in every text field, at any depth."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from generator_service.domain.errors import InvalidRequest
from generator_service.rpc.convert.texts import require_no_nul
from whitebg.v1 import admin_service_pb2 as admin
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetTaskRequest(user_id="a\0"), "user_id"),
        (admin.ReplayDeadLettersRequest(webhook_id="\0"), "webhook_id"),
        (admin.CancelTasksRequest(filter=admin.TaskFilter(error_codes=["a", "\0"])), "filter.error_codes"),
        (
            pb.SubmitTaskRequest(more_options=[task_pb2.TaskOptions(), task_pb2.TaskOptions(prompt="\0")]),
            "more_options.prompt",
        ),
    ],
    ids=["text", "only NUL", "nested and repeated", "repeated message"],
)
def test_nul_is_rejected_with_the_path_of_its_field(request_: Message, field: str) -> None:
    with pytest.raises(InvalidRequest, match="NUL") as rejected:
        require_no_nul(request_)
    assert rejected.value.field == field


def test_bytes_may_hold_nul() -> None:
    require_no_nul(pb.SubmitTaskRequest(image=b"\0", filename="a.png"))
