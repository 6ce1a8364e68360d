"""Supervised components: real child processes, whose lines come into our log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from tests.world import World
from xmpp_server.app import child
from xmpp_server.app.settings import Component, Config
from xmpp_server.app.supervisor import Patience, Supervisor
from xmpp_server.core.component import Component as Route

DOMAIN = "files.localhost"
QUICK = Patience(first_s=0.02, longest_s=0.05, proven_s=60, stop_s=0.3)

Run = Callable[..., contextlib.AbstractAsyncContextManager["Watched"]]


class Watched:
    """A supervisor with one child, and what is logged."""

    def __init__(self, supervisor: Supervisor, route: Route, logged: list[structlog.typing.EventDict]) -> None:
        self.supervisor = supervisor
        self.route = route
        self.logged = logged

    @property
    def row(self) -> dict[str, object]:
        return self.supervisor.row(DOMAIN)

    @property
    def lines(self) -> list[object]:
        return [event["line"] for event in self.logged if event["event"] == "component-log"]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - nobody announces a child's doings
                await asyncio.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    @contextlib.asynccontextmanager
    async def run(
        *command: str, patience: Patience = QUICK, folder: str = "", secret: str = ""
    ) -> AsyncIterator[Watched]:
        world = World("localhost")
        settings = Component(domains=(DOMAIN, "b.localhost"), run=command, folder=folder, secret=secret)
        config = Config(data_dir=str(tmp_path), components=(settings,))
        route = Route(settings.domains, world.router, world.runtime)
        world.router.components.add(route)
        supervisor = Supervisor(config, world.router.components, patience)
        with structlog.testing.capture_logs() as logged:
            supervisor.start(["127.0.0.1:5347"])
            try:
                yield Watched(supervisor, route, logged)
            finally:
                await supervisor.stop()

    return run


async def test_lines_of_both_streams_come_into_our_log(run: Run) -> None:
    async with run("sh", "-c", "echo out; echo err >&2; echo; exec sleep 60") as watched:
        await watched.until(lambda: len(watched.lines) == 2)
        assert set(watched.lines) == {"out", "err"}
        assert watched.row["process"] == "running"
        assert isinstance(watched.row["pid"], int)
        assert watched.route.is_expected
    assert watched.row["process"] == "stopped"
    assert watched.row["pid"] is None


async def test_json_keeps_its_level_and_values(run: Run) -> None:
    line = '{"event": "disk-full", "level": "error", "free": 0}'
    async with run("sh", "-c", f"echo '{line}'; echo '{{broken'; exec sleep 60") as watched:
        await watched.until(lambda: len(watched.lines) == 2)
    first, second = (event for event in watched.logged if event["event"] == "component-log")
    assert (first["line"], first["log_level"], first["values"]) == ("disk-full", "error", {"free": 0})
    assert (second["line"], second["log_level"]) == ("{broken", "info")


async def test_a_line_without_end_is_cut(run: Run) -> None:
    async with run(sys.executable, "-c", "print('x' * 100000); print('end')") as watched:
        await watched.until(lambda: "end" in watched.lines)
        assert "".join(map(str, watched.lines)).count("x") >= 100000
        assert max(len(str(line)) for line in watched.lines) <= 16_384


async def test_who_ends_is_started_again_with_back_off(run: Run) -> None:
    async with run("sh", "-c", "exit 3") as watched:
        await watched.until(lambda: watched.supervisor.children[DOMAIN].starts >= 4)
        assert watched.supervisor.children[DOMAIN].exit_code == 3
    waits = [event["restart_s"] for event in watched.logged if event["event"] == "component-ended"]
    assert waits[:3] == [0.02, 0.04, 0.05]


async def test_who_has_proven_itself_is_started_soon(run: Run) -> None:
    patience = Patience(first_s=0.01, longest_s=60, proven_s=0.0, stop_s=1)
    async with run("true", patience=patience) as watched:
        await watched.until(lambda: watched.supervisor.children[DOMAIN].starts >= 3)
    waits = {event["restart_s"] for event in watched.logged if event["event"] == "component-ended"}
    assert waits == {0.01}


async def test_what_cannot_be_started_is_tried_again(run: Run) -> None:
    async with run("/none/such") as watched:
        await watched.until(lambda: watched.supervisor.children[DOMAIN].starts >= 2)
    assert "/none/such: No such file or directory" in watched.lines
    async with run("true", folder="/none") as watched:
        await watched.until(lambda: watched.supervisor.children[DOMAIN].starts >= 2)
    assert any(event["event"] == "component-not-started" for event in watched.logged)


async def test_who_ignores_sigterm_is_killed_with_its_children(run: Run) -> None:
    async with run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done") as watched:
        await watched.until(lambda: "ready" in watched.lines)
        pid = watched.row["pid"]
        assert isinstance(pid, int)
    assert any(event["event"] == "component-killed" for event in watched.logged)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_last_words_are_logged(run: Run) -> None:
    async with run("sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done") as watched:
        await watched.until(lambda: "ready" in watched.lines)
    assert watched.lines[-1] == "bye"


async def test_the_child_learns_where_the_server_is_but_no_secret(run: Run, tmp_path: Path) -> None:
    show = 'echo "$COMPONENT_SERVER|$COMPONENT_DOMAINS|$COMPONENT_SECRET_FILE"; env | grep -c geheim; exec sleep 60'
    file = tmp_path / f"component-{DOMAIN}.secret"
    for secret in ("", "geheim"):
        async with run("sh", "-c", show, secret=secret) as watched:
            await watched.until(lambda: len(watched.lines) == 2)
        assert watched.lines == [f"127.0.0.1:5347|{DOMAIN} b.localhost|{file}", "0"]


def test_nothing_is_said_of_who_is_not_ours() -> None:
    supervisor = Supervisor(Config(), World("localhost").router.components)
    supervisor.start([])
    assert supervisor.row("irc.localhost") == {"process": "", "pid": None, "restarts": None}


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is told on Linux only")
def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """`kill -9` of the server leaves no component behind that the next server would run into."""
    pid_file = tmp_path / "pid"
    program = ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"]
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, subprocess, sys; script, *program = sys.argv[1:]\n"
            "subprocess.Popen([sys.executable, '-I', '-S', script, str(os.getpid()), *program]).wait()",
            str(child.__file__),
            *program,
        ]
    )
    wait_for(lambda: pid_file.exists() and bool(pid_file.read_text()))
    pid = int(pid_file.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is told on Linux only")
def test_a_child_of_a_dead_parent_does_not_start() -> None:
    done = subprocess.run([sys.executable, child.__file__, "1", "true"], check=False)
    assert done.returncode == 1


def wait_for(condition: Callable[[], bool]) -> None:
    with subprocess.Popen(["sleep", "10"]) as clock:
        try:
            while not condition():
                assert clock.poll() is None, "it does not happen"
        finally:
            clock.kill()
