"""A server, running or stopped, on free ports with its data in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import trustme
from click.testing import CliRunner, Result

from xmpp_server.app.cli import main

CONFIG = """
domains = ["localhost", "example.org"]
admins = ["admin@localhost"]
[listen]
c2s = ["127.0.0.1:0"]
c2s_tls = []
s2s = []
s2s_tls = []
component = []
http = []
https = []
"""

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config_file: Path) -> Iterator[Run]:
    """Run the program with arguments, as from a pipe."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--config", str(config_file), *arguments], input=stdin)

    yield run
    structlog.reset_defaults()
