"""Fixtures for tests of all kinds. A parallel run has several workers, each with all of these."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import PostgresServer, postgres_server
from tests.support.s3 import S3Server, s3_server

# Containers often forbid it, and then each of the hundreds of processes of a run compiles the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

MOST_WORKERS = 8
"""Each has its own servers, and takes about 1 GiB with them."""

# The duration of an example depends more on the machine's load than on the code.
settings.register_profile("whitebg", deadline=None)
settings.load_profile("whitebg")


def pytest_configure() -> None:
    """Make Ctrl-C reach the programs under test.

    A shell starts background jobs with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of ``-n auto``: one more than there are cores, as tests wait much of their time."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one server for all tests of this worker that do not stop it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Run one server for all tests of this worker that do not stop it."""
    with s3_server() as server:
        yield server
