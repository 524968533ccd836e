"""Reading a metric of a running process."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import token
from tests.support.http import http_client


async def metric(address: str, name: str, labels: Mapping[str, str] | None = None) -> int:
    """Return a metric of the process at ``address``, without its scheme; 0 if it is not there."""
    async with http_client() as http:
        # A gateway requires an administrator; a service's port for metrics does not.
        headers = {"Authorization": f"Bearer {token('root', scope='admin')}"}
        text = (await http.get(f"http://{address}/metrics", headers=headers, timeout=30)).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return round(sum(each.value for each in samples if each.name == name and each.labels == (labels or {})))
