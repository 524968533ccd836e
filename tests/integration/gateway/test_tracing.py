"""One trace from the browser's request to the service, received by the tests' own collector."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.gateway.world import SECRET, token_for
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import Program, program, service_process


class Collector(ThreadingHTTPServer):
    """Receives OTLP exports over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: Queue[tuple[str, str, bytes, bytes]] = Queue()
        """Process, name, trace id, and the whole exported span."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.server.spans.put((process, span.name, span.trace_id, span.SerializeToString()))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def exporting(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


def base_url(process: Program) -> str:
    return "http" + process.wait_for("listening on").rpartition("http")[2].rstrip('"} ').split('"')[0]


@pytest.mark.usefixtures("exporting")
def test_a_trace_goes_from_the_request_to_the_service(tmp_path: Path, collector: Collector) -> None:
    with (
        service_process(tmp_path, SECRET, worker_slots="0", tracing="true") as service,
        program(
            [sys.executable, "-m", "ws_gateway"],
            http_port="0",
            grpc_target=service.target,
            jwt_secret=SECRET,
            tracing="true",
        ) as process,
    ):
        token = token_for("ann")
        answer = httpx.post(
            f"{base_url(process)}/api/v2/tasks",
            files={"file": ("mug.png", product_photo(64, 48), "image/png")},
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE,
        )
        assert answer.status_code == 202
        found: dict[tuple[str, str], bytes] = {}
        wanted = {
            ("whitebg-gateway", "POST /api/v2/tasks"),
            ("whitebg-service", "/whitebg.v1.GeneratorService/SubmitTask"),
        }
        while not wanted <= set(found):
            name, span, trace_id, whole = collector.spans.get(timeout=PATIENCE)
            found[name, span] = trace_id
            assert token.encode() not in whole
        assert len({found[each] for each in wanted}) == 1, "one trace through both processes"


@pytest.mark.parametrize("argv", [["ws_gateway"], ["generator_service", "serve"]], ids=["gateway", "service"])
def test_without_the_packages_a_person_is_told_what_to_install(argv: list[str], tmp_path: Path) -> None:
    run = f"import runpy, sys; sys.modules['opentelemetry.sdk'] = None; sys.argv = {argv!r}; "
    run += f"runpy.run_module({argv[0]!r}, run_name='__main__')"
    with program(
        [sys.executable, "-c", run], jwt_secret=SECRET, tracing="true", data_dir=str(tmp_path / "data")
    ) as process:
        process.wait_for("pip install 'whitebg[otel]'")
        assert process.wait() == 2
