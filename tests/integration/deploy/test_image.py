"""The Dockerfile's steps, run as plain commands: the copied files build, and the result starts and is healthy.

Only third-party dependencies come from the environment of the tests.
"""

from __future__ import annotations

import json
import re
import shutil
import site
import subprocess
import venv
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.processes import Program, environment, free_port

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "node_modules")


def instructions(name: str) -> list[list[str]]:
    """Return the instructions of that name in exec form; the first ``CMD`` is that of the health check."""
    return [json.loads(words) for words in re.findall(rf"\b{name} (\[.*\])", DOCKERFILE)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the build stage: a virtual environment with the project installed from the copied files."""
    context, made = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "whitebg"
    build = DOCKERFILE.partition("AS build")[2].partition("\nFROM")[0]
    for *sources, target in (line.split() for line in re.findall(r"^COPY (.+)$", build, re.MULTILINE)):
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, context / target, ignore=IGNORED)
            else:
                shutil.copy(ROOT / source, context / target)
    venv.create(made, symlinks=True, with_pip=True)
    _, install = re.findall(r"/opt/whitebg/bin/(pip install .+)$", build, re.MULTILINE)
    # The locked dependencies, the build's own too, are not installed here: pip gets the latter from the index.
    words = [word for word in install.replace('"', "").split() if word not in {"--no-index", "--no-build-isolation"}]
    subprocess.run([made / "bin" / words[0], *words[1:], "--quiet"], cwd=context, check=True, timeout=120)
    own = next((made / "lib").glob("python*/site-packages"))
    # After its own packages, and without the links that make this checkout importable.
    (own / "others.pth").write_text("\n".join(site.getsitepackages()))
    return made


def test_the_image_holds_all_that_its_programs_need(image: Path) -> None:
    for package in ("generator_service", "ws_gateway", "whitebg", "whitebg_process"):
        argv = [str(image / "bin" / "python"), "-E", "-c", f"import {package}; print({package}.__path__[0])"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/", env=environment())
        assert said.stdout.startswith(str(image)), said.stdout
    subprocess.run(
        [image / "bin" / "whitebg", "--help"],
        capture_output=True,
        check=True,
        cwd="/",
        timeout=PATIENCE,
        env=environment(),
    )


def test_the_image_starts_becomes_healthy_and_ends_on_sigterm(image: Path, tmp_path: Path) -> None:
    metrics = str(free_port())
    settings = {
        name.removeprefix("WHITEBG_").lower(): value for name, value in re.findall(r"\b(WHITEBG_\w+)=(\S+)", DOCKERFILE)
    }
    assert settings.keys() == {"data_dir", "grpc_host", "http_host", "metrics_host", "metrics_port"}
    settings |= {"data_dir": str(tmp_path), "metrics_port": metrics, "grpc_port": "0", "jwt_secret": "0" * 64}
    settings |= {"worker_slots": "1", "pool_processes": "1"}
    python = str(image / "bin" / "python")
    health, command = (words for words in instructions("CMD"))
    # -E: in the image no variable sets a path to packages.
    probe = [python, *(word.replace("9100", metrics) for word in health[1:])]
    process = Program([python, "-E", *instructions("ENTRYPOINT")[0][1:], *command], settings)
    try:
        process.wait_for('"message": "serving"')
        assert subprocess.run(probe, check=False, capture_output=True, timeout=PATIENCE).returncode == 0
        process.terminate()
        assert process.wait() == 0, process.output
        assert subprocess.run(probe, check=False, capture_output=True, timeout=PATIENCE).returncode != 0
    finally:
        process.close()
