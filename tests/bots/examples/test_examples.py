"""What all examples have: a hundred lines at most, a configuration, a test, and help for each command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.conftest import EXAMPLES
from xmpp_bot import Role
from xmpp_bot.config import load
from xmpp_bot.loading import load_bot


@pytest.fixture(params=sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_it_is_short_and_has_a_test(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 100
    assert Path(__file__).with_name(f"test_{path.stem}.py").exists()


def test_its_configuration_loads(path: Path, tmp_path: Path) -> None:
    config = tmp_path / "bot.toml"
    config.write_text(path.with_suffix(".toml").read_text())
    (tmp_path / "password").write_text("secret\n")
    assert load(config, {}).rooms


def test_each_command_has_help(path: Path) -> None:
    bot = load_bot(path)
    assert all(command.help for command in bot.listed(Role.OWNER))
