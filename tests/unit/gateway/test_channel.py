"""The options of the connection to the service."""

from __future__ import annotations

from datetime import timedelta

from ws_gateway.settings import Settings
from ws_gateway.upstream import channel


def test_silent_service_is_noticed_no_later_than_a_call_times_out() -> None:
    options = dict(channel._OPTIONS)
    for timeout in ("grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"):
        noticed = timedelta(milliseconds=int(options["grpc.keepalive_time_ms"]) + int(options[timeout]))
        assert noticed <= Settings.model_fields["call_timeout"].default
    assert int(options["grpc.keepalive_time_ms"]) > 10_000, "services reject more frequent pings"
