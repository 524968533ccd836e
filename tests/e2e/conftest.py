"""Fixtures for tests of the npm packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.node import Node, find_node

CLIENTS = Path(__file__).parents[2] / "clients"
OLDEST_NODE = 22


@pytest.fixture(scope="module")
def node() -> Node:
    """Node with all dependencies that the clients are built and tested with."""
    node = find_node(OLDEST_NODE)
    node.install(CLIENTS)
    return node
