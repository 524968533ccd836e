"""The gateway's metrics in isolation."""

from __future__ import annotations

import pytest

from ws_gateway.protocol.messages import SyncMode
from ws_gateway.telemetry.metrics import Delivery, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_two_processes_in_one_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.resent()
    assert value(one, "whitebg_ws_resends_total") == 1
    assert value(other, "whitebg_ws_resends_total") == 0


@pytest.mark.parametrize(("code", "label"), [(4101, "4101"), (1006, "1006"), (4999, "other"), (3007, "other")])
def test_a_client_can_not_make_labels(code: int, label: str) -> None:
    metrics = Metrics()
    metrics.closed(code, 12.0)
    assert value(metrics, "whitebg_ws_closes_total", code=label) == 1
    metrics.request(route=None, method="BREW", status=405, duration=0.1)
    assert value(metrics, "whitebg_http_request_seconds_count", route="other", method="other", status="405") == 1


def test_clocks_of_two_machines_never_make_a_negative_latency() -> None:
    metrics = Metrics()
    metrics.delivered(Delivery.TERMINAL, -0.3)
    metrics.hub_received(-1)
    metrics.acked(-1)
    for name, labels in (
        ("whitebg_ws_delivery_seconds_sum", {"kind": "terminal"}),
        ("whitebg_hub_lag_seconds_sum", {}),
        ("whitebg_ws_ack_lag_seconds_sum", {}),
    ):
        assert value(metrics, name, **labels) == 0


def test_open_sockets_are_asked_for_when_scraped() -> None:
    metrics, sockets = Metrics(), ["one"]
    metrics.watch(
        connections=lambda: len(sockets), queue_bytes=lambda: 7, hub_connected=lambda: True, ring_events=lambda: 3
    )
    assert value(metrics, "whitebg_ws_connections_open") == 1
    sockets.append("two")
    assert value(metrics, "whitebg_ws_connections_open") == 2
    assert value(metrics, "whitebg_hub_connected") == 1


def test_a_sync_is_told_by_mode_reason_and_source() -> None:
    metrics = Metrics()
    metrics.synced(SyncMode.REPLAY, None, from_memory=True)
    metrics.synced(SyncMode.SNAPSHOT, "cursor_too_old", from_memory=False)
    assert value(metrics, "whitebg_ws_syncs_total", mode="replay", reason="", source="memory") == 1
    name = "whitebg_ws_syncs_total"
    assert value(metrics, name, mode="snapshot", reason="cursor_too_old", source="service") == 1


def test_terminals_dropped_is_there_from_the_start() -> None:
    assert b"whitebg_ws_terminals_dropped_total 0.0" in Metrics().expose()
