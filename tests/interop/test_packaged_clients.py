"""Clients as Debian packages them, driven for real: each chats both ways with a slixmpp user."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.interop.conftest import NewSlix
from tests.interop.terminal import terminal
from tests.peers import PASSWORD, ServerProcess, environment, need

Users = tuple[str, str]


async def test_profanity(server: ServerProcess, slix: NewSlix, users: Users, tmp_path: Path) -> None:
    profanity = need("profanity", "profanity")
    romeo = await slix(users[0])
    juliet, to_romeo = f"{users[1]}@localhost", f"{users[0]}@localhost"
    host, port = server.c2s
    async with terminal(environment(tmp_path), profanity) as window:
        await window.shows("Profanity")
        window.type(f"/connect {juliet} server {host} port {port} tls trust")
        await window.shows("Enter password")
        window.type(PASSWORD)
        await window.shows("logged in successfully")
        window.type(f"/msg {to_romeo} from profanity: <&> ok")
        heard = await romeo.hears_text("from profanity: <&> ok")
        assert heard.sender.startswith(juliet + "/")
        romeo.say(juliet, "from slixmpp: <&> \u2665")
        await window.shows("from slixmpp: <&> \u2665")
        window.type(f"/roster add {to_romeo}")
        window.type(f"/sub request {to_romeo}")
        await romeo.hears_presence("subscribe", juliet)
        romeo.send_presence(pto=juliet, ptype="subscribed")
        window.type("/win 1")
        await window.shows("subscription")
        window.type("/quit")


async def test_mcabber(server: ServerProcess, slix: NewSlix, users: Users, tmp_path: Path) -> None:
    mcabber = need("mcabber", "mcabber")
    romeo = await slix(users[0])
    juliet, to_romeo = f"{users[1]}@localhost", f"{users[0]}@localhost"
    host, port = server.c2s
    settings = {"jid": juliet, "password": PASSWORD, "server": host, "port": port, "tls": 1, "ssl_ignore_checks": 1}
    file = tmp_path / "mcabberrc"
    file.write_text("".join(f"set {name} = {value}\n" for name, value in settings.items()))
    file.chmod(0o600)
    async with terminal(environment(tmp_path), mcabber, "-f", str(file)) as window:
        await window.shows("Your status has been set")
        window.type(f"/say_to {to_romeo} from mcabber: <&> ok")
        heard = await romeo.hears_text("from mcabber: <&> ok")
        assert heard.sender.startswith(juliet + "/")
        romeo.say(juliet, "from slixmpp: <&> ok")
        window.type(f"/roster search {users[0]}")
        window.type("")  # opens the chat
        await window.shows("from slixmpp: <&> ok")
        window.type("/quit")


async def test_go_sendxmpp(server: ServerProcess, slix: NewSlix, users: Users, tmp_path: Path) -> None:
    program = need("go-sendxmpp", "go-sendxmpp")
    romeo = await slix(users[0])
    juliet, to_romeo = f"{users[1]}@localhost", f"{users[0]}@localhost"
    account = ["-u", juliet, "-p", PASSWORD, "-j", "{}:{}".format(*server.c2s), "-n"]
    env = environment(tmp_path)
    sender = await asyncio.create_subprocess_exec(program, *account, to_romeo, env=env, stdin=subprocess.PIPE)
    await asyncio.wait_for(sender.communicate(b"from go-sendxmpp: <&> ok\n"), 20)
    assert sender.returncode == 0
    heard = await romeo.hears_text("from go-sendxmpp: <&> ok")
    assert heard.sender.startswith(juliet + "/")
    listener = await asyncio.create_subprocess_exec(program, *account, "--listen", env=env, stdout=subprocess.PIPE)
    assert listener.stdout is not None
    try:
        romeo.say(juliet, "from slixmpp: <&> ok")
        line = await asyncio.wait_for(listener.stdout.readline(), 20)
        assert b"from slixmpp: <&> ok" in line
        assert to_romeo.encode() in line
    finally:
        listener.kill()
        await listener.wait()
