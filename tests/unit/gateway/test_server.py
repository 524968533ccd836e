"""Resource limits that the gateway's process sets."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from ws_gateway.server import raise_file_limit


@pytest.fixture
def few_files() -> Iterator[int]:
    """Set the usual default limit; yield the hard limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_sockets_as_the_system_allows(few_files: int) -> None:
    raise_file_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == few_files
    assert soft == min(hard, 1024 * 1024)
