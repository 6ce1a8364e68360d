"""Starting and ending `bench.load.stall`, the process that looks for stalls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.accounts import DOMAIN, PASSWORD


class Pinger:
    """Pings one server from its start to `end`."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load.stall", "127.0.0.1", str(port), DOMAIN, "pinger", PASSWORD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            text=True,
        )
        assert self._process.stdout is not None
        self._first = self._process.stdout.readline().strip()

    def end(self) -> float | None:
        """Stop; return the longest wait for a pong in milliseconds, None if there was no session."""
        out, _ = self._process.communicate(timeout=30)
        if self._first != "ready":
            return None
        longest = json.loads(out)["max_ms"]
        return None if longest is None else float(longest)
