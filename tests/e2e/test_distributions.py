"""The two Python distributions: built, installed into empty environments, and used there."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.processes import environment, program

ROOT = Path(__file__).parents[2]
INSTALL_WITHIN = 300.0
"""Seconds for packages from the registry."""


def pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, timeout=INSTALL_WITHIN, cwd=ROOT)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build both wheels as a release does: from sources that hold only committed kinds of files."""
    folder, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
    for name in ("generator_service", "ws_gateway", "clients/python"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source), str(source / "clients/python"))
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


def empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def client(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client alone, and its dependencies from the registry."""
    python = empty_environment(tmp_path_factory.mktemp("client"))
    pip(python, "install", "--constraint", str(ROOT / "constraints.txt"), str(wheels["whitebg"]))
    return python


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, cwd="/", timeout=PATIENCE, env=environment()
    )


def test_wheels_install_their_own_packages_only(wheels: dict[str, Path]) -> None:
    packages = {
        name: {file.partition("/")[0] for file in zipfile.ZipFile(path).namelist() if ".dist-info/" not in file}
        for name, path in wheels.items()
    }
    assert packages == {
        "whitebg": {"whitebg", "whitebg_process"},
        "whitebg_server": {"generator_service", "ws_gateway"},
    }
    names = zipfile.ZipFile(wheels["whitebg"]).namelist()
    assert {"whitebg/py.typed", "whitebg/v1/generator_service_pb2.pyi", "whitebg/v1/task_pb2_grpc.pyi"} <= set(names)
    assert "ws_gateway/static/index.html" in zipfile.ZipFile(wheels["whitebg_server"]).namelist()


def test_the_client_alone_works_and_names_what_the_server_needs(client: Path, tmp_path: Path) -> None:
    whitebg = client.with_name("whitebg")
    assert run(whitebg, "--version").stdout.startswith("whitebg ")
    imported = run(client, "-c", "import whitebg, whitebg.v1.task_pb2 as pb; print(whitebg.Client, pb.Task)")
    assert imported.returncode == 0, imported.stderr
    assert run(client, "-c", "import numpy").returncode != 0
    for command in (["up"], ["doctor"]):
        refused = run(whitebg, *command, "--data-dir", tmp_path)
        assert refused.returncode == 1
        assert "pip install 'whitebg[server]'" in refused.stderr, refused.stderr
    listed = run(whitebg, "list", "--target", "127.0.0.1:1", "--token", "t")
    assert listed.returncode == 1
    assert "nothing answers at 127.0.0.1:1" in listed.stderr, listed.stderr


def test_the_stubs_are_typed(client: Path, tmp_path: Path) -> None:
    script = tmp_path / "use.py"
    script.write_text(
        "from whitebg import Client, __version__\n"
        "from whitebg.v1 import generator_service_pb2 as pb, generator_service_pb2_grpc, task_pb2\n"
        "request: pb.GetImageRequest = pb.GetImageRequest(task_id=1, kind=pb.IMAGE_KIND_RESULT)\n"
        "state: task_pb2.TaskState.ValueType = task_pb2.TASK_STATE_COMPLETED\n"
        "def url(client: Client) -> str | None:\n    return client.image_url(1)\n"
        "reveal_type(generator_service_pb2_grpc.GeneratorServiceStub)\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(client), "--config-file", os.devnull]
    checked = run(*mypy, "--cache-dir", tmp_path / "cache", script)
    assert checked.returncode == 0, checked.stdout
    script.write_text(script.read_text() + "pb.GetImageRequest(task_id='one')\n")
    assert "[arg-type]" in run(*mypy, "--cache-dir", tmp_path / "cache", script).stdout


def test_client_and_server_run_everything(wheels: dict[str, Path], tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "server")
    pip(python, "install", "--no-deps", *map(str, wheels.values()))
    own = next((tmp_path / "server" / "lib").glob("python*/site-packages"))
    # Third-party packages are those of the tests; this checkout is not among them.
    own.joinpath("others.pth").write_text("\n".join(site.getsitepackages()))
    ports = ["--http-port", "0", "--grpc-port", "0"]
    argv = [str(python.with_name("whitebg")), "--data-dir", str(tmp_path / "data"), "up", *ports]
    with program(argv, worker_slots="1", pool_processes="1") as process:
        process.wait_for("whitebg is running")
        process.terminate()
        assert process.wait() == 0, process.output
