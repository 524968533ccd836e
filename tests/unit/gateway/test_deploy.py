"""The dashboard and alerts use only metrics that the programs really export."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry, Metric

from generator_service.domain.clock import SystemClock
from generator_service.notifier.local import LocalNotifier
from generator_service.ops import metrics as service
from generator_service.ops.metrics_server import StateCollector
from generator_service.store.contract import TaskStore
from generator_service.store.views import QueueCounts
from generator_service.watch.feed import Feeds
from generator_service.watch.queue_positions import QueueView
from generator_service.watch.ring import EventRing
from generator_service.watch.tail import LogTail
from generator_service.watch.watchers import Watchers
from ws_gateway.telemetry import metrics as gateway

ROOT = Path(__file__).parents[3]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/whitebg.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text()
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# The labels of an aggregation are in parentheses after "by", those of a selector in braces.
METRIC = re.compile(r"\b(?:whitebg|process)_[a-z_]+\b")
LABELS = re.compile(r"(\b(?:whitebg|process)_[a-z_]+)\{([^}]*)\}")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def samples(metric: Metric, labels: set[str]) -> dict[str, set[str]]:
    """Return the names of a metric's samples in Prometheus, with their labels."""
    return {
        metric.name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in SUFFIXES[metric.type]
    }


def exposed(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Return every sample that a registry can have."""
    names: dict[str, set[str]] = {}
    for collector in registry._collector_to_names:
        for metric in getattr(collector, "describe", collector.collect)():
            names |= samples(metric, set(getattr(collector, "_labelnames", ())))
    return names


def collected() -> dict[str, set[str]]:
    """Return every sample that the service collects at scrape time."""

    class EmptyStore:
        async def counts(self) -> QueueCounts:
            return QueueCounts(by_state={})

    async def collect() -> list[Metric]:
        store, ring, watchers = cast("TaskStore", EmptyStore()), EventRing(1), Watchers(1)
        loop = asyncio.get_running_loop()

        async def reset() -> None:
            ring.clear()

        tail = LogTail(store, LocalNotifier(loop), listeners=[], on_gap=reset)
        feeds = Feeds(store, tail, ring, watchers, present=lambda task: task)
        clock = SystemClock()
        view = QueueView(clock, 1, running_per_user=1, queue_time=clock.now)
        collector = StateCollector(feeds, view, loop)
        return await asyncio.to_thread(lambda: list(collector.collect()))

    names: dict[str, set[str]] = {}
    for metric in asyncio.run(collect()):
        names |= samples(metric, {label for sample in metric.samples for label in sample.labels})
    return names


KNOWN = exposed(gateway.Metrics().registry) | exposed(service.Metrics().registry) | collected()


def expressions() -> list[Any]:
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    found += [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
    found += [("docs", text) for text in re.findall(r"`([^`]*whitebg_[^`]*)`", OPERATIONS + RUNBOOKS)]
    return [pytest.param(text, id=f"{name}-{number}") for number, (name, text) in enumerate(found)]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_exists(expression: str) -> None:
    for name in METRIC.findall(expression):
        assert name in KNOWN, f"no program exports {name}"
    for name, selector in LABELS.findall(expression):
        asked = set(re.findall(r"(\w+)\s*[=!]~?", selector))
        assert asked <= KNOWN[name] | {"instance", "job"}, f"{name} has the labels {KNOWN[name]}"


@pytest.mark.parametrize("name", sorted(name for name in KNOWN if name.startswith("whitebg_")))
def test_every_metric_has_its_place_on_the_dashboard(name: str) -> None:
    family = re.sub(r"_(total|bucket|sum|count)$", "", name)
    assert any(family in target["expr"] for panel in PANELS for target in panel["targets"])


def test_the_three_rollback_criteria_are_the_same_everywhere() -> None:
    alerts = {rule["alert"]: " ".join(rule["expr"].split()) for rule in RULES}
    for alert in ("WhitebgConnectionSuccessLow", "WhitebgUpdatesLate", "WhitebgErrors"):
        expression = alerts[alert].partition(" and ")[0]
        assert expression in OPERATIONS
        shown = re.sub(r" [<>] [0-9.]+$", "", expression)
        assert any(shown == target["expr"] for panel in PANELS for target in panel["targets"])


def test_every_ratio_needs_a_minimum_of_traffic() -> None:
    ratios = {rule["alert"]: rule["expr"] for rule in RULES if re.search(r"\)\s*/\s*sum|quantile", rule["expr"])}
    assert len(ratios) == 5
    for alert, expression in ratios.items():
        least = r"and sum\(increase\(\w+(\{.*\})?\[\w+\]\)\)( by \(\w+\))? > \d+"
        assert re.search(least, expression), alert


def test_every_alert_leads_to_its_section_and_every_section_has_its_alert() -> None:
    sections = re.findall(r"^## (.+)\n\n(.+)", RUNBOOKS, re.MULTILINE)
    assert [title for title, _ in sections if title.startswith("Whitebg")] == [rule["alert"] for rule in RULES]
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    for rule in RULES:
        page = f"{repository}/blob/main/docs/runbooks.md"
        assert rule["annotations"]["runbook_url"] == f"{page}#{rule['alert'].lower()}"


@pytest.mark.parametrize("document", ["runbooks.md", "operations.md", "cluster.md", "deploy.md"])
def test_every_link_between_documents_names_a_section_that_is_there(document: str) -> None:
    text = (ROOT / "docs" / document).read_text()
    for page, anchor in re.findall(r"\]\((\w+\.md)?#([\w-]+)\)", text):
        titles = re.findall(r"^#+ (.+)$", (ROOT / "docs" / (page or document)).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in anchors, f"{page or document} has no section #{anchor}"


def test_no_two_panels_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
