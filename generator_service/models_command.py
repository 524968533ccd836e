"""``python -P -m generator_service models``: lists, installs and removes the networks of the neural engine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from generator_service.data_dir import DataDirError, make_data_dir
from generator_service.engines.neural.download import DownloadFailed, InstallBusy, Progress, Source, install
from generator_service.engines.neural.files import ModelFolder
from generator_service.engines.neural.models import USABLE, Model, ModelUnusable, usable_model
from generator_service.engines.neural.settings import EXTRA, has_runtime
from generator_service.settings import Settings
from whitebg_process.regular_files import is_file

INTERRUPTED = 130
_MIB = 1024**2
_REDRAW_SECONDS = 0.2


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run one of the actions; return the exit status."""
    folder = ModelFolder(settings.models_folder.absolute())
    try:
        match arguments.action:
            case "list":
                return show(folder, settings, as_json=arguments.json)
            case "install":
                return add(
                    folder,
                    settings,
                    usable_model(arguments.name),
                    arguments.source,
                    allow_unverified=arguments.allow_unverified,
                )
            case _:
                return remove(folder, usable_model(arguments.name))
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again to continue\n")
        return INTERRUPTED
    except (DataDirError, DownloadFailed, InstallBusy, ModelUnusable) as error:
        sys.stderr.write(f"{error}\n")
    except OSError as error:
        sys.stderr.write(f"{folder.path} can't be used: {error.strerror or error}\n")
    return 1


def show(folder: ModelFolder, settings: Settings, *, as_json: bool) -> int:
    """Print all networks, the preferred one first."""
    used = in_use(folder, settings)
    for model in USABLE.values():
        row = describe(model, folder) | {"in_use": model is used}
        if as_json:
            sys.stdout.write(json.dumps(row) + "\n")
            continue
        state = "in use" if model is used else "installed" if row["installed"] else "-"
        size = f"{(model.size_bytes or 0) / 1e6:,.0f} MB"
        sys.stdout.write(f"{model.name:<22} {state:<10} {size:>8}  {model.licence:<11} {model.adds}\n")
    if not as_json:
        if not has_runtime():
            sys.stdout.write(f"\nThe neural engine needs ONNX Runtime: {EXTRA}\n")
        if not folder.installed():
            sys.stdout.write("\nNone is installed. To add one: whitebg models install isnet-general-use\n")
    return 0


def describe(model: Model, folder: ModelFolder) -> dict[str, object]:
    """Return the description of a model for machine-readable output."""
    return {
        "name": model.name,
        "installed": is_file(folder.file(model)),
        "licence": model.licence,
        "source": model.source,
        "size_bytes": model.size_bytes,
        "memory_mib": model.memory_mib,
        "sha256": model.sha256,
        "adds": model.adds,
    }


def in_use(folder: ModelFolder, settings: Settings) -> Model | None:
    """Return the model that a service with these settings uses."""
    if settings.network is not None:
        return USABLE.get(settings.network)
    installed: Sequence[Model] = folder.installed()
    return installed[0] if installed and has_runtime() else None


def add(folder: ModelFolder, settings: Settings, model: Model, source: str | None, *, allow_unverified: bool) -> int:
    """Install a model and print the remaining steps."""
    make_data_dir(settings.data_dir)
    where = Source.of(model, source, settings.models_mirror)
    sys.stdout.write(f"{model.name} ({model.licence}, {model.source})\nfrom {where}\n")
    verified = install(model, folder, where, _progress(), allow_unverified=allow_unverified)
    sys.stdout.write(f"installed as {folder.file(model)}, {'checksum verified' if verified else 'checksum unknown'}\n")
    if not verified:
        sys.stdout.write("set WHITEBG_NEURAL_ALLOW_UNVERIFIED=true to use it; its results carry a warning\n")
    if not has_runtime():
        sys.stdout.write(f"ONNX Runtime is missing: {EXTRA}\n")
    sys.stdout.write(
        f"restart whitebg to use it: {model.adds}; it takes {model.memory_mib:,} MiB of memory per process\n"
    )
    return 0


def remove(folder: ModelFolder, model: Model) -> int:
    """Delete a model."""
    freed = folder.remove(model)
    if not freed:
        sys.stderr.write(f"{model.name} is not installed; see: whitebg models list\n")
        return 1
    sys.stdout.write(f"removed {model.name}, {freed / _MIB:,.0f} MiB\n")
    return 0


def _progress() -> Progress:
    """Return a progress line that is redrawn on a terminal, and printed at each tenth elsewhere."""
    terminal = sys.stdout.isatty()
    drawn_at, tenth = 0.0, -1

    def show_progress(there: int, total: int | None) -> None:
        nonlocal drawn_at, tenth
        complete = there == total
        share = f"{there / total:4.0%} of {total / _MIB:,.0f} MiB" if total else f"{there / _MIB:,.0f} MiB"
        now = time.monotonic()
        if terminal and (complete or now - drawn_at >= _REDRAW_SECONDS):
            drawn_at = now
            sys.stdout.write(f"\r{share}{'' if not complete else chr(10)}")
            sys.stdout.flush()
        elif not terminal and total and there * 10 // total > tenth:
            tenth = there * 10 // total
            sys.stdout.write(f"{share}\n")
            sys.stdout.flush()

    return show_progress
