"""The real service and gateway survive generated requests and every stored case that once found a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.fuzz.cases import Case, from_json, read_corpus
from tools.fuzz.run import Findings, fuzz_servers, try_case
from tools.fuzz.senders import faults_of
from tools.fuzz.servers import Servers, running_servers

CORPUS = dict(read_corpus(Path(__file__).with_name("corpus.jsonl")))
COUNTS = {"grpc": 250, "http": 250, "websocket": 60}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("fuzz") / "data") as servers:
        yield servers


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_a_case_that_found_a_fault_finds_none(servers: Servers, name: str) -> None:
    findings = Findings()
    try_case(servers, CORPUS[name], findings)
    assert not findings.faults
    assert servers.known.task_ids


@pytest.mark.parametrize("target", sorted(COUNTS))
def test_generated_requests_find_no_fault(servers: Servers, target: str) -> None:
    findings = fuzz_servers(servers, target, count=COUNTS[target], number=0)
    assert not findings.faults
    # Otherwise every request was rejected for the same reason.
    assert len(findings.statuses) > 3


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS)
def test_stored_cases_are_read_back_unchanged(case: Case) -> None:
    assert from_json(case.to_json()) == case


@pytest.mark.parametrize("status", ["INTERNAL", "UNKNOWN", "500", "503", "close 1011", "close 1006"])
def test_internal_errors_are_faults(status: str) -> None:
    assert faults_of(status, b"", secret=b"s", may_see_all=True)


def test_data_of_another_user_is_a_fault() -> None:
    assert faults_of("200", b"a secret b", secret=b"secret", may_see_all=False) == ["another user's data"]
    assert not faults_of("200", b"a secret b", secret=b"secret", may_see_all=True)
    assert not faults_of("404", b"", secret=b"secret", may_see_all=False)
