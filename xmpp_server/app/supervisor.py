"""The components that the configuration marks `run`: started, watched, restarted with back-off, stopped.

What a child prints, on either stream, becomes lines of our own log. It learns from its environment where the server
is: COMPONENT_SERVER ("host:port" or "unix:PATH"), COMPONENT_DOMAINS (separated by spaces), COMPONENT_SECRET_FILE; and
what it may use: COMPONENT_DATA (a folder of its own, not made yet), COMPONENT_CERTIFICATE and COMPONENT_KEY (of the
domain above its first one).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from xmpp_server.app import child
from xmpp_server.app.bundled import environment
from xmpp_server.app.certificates import files_for
from xmpp_server.app.settings import Component as Settings
from xmpp_server.app.settings import Config
from xmpp_server.core.component import Components

log = structlog.get_logger()

#: A longer line is cut into several.
LINE_BYTES = 16_384
#: Levels of lines that are JSON; everything else is "info".
_LEVELS = {"debug": "debug", "warning": "warning", "error": "error", "critical": "error"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds."""

    #: Before the first restart; each further one waits twice as long.
    first_s: float = 1.0
    longest_s: float = 60.0
    #: Who has run for so long starts with the shortest wait again.
    proven_s: float = 60.0
    #: From SIGTERM to SIGKILL.
    stop_s: float = 5.0


class Child:
    """One supervised program."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], expect: Callable[[], None], patience: Patience
    ) -> None:
        self.name = settings.domains[0]
        self.state = "starting"
        self.starts = 0
        self.exit_code: int | None = None
        self._settings = settings
        self._environ = environ
        #: Says that the component will connect soon.
        self._expect = expect
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None and self.state == "running" else None

    async def keep(self) -> None:
        """Run the program for ever; ends when the task is cancelled, and the program with it."""
        loop = asyncio.get_running_loop()
        wait_s = self._patience.first_s
        try:
            while True:
                began = loop.time()
                try:
                    await self._run()
                except OSError as error:
                    log.error("component-not-started", component=self.name, reason=error.strerror)
                if loop.time() - began >= self._patience.proven_s:
                    wait_s = self._patience.first_s
                self.state = "waiting"
                log.warning("component-ended", component=self.name, exit_code=self.exit_code, restart_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, self._patience.longest_s)
        finally:
            await self._stop()
            self.state = "stopped"

    async def _run(self) -> None:
        """Start the program and wait for its end."""
        self.starts += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", child.__file__, str(os.getpid()), *_command(self._settings.run)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES,
            cwd=self._settings.folder or None,
            env={**os.environ, **self._environ},
            start_new_session=True,  # Ctrl-C is for us; we tell the children
        )
        self._process = process
        self.state = "running"
        self._expect()
        log.info("component-started", component=self.name, pid=process.pid, starts=self.starts)
        assert process.stdout is not None  # noqa: S101 - a pipe
        await self._copy_log(process.stdout)
        self.exit_code = await process.wait()

    async def _copy_log(self, output: asyncio.StreamReader) -> None:
        while line := await _read_line(output):
            text = line.decode(errors="replace").rstrip()
            if text:
                self._log(text)

    def _log(self, text: str) -> None:
        """Write a line of the child's; one of structured JSON keeps its level and its values."""
        values: dict[str, object] = {"line": text}
        method = log.info
        if text.startswith("{"):
            with contextlib.suppress(msgspec.DecodeError):
                read = msgspec.json.decode(text, type=dict[str, object])
                method = getattr(log, _LEVELS.get(str(read.pop("level", "")), "info"))
                values = {"line": str(read.pop("event", "")), "values": read}
        method("component-log", component=self.name, **values)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._patience.stop_s):
                await self._drained(process)
        except TimeoutError:
            log.warning("component-killed", component=self.name, pid=process.pid)
            _signal(process.pid, signal.SIGKILL)
            await self._drained(process)
        self.exit_code = process.returncode

    async def _drained(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end, and log what it says until then."""
        assert process.stdout is not None  # noqa: S101 - a pipe
        copying = asyncio.ensure_future(self._copy_log(process.stdout))
        try:
            await process.wait()
            await asyncio.wait((copying,), timeout=0.2)  # somebody else may have its pipe
        finally:
            copying.cancel()


class Supervisor:
    """All supervised components."""

    def __init__(self, config: Config, components: Components, patience: Patience | None = None) -> None:
        self._config = config
        self._components = components
        self._patience = patience or Patience()
        self._tasks: list[asyncio.Task[None]] = []
        self.children: dict[str, Child] = {}

    def start(self, doors: Sequence[str]) -> None:
        """Start all; `doors` are the addresses that components connect to."""
        for settings in self._config.components:
            component = self._components.find(settings.domains[0])
            if not settings.run or component is None:
                continue
            environ = environment(settings, self._config, doors, files_for(self._config, settings.domains[0]))
            one = Child(settings, environ, component.expect, self._patience)
            self.children[one.name] = one
            self._tasks.append(asyncio.create_task(one.keep(), name=f"component {one.name}"))

    def reload(self) -> None:
        """Let them read their certificates again: SIGHUP, which those that do not know it ignore."""
        for one in self.children.values():
            if one.pid is not None:
                _signal(one.pid, signal.SIGHUP)

    async def stop(self) -> None:
        """Stop all: SIGTERM, and SIGKILL for those that do not end."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("supervisor-failed", exc_info=result)

    def row(self, domain: str) -> dict[str, object]:
        """Tell the command line how a component's program is; nothing where there is none."""
        one = self.children.get(domain)
        if one is None:
            return {"process": "", "pid": None, "restarts": None}
        return {"process": one.state, "pid": one.pid, "restarts": max(0, one.starts - 1)}


async def _read_line(output: asyncio.StreamReader) -> bytes:
    """Return the next line, or a piece of one that is too long; empty at the end."""
    try:
        return await output.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await output.read(max(1, min(error.consumed, LINE_BYTES)))


def _command(run: Sequence[str]) -> list[str]:
    """Find a program beside our own interpreter first: both are installed in one environment."""
    program, *arguments = run
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return [program if os.sep in program else shutil.which(program, path=places) or program, *arguments]


def _signal(pid: int, number: signal.Signals) -> None:
    """Tell a child and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
