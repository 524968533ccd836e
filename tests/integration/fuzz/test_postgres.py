"""Generated calls find no fault where the service stores its data in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests.support.postgres import PostgresServer
from tools.fuzz.cases import GrpcCase
from tools.fuzz.run import Findings, fuzz_servers, try_case
from tools.fuzz.servers import running_servers
from tools.fuzz.tokens import sign
from whitebg.v1 import admin_service_pb2

_ROOT = [("authorization", f"Bearer {sign('root', scope='admin')}")]


def test_generated_calls_find_no_fault(postgres: PostgresServer, tmp_path: Path) -> None:
    nul = admin_service_pb2.ReplayDeadLettersRequest(webhook_id="\0").SerializeToString()
    with running_servers(tmp_path / "data", database_url=postgres.url(postgres.create())) as servers:
        stored = Findings()
        try_case(servers, GrpcCase("/whitebg.v1.AdminService/ReplayDeadLetters", nul, _ROOT), stored)
        assert stored.statuses == {"INVALID_ARGUMENT": 1}
        assert not stored.faults
        assert not fuzz_servers(servers, "grpc", count=150, number=1).faults
