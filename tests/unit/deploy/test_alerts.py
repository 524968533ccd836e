"""Prometheus' own evaluation of the alert rules: each fires on its trouble, and on nothing less; each clears."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.patience import PATIENCE

PROMETHEUS = Path(__file__).parents[3] / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yaml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
}


@dataclass(frozen=True)
class Case:
    """The series that an alert reads: an hour of health, an hour of trouble, two hours of health; a sample a minute."""

    healthy: dict[str, str]
    """Values of each series while all is well, as steps per minute (``+3``) or as a level (``0``)."""
    troubled: dict[str, str]
    labels: dict[str, str]
    """Labels of the alert, besides its severity."""
    quiet: dict[str, str] | None = None
    """The same trouble with too little traffic to fire; None where traffic plays no part."""


OPENS, HANDSHAKES = 'whitebg_ws_opens_total{protocol="v2"}', 'whitebg_ws_handshakes_total{outcome="opened"}'
TOO_SLOW = 'whitebg_ws_closes_total{code="4101"}'
FAST, SLOW, ALL = (
    f'whitebg_ws_delivery_seconds_bucket{{kind="terminal",le="{bound}"}}' for bound in ("5.0", "10.0", "+Inf")
)
DELIVERIES = 'whitebg_ws_delivery_seconds_count{kind="terminal"}'
OK_REQUESTS, BAD_REQUESTS = (f'whitebg_http_request_seconds_count{{status="{each}"}}' for each in (200, 503))
DONE, FAILED = (
    f'whitebg_worker_runs_total{{engine="local",outcome="{outcome}"}}' for outcome in ("completed", "failed")
)
RING, DATABASE = (f'whitebg_replays_total{{instance="s:9100",source="{each}"}}' for each in ("memory", "database"))


def level(series: str, good: int, bad: int) -> Case:
    """Return the case of a gauge, whose labels the alert has too."""
    return Case({series: str(good)}, {series: str(bad)}, dict(re.findall(r'(\w+)="([^"]+)"', series)))


CASES = {
    "WhitebgConnectionSuccessLow": Case(
        {OPENS: "+100", HANDSHAKES: "+100"}, {OPENS: "+90", HANDSHAKES: "+100"}, {}, {OPENS: "+0", HANDSHAKES: "+1"}
    ),
    "WhitebgUpdatesLate": Case(
        {FAST: "+100", SLOW: "+100", ALL: "+100", DELIVERIES: "+100"},
        {FAST: "+50", SLOW: "+100", ALL: "+100", DELIVERIES: "+100"},
        {},
        {FAST: "+0", SLOW: "+1", ALL: "+1", DELIVERIES: "+1"},
    ),
    "WhitebgErrors": Case(
        {OK_REQUESTS: "+100", BAD_REQUESTS: "+0"},
        {OK_REQUESTS: "+100", BAD_REQUESTS: "+5"},
        {},
        {OK_REQUESTS: "+1", BAD_REQUESTS: "+1"},
    ),
    "WhitebgTerminalDropped": Case(
        {"whitebg_ws_terminals_dropped_total": "+0"}, {"whitebg_ws_terminals_dropped_total": "+1"}, {}
    ),
    "WhitebgServiceAway": level('whitebg_hub_connected{instance="g:9100"}', 1, 0),
    "WhitebgClientsTooSlow": Case(
        {OPENS: "+10", TOO_SLOW: "+0"}, {OPENS: "+10", TOO_SLOW: "+2"}, {}, {OPENS: "+1", TOO_SLOW: "+1"}
    ),
    "WhitebgRedisAway": level('whitebg_redis_away{instance="g:9100",use="rates"}', 0, 1),
    "WhitebgQueueStuck": level('whitebg_queue_oldest_seconds{instance="s:9100"}', 119, 130),
    "WhitebgQueueStalled": level('whitebg_queue_stalled_seconds{instance="s:9100"}', 59, 90),
    "WhitebgWritesRejected": level('whitebg_writes_rejected{instance="s:9100",target="database"}', 0, 1),
    "WhitebgNotReady": level('whitebg_ready{instance="s:9100"}', 1, 0),
    "WhitebgBreakerOpen": level('whitebg_breaker_open{name="engine:gemini"}', 0, 1),
    # promtool's clock begins in 1970: the certificates end after 100 days and after 10.
    "WhitebgCertificateEnds": level(
        'whitebg_certificate_expiry_timestamp_seconds{instance="s:9100",file="grpc_server_cert"}', 8640000, 864000
    ),
    "WhitebgAttemptsFail": Case(
        {DONE: "+10", FAILED: "+1"}, {DONE: "+10", FAILED: "+5"}, {"engine": "local"}, {DONE: "+0", FAILED: "+0"}
    ),
    "WhitebgReplaysReadTheDatabase": Case(
        {RING: "+600", DATABASE: "+60"},
        {RING: "+60", DATABASE: "+600"},
        {"instance": "s:9100"},
        {RING: "+0", DATABASE: "+10"},
    ),
}


def promtool(*arguments: str | Path) -> str:
    """Run promtool; return its output. It fails the test if promtool does."""
    program = shutil.which("promtool")
    assert program, "promtool is not installed; run: sh tools/setup.sh dev"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def values(*phases: str) -> str:
    """Return the samples of consecutive hours in promtool's notation; a counter continues where it was."""
    total, parts = 0, []
    for phase in phases:
        step = int(phase) if phase.startswith("+") else 0
        parts.append(f"{total if phase.startswith('+') else phase}+{step}x59")
        total += 60 * step
    return " ".join(parts)


def firing(alert: str, case: Case, at: str) -> dict[str, Any]:
    labels = {"severity": RULES[alert]["labels"]["severity"]} | case.labels
    return {"alertname": alert, "eval_time": at, "exp_alerts": [{"exp_labels": labels}]}


def silent(alert: str, at: str) -> dict[str, Any]:
    return {"alertname": alert, "eval_time": at, "exp_alerts": []}


def evaluate(folder: Path, alert: str, phases: list[dict[str, str]], expected: list[dict[str, Any]]) -> None:
    """Let promtool evaluate the rule on hours of series; only whether it fires is compared, not the texts."""
    rule = {key: value for key, value in RULES[alert].items() if key != "annotations"}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))
    series = [{"series": name, "values": values(*(each[name] for each in phases))} for name in phases[0]]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": expected}
    suite = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(suite))
    promtool("test", "rules", folder / "test.yaml")


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("alert", sorted(CASES))
def test_alert_fires_on_its_trouble_and_clears(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    phases = [case.healthy, case.troubled, case.healthy, case.healthy]
    expected = [silent(alert, "59m"), firing(alert, case, "119m"), silent(alert, "239m")]
    evaluate(tmp_path, alert, phases, expected)


@pytest.mark.parametrize("alert", sorted(name for name, case in CASES.items() if case.quiet is not None))
def test_alert_needs_some_traffic(alert: str, tmp_path: Path) -> None:
    quiet = CASES[alert].quiet
    assert quiet is not None
    evaluate(tmp_path, alert, [quiet, quiet], [silent(alert, "59m"), silent(alert, "119m")])


def test_rules_and_scrape_configurations_are_valid(tmp_path: Path) -> None:
    promtool("check", "rules", ALERTS)
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    assert config["rule_files"] == ["/etc/prometheus/alerts.yaml"]
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(config | {"rule_files": [str(ALERTS)]}))
    promtool("check", "config", tmp_path / "compose.yaml")
    cluster: dict[str, Any] = yaml.safe_load((PROMETHEUS / "kubernetes.yaml").read_text())
    (job,) = cluster["scrape_configs"]
    # Distributions build promtool without the discovery of Kubernetes.
    (discovery,) = job.pop("kubernetes_sd_configs")
    assert discovery == {"role": "pod", "namespaces": {"names": ["whitebg"]}}
    (tmp_path / "kubernetes.yaml").write_text(yaml.safe_dump(cluster))
    promtool("check", "config", tmp_path / "kubernetes.yaml")
