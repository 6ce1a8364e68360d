"""CPU time and memory of process trees, from /proc (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """KiB of all processes: resident, and resident with shared pages counted by share."""

    rss_kib: int
    pss_kib: int


def process_tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat:
                parents.setdefault(int(stat[1]), []).append(int(entry))
    tree = [root]
    for pid in tree:
        tree.extend(parents.get(pid, ()))
    return tree


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of processes and of the children that they have waited for."""
    total = 0
    for pid in pids:
        stat = _stat(pid)
        if stat:
            total += sum(int(value) for value in stat[11:15])
    return total * _TICK_S


def memory(pids: Iterable[int]) -> Memory:
    """Read the memory of processes."""
    rss = pss = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif line.startswith("Pss:"):
                pss += int(line.split()[1])
    return Memory(rss, pss)


def machine_busy_s() -> float:
    """CPU time that all the machine's processes used since boot, with what the hypervisor took."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) * _TICK_S


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on, [] if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
