"""Figures of the acceptance test: collected by its tests, and printed as the very last line."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

FIGURES = pytest.StashKey[dict[str, Any]]()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the dictionary for measured figures."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the figures after everything else."""
    if found := config.stash.get(FIGURES, None):
        sys.stdout.write(json.dumps(found) + "\n")
