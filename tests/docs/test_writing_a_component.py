"""docs/writing-a-component.md: the example works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.names import DOCS
from tests.peers import ServerProcess
from tests.raw import CLIENT, logged_in

TEXT = (DOCS / "writing-a-component.md").read_text(encoding="utf-8")
_CONFIG = re.compile(r"```toml\n(.*?)```", re.DOTALL)
_EXAMPLE = re.compile(r"<!-- example: echo -->\n```python\n(.*?)```", re.DOTALL)
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


def found(pattern: re.Pattern[str]) -> str:
    match = pattern.search(TEXT)
    assert match is not None
    return match[1]


def test_it_has_forty_lines() -> None:
    assert len([line for line in found(_EXAMPLE).splitlines() if line.strip()]) <= 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "server", found(_CONFIG), component=0)
    with process.serving("romeo"):
        yield process


@pytest.fixture
def echo(server: ServerProcess, tmp_path: Path) -> Iterator[None]:
    """The example, as its text says to run it."""
    program = tmp_path / "echo.py"
    program.write_text(found(_EXAMPLE))
    host, port = server.addresses["component"]
    command = [sys.executable, str(program), "echo.localhost", "geheim", host, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "connected\n"
            yield
        finally:
            process.kill()


@pytest.mark.usefixtures("echo")
async def test_the_example_echoes(server: ServerProcess) -> None:
    async with logged_in(server.c2s_tls, "romeo") as romeo:
        romeo.send("<message to='wall@echo.localhost' type='chat'><body>who is there?</body></message>")
        answer = await romeo.read()
        assert (answer.get("from"), answer.findtext(f"{CLIENT}body")) == ("wall@echo.localhost", "who is there?")
        info = await romeo.iq(f"<iq to='echo.localhost' type='get' id='2'>{INFO}</iq>")
        assert "Echo" in {one.get("name") for one in info.iter()}
        items = await romeo.iq(f"<iq to='localhost' type='get' id='3'>{INFO.replace('#info', '#items')}</iq>")
        assert "echo.localhost" in {one.get("jid") for one in items.iter()}
