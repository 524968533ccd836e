"""`whitebg models` as a process: listing, installing, rejecting and removing models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator_service.engines.neural.models import MODELS, USABLE
from tests.support.model_server import ModelServer, model_server
from tests.support.networks import write_network
from tests.support.processes import program

WHITEBG = [sys.executable, "-m", "whitebg"]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def models(data_dir: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run the command; return its status and output."""
    with program([*WHITEBG, "models", *arguments, "--data-dir", str(data_dir)], **settings) as process:
        return process.wait(), process.output


def listed(data_dir: Path, **settings: str) -> dict[str, Any]:
    status, output = models(data_dir, "list", "--json", **settings)
    assert status == 0, output
    return {row["name"]: row for row in map(json.loads, output.splitlines())}


def test_a_network_is_installed_listed_and_removed(tmp_path: Path) -> None:
    data, weights = tmp_path / "data", write_network(tmp_path / "own.onnx")
    rows = listed(data)
    assert list(rows) == list(USABLE), "none that may not be used"
    assert not any(row["installed"] or row["in_use"] for row in rows.values())
    status, output = models(data, "install", "u2netp", "--from", str(weights))
    assert (status, "damaged, or not that model" in output) == (1, True), output
    assert not any(row["installed"] for row in listed(data).values())

    status, output = models(data, "install", "u2netp", "--from", str(weights), "--allow-unverified")
    assert status == 0, output
    assert "checksum unknown" in output
    assert "WHITEBG_NEURAL_ALLOW_UNVERIFIED=true" in output
    assert (data / "models" / "u2netp.onnx").read_bytes() == weights.read_bytes()
    assert listed(data)["u2netp"]["in_use"], "the only one is used without being named"
    assert not listed(data, neural_model="u2net")["u2netp"]["in_use"]

    status, output = models(data, "remove", "u2netp")
    assert (status, output.startswith("removed u2netp")) == (0, True), output
    assert models(data, "remove", "u2netp")[0] == 1


def test_a_mirror_is_asked_and_progress_is_shown(tmp_path: Path, server: ModelServer) -> None:
    server.files["/mirror/u2netp.onnx"] = bytes(2_000_000)
    status, output = models(tmp_path, "install", "u2netp", "--allow-unverified", models_mirror=f"{server.url}/mirror/")
    assert status == 0, output
    assert f"from {server.url}/mirror/u2netp.onnx" in output
    assert "100% of 2 MiB" in output
    assert server.asked == [("/mirror/u2netp.onnx", None)]


@pytest.mark.parametrize("name", [name for name in MODELS if name not in USABLE] + ["no-such-model"])
def test_a_network_that_may_not_be_used_is_rejected_with_those_that_may(tmp_path: Path, name: str) -> None:
    status, output = models(tmp_path, "install", name)
    assert status == 1
    assert "isnet-general-use" in output
    assert "Traceback" not in output


def test_a_source_without_the_file_is_reported(tmp_path: Path, server: ModelServer) -> None:
    status, output = models(tmp_path, "install", "u2net", "--from", f"{server.url}/gone.onnx")
    assert status == 1
    assert "the server answered 404; name another source with --from" in output
    assert "Traceback" not in output
