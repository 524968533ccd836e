"""What tests of all kinds share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import PostgresServer, postgres_server
from tests.support.s3 import S3Server, s3_server

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("whitebg", deadline=None)
settings.load_profile("whitebg")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test.

    A shell starts what runs in its background with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one server for all tests that do not stop it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Run one server for all tests that do not stop it."""
    with s3_server() as server:
        yield server
