"""Sends generated and stored cases to the real servers, and judges every answer, log line and the memory."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, seed
from hypothesis import strategies as st

from tools.fuzz.cases import Case, GrpcCase, HttpCase, generated_only
from tools.fuzz.grpc_calls import Known, grpc_cases
from tools.fuzz.http_requests import http_cases
from tools.fuzz.senders import faults_of
from tools.fuzz.servers import Servers
from tools.fuzz.sockets import socket_cases
from tools.fuzz.tokens import valid_now

OUT = Path("fuzz-out")
CASES: dict[str, Callable[[Known], st.SearchStrategy[Case]]] = {
    "grpc": grpc_cases,
    "http": http_cases,
    "websocket": socket_cases,
}
MEMORY_MIB = 400.0
"""Growth of a process during a run that counts as unbounded; a request may hold some 70 MiB."""
DESCRIPTORS = 200


@dataclass
class Findings:
    """The faults found, each kind once, with the case that preceded it."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    """The first occurrence of each fault, by its stable part."""

    def note(self, fault: str, case: Case | None) -> None:
        """Record a fault once; store its case in `OUT`."""
        kind = f"{_name_of(case)}: {_stable(fault)}"
        if kind in self.faults:
            return
        where = ""
        if case is not None:
            line = json.dumps({"name": kind[:200], "case": case.to_json()})
            OUT.mkdir(exist_ok=True)
            file = OUT / f"case-{hashlib.sha256(kind.encode()).hexdigest()[:12]}.jsonl"
            file.write_text(f"{line}\n")
            where = f" ({file})"
        self.faults[kind] = f"{fault}{where}"
        print(f"{kind}: {self.faults[kind]}", file=sys.stderr, flush=True)


def try_case(servers: Servers, case: Case, findings: Findings) -> None:
    """Send one case; judge the answer and the log lines until then."""
    try:
        answer = servers.senders.send(valid_now(case))
    except TimeoutError as error:
        findings.note(f"hang: {error}", case)
    else:
        findings.statuses[answer.status] += 1
        secret, may_see_all = servers.secret.encode(), _may_see_all(case, servers)
        for fault in faults_of(answer.status, answer.body, secret=secret, may_see_all=may_see_all):
            findings.note(fault, case)
    for fault in servers.new_faults():
        findings.note(fault, case)


def fuzz_servers(servers: Servers, target: str, *, count: int, number: int) -> Findings:
    """Send ``count`` cases of a target, chosen by the seed ``number``; then check that both still serve."""
    findings = Findings()
    before, files, began = servers.memory_mib(), servers.descriptors(), time.monotonic()

    @seed(number)
    @generated_only(count)
    @given(CASES[target](servers.known))
    def attack(case: Case) -> None:
        try_case(servers, case, findings)

    attack()
    servers.require_service()
    for fault in servers.new_faults():
        findings.note(fault, None)
    after = servers.memory_mib()
    for process, mib in after.items():
        if mib - before[process] > MEMORY_MIB:
            findings.note(f"the {process} grew from {before[process]:.0f} to {mib:.0f} MiB", None)
    for process, open_now in servers.descriptors().items():
        if open_now - files[process] > DESCRIPTORS:
            findings.note(f"the {process} has {open_now} files open, {files[process]} before", None)
    took = time.monotonic() - began
    grown = ", ".join(f"{process} {before[process]:.0f} → {mib:.0f} MiB" for process, mib in after.items())
    print(f"{target}, seed {number}: {count} cases, {took:.0f} s, {len(findings.faults)} findings; {grown}", flush=True)
    print("  " + ", ".join(f"{status} {times}" for status, times in findings.statuses.most_common()), flush=True)
    return findings


def _may_see_all(case: Case, servers: Servers) -> bool:
    """Return whether the caller may read the victim's data: with a token of the victim, or of an administrator."""
    sign = servers.known.sign
    tokens = (sign("root", scope="tasks admin service"), sign("root", scope="tasks admin"))
    sent = " ".join(value for _, value in case.metadata) if isinstance(case, GrpcCase) else ""
    text = case.request.decode("latin-1") if isinstance(case, HttpCase) else sent
    return any(each in text for each in tokens)


def _name_of(case: Case | None) -> str:
    if isinstance(case, GrpcCase):
        return case.method.rpartition("/")[2]
    if isinstance(case, HttpCase):
        return case.request[:40].split(b"?")[0].decode("latin-1")
    return "after all cases" if case is None else "websocket"


def _stable(fault: str) -> str:
    """Return the text shared by equal faults: the last error of a traceback, else the text without its numbers."""
    errors = re.findall(r"(\w*(?:Error|Exception|Failure)\w*): ", fault)
    return errors[-1] if errors else re.sub(r"[0-9a-f]{4,}|\d+", "…", fault)[:80]
