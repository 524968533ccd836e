"""`python -m tools.cluster`: run the topology until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import jwt

from tools.cluster.prometheus import Prometheus
from tools.cluster.topology import topology


def main() -> None:
    """Start it, print its addresses, and wait."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(
        "starting PostgreSQL, Redis, SeaweedFS, nginx, 2 services, 3 workers, 2 gateways and Prometheus …", flush=True
    )
    with topology() as cluster, closing(Prometheus(cluster.folder / "prometheus", cluster.metrics)) as prometheus:
        claims = {"sub": "demo", "aud": "whitebg", "scope": "tasks", "exp": datetime.now(UTC) + timedelta(days=1)}
        print(f"web        http://{cluster.http}/docs")
        print(f"WebSocket  ws://{cluster.http}/ws/notifications")
        print(f"gRPC       {cluster.grpc}, certificates in {cluster.certificates}")
        print(f"PostgreSQL {cluster.database_url}")
        print(f"Redis      {cluster.redis.url}")
        print(f"S3         {cluster.images}")
        print(f"Prometheus {prometheus.url}/alerts")
        for name, process in sorted(cluster.processes.items()):
            print(f"{name:<10} pid {process.pid}")
        print(f"token      {jwt.encode(claims, cluster.secret, algorithm='HS256')}")
        print("Ctrl-C stops all.", flush=True)
        stop.wait()
        print("stopping …", flush=True)


if __name__ == "__main__":
    main()
