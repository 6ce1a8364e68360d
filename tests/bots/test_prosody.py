"""The examples against Prosody: the kit knows no server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from tests.bots.conftest import ACCOUNTS, EXAMPLES, NewBot, NewPerson
from tests.bots.test_examples_live import in_room, open_room, say
from tests.peers import DOMAIN, PASSWORD, need
from tests.ports import free_ports

START_TIMEOUT_S = 20.0


_CONFIG = """\
run_as_root = true
pidfile = "@/pid"
data_path = "@/store"
log = { info = "@/prosody.log" }
interfaces = { "127.0.0.1" }
c2s_ports = { PORT }
c2s_direct_tls_ports = { }
s2s_ports = { }
http_ports = { }
https_ports = { }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "ping"; "smacks"; "mam"; "offline" }
modules_disabled = { "s2s" }
authentication = "internal_plain"
ssl = { key = "@/tls.pem", certificate = "@/tls.pem" }
VirtualHost "DOMAIN"
Component "conference.DOMAIN" "muc"
  modules_enabled = { "muc_mam" }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Prosody, looking like our own server to the fixtures."""
    program = need("prosody", "prosody")
    folder = tmp_path_factory.mktemp("prosody")
    [port] = free_ports(1)
    authority = trustme.CA()
    authority.issue_cert(DOMAIN).private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
    trusted = folder / "trusted"
    trusted.mkdir()
    authority.cert_pem.write_to_path(str(trusted / "ca.pem"))
    accounts = folder / "store" / DOMAIN / "accounts"
    accounts.mkdir(parents=True)
    for number in range(ACCOUNTS):
        (accounts / f"user{number}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};')
    config = folder / "prosody.cfg.lua"
    config.write_text(_CONFIG.replace("@", str(folder)).replace("PORT", str(port)).replace("DOMAIN", DOMAIN))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([program, "--config", str(config), "-F"], stdout=output, stderr=output)
    try:
        await_door(port)
        yield SimpleNamespace(c2s=("127.0.0.1", port), data=trusted)
    finally:
        process.kill()
        process.wait()


def await_door(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("Prosody did not start")


async def test_echo_answers_each_once(new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path) -> None:
    bot = await new_bot(next(names), EXAMPLES / "echo.py").start()
    juliet = await person(next(names))
    sent = [str(number) for number in range(12)]
    for text in sent:
        juliet.say(bot.jid, text)
        if text == "5":
            await juliet.hears_text("5")
            bot.kill()
    await juliet.settle()
    await bot.start()
    juliet.say(bot.jid, "end")
    for text in [*sent, "end"]:
        await juliet.hears_text(text)
    assert sorted(juliet.texts()) == sorted([*sent, "end"])
    assert bot.stop() == 0


async def test_a_game_in_a_room_goes_on_where_it_was(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    bot = await new_bot(next(names), EXAMPLES / "dice.py", in_room(room)).start()
    say(juliet, room, "!quiz")
    await juliet.hears_text("Which port do XMPP clients use by custom?", "groupchat")
    bot.kill()
    say(juliet, room, "5222")
    for number in range(40):  # more than the room's history at joining
        say(juliet, room, f"idle talk {number}")
    await juliet.hears_text("idle talk 39", "groupchat")
    await bot.start()
    await juliet.hears_text("Right, Juliet! That makes 1.", "groupchat")
    say(juliet, room, "!scores")
    await juliet.hears_text("1 Juliet", "groupchat")
    assert bot.count("caught_up") >= 2, "its account's archive, and the room's"
