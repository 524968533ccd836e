"""A Prometheus server that scrapes the processes of a topology and evaluates alert rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import yaml

from tests.support.processes import Program, free_port

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"


class Prometheus:
    """A running server; ``targets`` are the metrics ports of processes by name."""

    def __init__(self, folder: Path, targets: Mapping[str, int], *, rules: Path = RULES, every: str = "15s") -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise RuntimeError("prometheus is not installed; run: sh tools/setup.sh dev")
        folder.mkdir()
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(_configuration(targets, rules, every)))
        self.port = free_port()
        storage = f"--storage.tsdb.path={folder / 'data'}"
        listen = f"--web.listen-address=127.0.0.1:{self.port}"
        self.process = Program([program, f"--config.file={config}", storage, listen], {})
        self.process.wait_for("Server is ready to receive web requests")

    @property
    def url(self) -> str:
        """Address of its page."""
        return f"http://127.0.0.1:{self.port}"

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        with urlopen(f"{self.url}/api/v1/alerts", timeout=10) as answer:  # noqa: S310 (our own server)
            alerts = json.load(answer)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def close(self) -> None:
        """End it."""
        self.process.close()


def _configuration(targets: Mapping[str, int], rules: Path, every: str) -> dict[str, object]:
    static = [{"targets": [f"127.0.0.1:{port}"], "labels": {"service": name}} for name, port in targets.items()]
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(rules.resolve())],
        "scrape_configs": [{"job_name": "whitebg", "static_configs": static}],
    }
