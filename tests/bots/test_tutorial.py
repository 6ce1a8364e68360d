"""docs/writing-a-bot.md, executed: its commands run, its program is tested by its test, its chats are held."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bots.conftest import NewBot, NewPerson
from tests.peers import ROOT
from xmpp_bot.config import load

TEXT = (ROOT / "docs" / "writing-a-bot.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+(?: \w+)?)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of who has followed the tutorial to its end."""
    folder = tmp_path / "tutorial"
    folder.mkdir()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    begin, test = blocks("sh")
    subprocess.run(shlex.split(begin), cwd=folder, check=True, env=environment)
    (folder / "nurse.py").write_text("\n\n".join(blocks("python")))
    (folder / "test_nurse.py").write_text(*blocks("python test"))
    (folder / "nurse.toml").write_text(*blocks("toml"))
    subprocess.run(
        [*shlex.split(test), "-p", "no:cacheprovider"], cwd=folder, check=True, env=environment, stdout=sys.stderr
    )
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--isolated", "--no-cache", folder], check=True)
    subprocess.run([*ruff, "format", "--check", "--isolated", "--no-cache", "--line-length=120", folder], check=True)
    return folder


async def test_the_tutorial(folder: Path, new_bot: NewBot, person: NewPerson, names) -> None:
    assert load(folder / "nurse.toml", {}).prefix_in("ball@conference.example.org") == "."
    bot = await new_bot(next(names), folder / "nurse.py").start()
    client = await person(next(names))
    for chat in blocks("chat"):
        for turn in re.split(r"^you: ", chat, flags=re.MULTILINE)[1:]:
            said, *answer = turn.replace("juliet", client.boundjid.user).splitlines()
            client.say(bot.jid, said)
            await client.hears_text("\n".join(line.removeprefix("nurse:").removeprefix(" ") for line in answer))
            client.forget()


def test_all_kinds_of_blocks_are_executed() -> None:
    assert {name for name, _ in BLOCKS} == {"sh", "python", "python test", "toml", "chat"}
