"""A program that a test starts, stops and kills, and whose log it reads."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

STOP_TIMEOUT_S = 20.0


class LoggedProcess:
    """What the programs under test have in common; those derived from it start one in `_process`."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> list[dict[str, object]]:
        """The lines of the log, of all starts; one that is no JSON is an event, too."""
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        return [json.loads(line) if line.startswith("{") else {"event": line} for line in lines]

    def stop(self) -> int:
        """Ask it to stop in good order; return its exit code, 0 where it does not run."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for it to stop; return its exit code. One that does not stop is killed."""
        assert self._process is not None
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut of the process would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
