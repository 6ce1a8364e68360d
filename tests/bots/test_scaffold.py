"""`xmpp-bot new`: what it makes is good as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from xmpp_bot.cli import main
from xmpp_bot.config import load


def test_a_new_bot_passes_its_test_and_the_linter(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["new", "nurse", "--folder", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"nurse.py", "test_nurse.py", "nurse.toml", "nurse.service"}
    assert load(tmp_path / "nurse.toml", {}).jid
    assert (tmp_path / "nurse.toml").stat().st_mode & 0o077 == 0
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path], check=True, cwd=tmp_path)
    subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", tmp_path], check=True)


def test_nothing_is_overwritten_and_names_are_names(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["new", "nurse", "--folder", str(tmp_path)]).exit_code == 0
    assert "exists" in runner.invoke(main, ["new", "nurse", "--folder", str(tmp_path)]).output
    assert "cannot be the name" in runner.invoke(main, ["new", "../x", "--folder", str(tmp_path)]).output


def test_a_file_without_a_bot_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    result = CliRunner().invoke(main, ["run", str(tmp_path / "empty.py")])
    assert result.exit_code == 1
    assert "defines 0 bots" in result.output


def test_a_bot_may_have_modules_beside_it_and_any_name(tmp_path: Path) -> None:
    (tmp_path / "moons_of_bots.py").write_text('MOON = "full"\n')
    (tmp_path / "calendar.py").write_text(
        'from moons_of_bots import MOON\nfrom xmpp_bot import Bot\nbot = Bot(f"{MOON} moon")\n'
    )
    program = "from xmpp_bot.loading import load_bot; import sys, pathlib; "
    program += "print(load_bot(pathlib.Path(sys.argv[1])).name); import calendar; calendar.monthrange(2026, 1)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "calendar.py"], check=True, capture_output=True, text=True
    )
    assert done.stdout == "full moon\n"


def test_the_example_configuration_is_printed() -> None:
    assert 'jid = "' in CliRunner().invoke(main, ["config"]).output
