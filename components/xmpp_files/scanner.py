"""An optional command that looks at each file before it can be downloaded, such as `clamdscan`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


class Verdict(Enum):
    """What the command says: exit code 0, 1, and anything else."""

    CLEAN = 0
    INFECTED = 1
    UNKNOWN = 2


class Scanner:
    """Runs the command, a few at a time.

    Args:
        command: "{path}" in it stands for the file.
        timeout_s: How long one run may take; after that it is killed, and nothing is known of the file.
        parallel: How many run at one time.

    """

    def __init__(self, command: Sequence[str], timeout_s: float, parallel: int = 2) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(parallel)

    async def verdict(self, path: Path) -> Verdict:
        """Look at a file."""
        if not self._command:
            return Verdict.CLEAN
        async with self._turns:
            return await self._run([word.replace("{path}", str(path)) for word in self._command])

    async def _run(self, words: list[str]) -> Verdict:
        null = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=null, stdout=null, stderr=null)
        except OSError as error:
            log.error("scanner-failed", command=words[0], reason=error.strerror)
            return Verdict.UNKNOWN
        try:
            async with asyncio.timeout(self._timeout_s):
                code = await process.wait()
        except TimeoutError:
            log.error("scanner-failed", command=words[0], reason="timeout")
            return Verdict.UNKNOWN
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code not in (0, 1):
            log.error("scanner-failed", command=words[0], reason=f"exit code {code}")
        return Verdict(code) if code in (0, 1) else Verdict.UNKNOWN
