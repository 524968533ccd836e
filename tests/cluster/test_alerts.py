"""Alerts on the real processes: each fires while a process is down, and clears after it is back.

The rules are those of deployments, with shorter times. Alerts that take much traffic, wrong certificates or long waits
to provoke are evaluated in `tests/unit/deploy/test_alerts.py` only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import yaml

from tools.cluster.prometheus import RULES, Prometheus
from tools.cluster.topology import Size, Topology, topology

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

FAULTS = {
    "redis": {"WhitebgRedisAway"},
    "postgres": {"WhitebgNotReady", "WhitebgWritesRejected"},
    "service-1": {"WhitebgServiceAway"},
}
"""The process to take down, and the alerts that must fire meanwhile."""
PATIENCE = 180.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Topology]:
    with topology(size=Size(services=1, workers=1, gateways=1)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def prometheus(cluster: Topology, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("alerts")
    rules = folder / "alerts.yaml"
    rules.write_text(yaml.safe_dump(shortened(yaml.safe_load(RULES.read_text()))))
    with closing(Prometheus(folder / "prometheus", cluster.metrics, rules=rules, every="1s")) as prometheus:
        yield prometheus


def shortened(rules: dict[str, list[dict[str, list[dict[str, str]]]]]) -> dict[str, object]:
    """Return the rules with two seconds in place of each ``for``."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
    return dict(rules)


def wait_for(prometheus: Prometheus, alerts: set[str], *, firing: bool) -> None:
    """Wait until all of these alerts fire, or none does."""
    deadline = time.monotonic() + PATIENCE
    while (found := prometheus.firing() & alerts) != (alerts if firing else set()):
        assert time.monotonic() < deadline, f"{found} of {alerts} fire"
        time.sleep(0.2)  # Prometheus has no signal for an alert that fires.


def test_only_existing_alerts_are_expected() -> None:
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert set.union(*FAULTS.values()) <= names


@pytest.mark.parametrize("name", FAULTS)
def test_alerts_fire_while_a_process_is_down_and_clear_after_it_is_back(
    cluster: Topology, prometheus: Prometheus, name: str
) -> None:
    wait_for(prometheus, FAULTS[name], firing=False)
    cluster.take_down(name)
    try:
        wait_for(prometheus, FAULTS[name], firing=True)
    finally:
        cluster.bring_back(name)
    wait_for(prometheus, FAULTS[name], firing=False)
