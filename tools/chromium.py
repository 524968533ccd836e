"""Chromium for tests and tools: that of `make setup`, or another one that is installed."""

from __future__ import annotations

import os
import shutil

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one has no windows, and takes two thirds of the processor time of the others."""

ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
"""Containers have neither the namespaces that the sandbox needs nor a large /dev/shm."""


def find_chromium() -> str:
    """Return the path of a Chromium; the variable ``CHROMIUM`` wins.

    Raises:
        RuntimeError: there is none.

    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError("there is no Chromium here: run `make setup`, or set CHROMIUM to the path of one")
    return found
