"""The modules that a start imports. Those of features that are not used would take as long as all others together."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.api import SECRET
from tests.support.processes import Program, program, service_process

ANYWHERE = ("cv2", "google.genai", "onnxruntime", "opentelemetry.exporter", "botocore", "obstore", "boto3")
SERVICE = (
    "PIL",
    "pillow_heif",
    "alembic",
    "mako",
    "httpcore2",
    "httpx2",
    "anyio",
    "redis",
    "psycopg",
    "fastapi",
    "typer",
)
GATEWAY = ("PIL", "numpy", "sqlalchemy", "alembic", "authlib", "httpx2", "redis", "typer", "opentelemetry.sdk")
CLIENT = (
    "cryptography",
    "jwt",
    "PIL",
    "numpy",
    "pydantic",
    "sqlalchemy",
    "alembic",
    "fastapi",
    "uvicorn",
    "httpx2",
    "redis",
    "prometheus_client",
)


@pytest.fixture(autouse=True)
def _imports_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def imported(process: Program) -> set[str]:
    """Return the names of the modules that a process has imported so far, by Python's own report."""
    found = {line.rpartition("|")[2].strip() for line in process.output.splitlines() if line.startswith("import time:")}
    assert len(found) > 100
    return found


def among(modules: set[str], *packages: str) -> list[str]:
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{package}.") for package in packages))


def test_a_service_imports_no_library_of_features_that_it_does_not_use(tmp_path: Path) -> None:
    with service_process(tmp_path, SECRET, worker_slots="1", pool_processes="1") as service:
        assert among(imported(service), *ANYWHERE, *SERVICE) == []


def test_a_gateway_imports_no_library_of_features_that_it_does_not_use() -> None:
    command = [sys.executable, "-P", "-m", "ws_gateway"]
    with program(command, jwt_secret=SECRET, http_port="0", grpc_target="127.0.0.1:1") as gateway:
        gateway.wait_for("listening on")
        assert among(imported(gateway), *ANYWHERE, *GATEWAY) == []


def test_the_command_line_imports_no_library_of_the_servers() -> None:
    with program([sys.executable, "-P", "-m", "whitebg", "--help"]) as command:
        assert command.wait() == 0
        assert among(imported(command), *ANYWHERE, *CLIENT) == []


def test_the_doctor_imports_no_library_of_engines_that_are_not_set_up(tmp_path: Path) -> None:
    doctor = [sys.executable, "-P", "-m", "generator_service", "doctor"]
    with program(doctor, data_dir=str(tmp_path), jwt_secret=SECRET, pool_processes="1") as command:
        assert command.wait() == 0
        assert among(imported(command), *ANYWHERE, "alembic") == []


@pytest.mark.parametrize("runner", ["job_runner", "inspect_runner"])
def test_an_engine_process_imports_nothing_of_the_service_around_it(runner: str) -> None:
    target = ["--target", f"generator_service.engines.{runner}:perform", "--max-frame-bytes", "1000"]
    with program([sys.executable, "-P", "-m", "generator_service.engines.pool.child_main", *target]) as child:
        child.close_stdin()  # After its imports, it reads this as the end of its jobs.
        assert child.wait() == 0
        assert among(imported(child), "asyncio", "ssl", "pydantic", "grpc", "sqlalchemy") == []


@pytest.mark.parametrize("process", ["generator_service", "ws_gateway"])
def test_a_start_makes_no_full_garbage_collection(process: str) -> None:
    script = f"import gc, {process}.__main__; print(gc.isenabled(), gc.get_stats()[2]['collections'])"
    with program([sys.executable, "-P", "-c", script]) as start:
        assert start.wait() == 0
        assert start.lines[-1] == "True 0"
