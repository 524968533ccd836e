"""Encoding a submission around the bytes of its files."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest

from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from ws_gateway.http.options import OptionsForm
from ws_gateway.upstream.submission import encoded

REQUEST = pb.SubmitTaskRequest(user_id="ann", filename="杯.png", idempotency_key="k", reuse=True)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
@pytest.mark.parametrize("mask_size", [None, 1, 300])
def test_encoded_equals_protobuf(size: int, mask_size: int | None) -> None:
    image, mask = b"\x80" * size, None if mask_size is None else b"\x01" * mask_size
    expected = pb.SubmitTaskRequest(image=image)
    if mask is not None:
        expected.mask = mask
    expected.MergeFrom(REQUEST)
    file = io.BytesIO(image)
    file.seek(size // 2)  # Wherever the form's parser left it.
    found = pb.SubmitTaskRequest.FromString(encoded(REQUEST, file, None if mask is None else io.BytesIO(mask)))
    assert found == expected
    assert found.WhichOneof("source") == "image"


def test_encoded_without_files_is_the_message() -> None:
    version = pb.SubmitTaskRequest(user_id="ann", source_task_id=3)
    assert encoded(version) == version.SerializeToString()


def test_encoded_holds_one_copy_of_the_photo(tmp_path: Path) -> None:
    size = 20 * 1024 * 1024
    photo = tmp_path / "photo"
    photo.write_bytes(b"\x80" * size)
    with photo.open("rb") as file:
        tracemalloc.start()
        try:
            assert len(encoded(REQUEST, file)) > size
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # What a growing buffer reserves is no copy.
    assert size < peak < 1.5 * size


def test_the_other_name_of_jpeg_and_the_hints_reach_every_picture_of_a_form() -> None:
    form = OptionsForm.model_validate(
        {
            "format": "jpg",
            "hints": '[{"kind": "drop", "region": {"left": 0, "top": 0.2, "right": 0.5, "bottom": 0.6}}]',
            "more_options": '[{"preset": "jd", "format": "jpg", "margin": 0}]',
        }
    )
    first, second = form.outputs()
    assert (first.format, second.format) == (task_pb2.OUTPUT_FORMAT_JPEG, task_pb2.OUTPUT_FORMAT_JPEG)
    assert first.hints == second.hints
    assert (first.hints[0].kind, first.hints[0].region.right) == (task_pb2.HINT_KIND_DROP, 0.5)
    assert (first.HasField("margin"), second.HasField("margin")) == (False, True)
