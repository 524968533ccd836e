"""Expiry times of certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whitebg_process.certificates import Expiry


class Files:
    """Certificate files whose certificates end at a time that a test sets."""

    def __init__(self, lasts: timedelta) -> None:
        self.ends = datetime.now(UTC) + lasts

    def read(self) -> object:
        return None

    def expiry_times(self) -> dict[str, datetime]:
        return {"grpc_server_cert": self.ends}

    def stamp(self) -> tuple[object, ...]:
        return (self.ends,)


def test_an_expired_certificate_is_logged_by_its_setting(caplog: pytest.LogCaptureFixture) -> None:
    files = Files(timedelta(days=1))
    expiry = Expiry(files)
    assert not caplog.records

    files.ends = datetime.now(UTC) - timedelta(days=1)
    for _ in range(2):
        assert expiry.of("grpc_server_cert") == files.ends.timestamp()

    (record,) = caplog.records
    assert "has expired" in record.message
    assert "WHITEBG_GRPC_SERVER_CERT" in record.message
