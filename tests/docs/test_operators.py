"""What operators read names what there is: settings that load, commands, events, metrics."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from components.xmpp_archive.main import main as archive_program
from components.xmpp_files.config import load as load_files
from tests.docs.names import DOCS, ROOT
from xmpp_server.app.config import load
from xmpp_server.app.modules import MODULE_CONFIGS

_TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
_STARTED = {"COMPONENT_SERVER": "127.0.0.1:5347", "COMPONENT_DOMAINS": "upload.example.org proxy.example.org"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, *, of_server: bool) -> list[str]:
    """The settings on a page: those of the server have components, those of a program have not."""
    return [block for block in _TOML.findall(page(name)) if ("[[components]]" in block) == of_server]


@pytest.mark.parametrize("name", ["archive.md", "file-transfer.md"])
def test_the_servers_settings_load(name: str, tmp_path: Path) -> None:
    found = blocks(name, of_server=True)
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(f'domains = ["example.org"]\n{block}')
        assert load(path, MODULE_CONFIGS, {}).components


def test_the_settings_of_file_transfer_load(tmp_path: Path) -> None:
    """Supervised, elsewhere, and with a bucket: each block goes with the first one."""
    for name in ("files.secret", "s3.secret"):
        (tmp_path / name).write_text("geheim\n")
    first, *more = blocks("file-transfer.md", of_server=False)
    for number, block in enumerate(["", *more]):
        path = tmp_path / f"{number}.toml"
        path.write_text(_together(first, block))
        own = _STARTED if "[server]" not in block else {}
        config = load_files(path, {**own, "COMPONENT_SECRET_FILE": str(tmp_path / "files.secret")})
        assert config.upload.domain == "upload.example.org"


def _together(first: str, second: str) -> str:
    """Put the keys of each table of `second` into that table of `first`."""
    for head, body in re.findall(r"^(\[\w+\])\n((?:(?!\[).*\n)*)", second, re.MULTILINE):
        first = first.replace(head, f"{head}\n{body}") if head in first else f"{first}\n{head}\n{body}"
    tomllib.loads(first)
    return first


def test_the_archive_has_the_commands_that_are_told_of() -> None:
    told = re.findall(r"^\| `(\w+)", page("archive.md"), re.MULTILINE)
    assert sorted(told) == sorted(archive_program.commands)


def test_the_disk_has_the_commands_that_are_told_of() -> None:
    told = {node for row in re.findall(r"^\| (`disk/.*?) \|", page("disk.md"), re.MULTILINE) for node in _quoted(row)}
    source = "".join(path.read_text() for path in (ROOT / "components/xmpp_files/network_disk").glob("*.py"))
    assert told == set(re.findall(r'"(disk/[\w-]+)"', source))


@pytest.mark.parametrize("name", ["operator.md", "archive.md", "file-transfer.md"])
def test_metrics_are_in_the_source(name: str) -> None:
    told = re.findall(r"`xmpp_(\w+?)(?:_total)?(?:\{[\w,]+\})?`", page(name))
    assert [metric for metric in told if metric not in _source()] == []


def test_events_are_in_the_source() -> None:
    table = page("operator.md").partition("| Event |")[2].partition("\n## ")[0]
    events = [event for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for event in _quoted(row)]
    assert len(events) > 20
    assert [event for event in events if f'"{event}"' not in _source()] == []


@cache
def _source() -> str:
    return "".join(path.read_text() for top in ("xmpp_server", "components") for path in (ROOT / top).rglob("*.py"))


def _quoted(row: str) -> list[str]:
    return re.findall(r"`([^`]+)`", row)
