"""The figures of the acceptance: gathered by its tests, and printed as the last line of all."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

FIGURES = pytest.StashKey[dict[str, Any]]()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the place for what was measured."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the figures, after everything else."""
    if found := config.stash.get(FIGURES, None):
        sys.stdout.write(json.dumps(found) + "\n")
