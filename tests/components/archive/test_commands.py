"""Export, erase and purge by command, also while the program runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from components.xmpp_archive.main import main
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.sqlite import SqliteDatabase
from components.xmpp_archive.store import Store
from tests.components.archive.conftest import OWNER, entry


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "archive.toml"
    path.write_text("data_dir = '.'\n[server]\nsecret = 'a'\n[keep]\nuser_messages = 600\n")
    asyncio.run(fill(tmp_path))
    return path


async def fill(folder: Path) -> None:
    store = Store(SqliteDatabase(folder / "archive.db"), Prefs("always"))
    await store.open()
    await store.write([entry(number) for number in range(1201)])
    await store.close()


def run(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["--config", str(config), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_export(config: Path) -> None:
    lines = [json.loads(line) for line in run(config, "export", OWNER).splitlines()]
    assert len(lines) == 1201
    assert lines[0]["stamp"] == "2024-01-01T00:00:00.000Z"
    assert "<body>1200</body>" in lines[-1]["stanza"]
    archive = ET.fromstring(run(config, "export", OWNER, "--format", "xml"))
    assert len(archive) == 1201
    assert run(config, "export", "nobody@example.org") == ""


def test_erase_and_purge(config: Path) -> None:
    assert run(config, "purge") == "601 entries deleted\n"
    assert len(run(config, "export", OWNER).splitlines()) == 600
    refused = CliRunner().invoke(main, ["--config", str(config), "erase", OWNER], input="n\n")
    assert refused.exit_code == 1
    run(config, "erase", OWNER, "--yes")
    assert run(config, "export", OWNER) == ""


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--before", "2024-01-01T00:10:00"), 601),
        (("--keep", "5"), 5),
        (("--before", "2024-01-01", "--keep", "1100"), 1100),
    ],
)
def test_trim(config: Path, options: tuple[str, ...], left: int) -> None:
    assert run(config, "trim", OWNER, *options) == f"{1201 - left} entries deleted\n"
    assert len(run(config, "export", OWNER).splitlines()) == left
    assert run(config, "trim", "nobody@example.org", *options) == "0 entries deleted\n"
    assert CliRunner().invoke(main, ["--config", str(config), "trim", OWNER]).exit_code == 2


def test_without_a_file(config: Path) -> None:
    folder = str(config.parent)
    done = CliRunner().invoke(main, ["--data-dir", folder, "export", OWNER])
    assert len(done.output.splitlines()) == 1201
    for wrong in (["--data-dir", folder], ["--data-dir", folder, "--config", str(config), "purge"]):
        assert CliRunner().invoke(main, wrong).exit_code == 2


def test_a_running_program_gets_over_it(tmp_path: Path, config: Path) -> None:
    async def work() -> None:
        store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
        await store.open()
        await store.write([entry(2000)])  # it remembers the owner now
        await asyncio.to_thread(run, config, "erase", OWNER, "--yes")
        try:
            await store.write([entry(2001)])
        except Exception:
            await store.write([entry(2001)])  # as the server does
        assert len((await store.page(OWNER, Query())).rows) == 1
        await store.close()

    asyncio.run(work())


def test_wrong_settings(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--config", str(tmp_path / "missing.toml")])
    assert done.exit_code == 2
    assert "cannot be read" in done.output
