"""Enums of the contract by name."""

from __future__ import annotations

from enum import StrEnum

import pytest

from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import names, numbers


class Shadow(StrEnum):
    UNKNOWN = "unknown"
    CONTACT = "soft"
    NONE = "none"


def test_members_are_found_by_name_and_unknown_has_no_number() -> None:
    assert numbers(Shadow, task_pb2.Shadow) == {
        Shadow.CONTACT: task_pb2.SHADOW_CONTACT,
        Shadow.NONE: task_pb2.SHADOW_NONE,
    }


def test_a_member_that_the_contract_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="ON_GAP_CONTACT"):
        numbers(Shadow, generator_service_pb2.OnGap)


def test_names_are_without_prefix_and_unspecified() -> None:
    assert names(task_pb2.Shadow) == {task_pb2.SHADOW_NONE: "none", task_pb2.SHADOW_CONTACT: "contact"}
