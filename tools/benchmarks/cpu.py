"""Processor time and memory of processes, as the kernel counts them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.processes import children

TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    return [pid, *(each for child in children(pid) for each in tree(child))]


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used, also those that have ended."""
    return sum(_own_seconds(each) for each in tree(pid))


def _own_seconds(pid: int) -> float:
    # After the name, which may hold anything: user and system time are fields 14 and 15, of ended children 16 and 17.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * TICK


def resident_kib(pid: int) -> int:
    """Return the memory that a process and its descendants share with no other process, in KiB."""
    return sum(
        int(line.split()[1])
        for each in tree(pid)
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        if line.startswith("Private_")
    )
