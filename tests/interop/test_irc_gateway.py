"""biboumi from Debian, plugged in as anybody's component, takes a user of ours into a channel of a real IRC server."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest
import slixmpp
from slixmpp.exceptions import IqError

from tests.interop.slix import PLUGINS, SlixClient
from tests.peers import Address, ServerProcess, environment, need
from tests.ports import free_ports

TIMEOUT_S = 15.0
SECRET = "geheim"
GATEWAY = "irc.localhost"
IRC = slixmpp.JID(f"127.0.0.1@{GATEWAY}")
CHANNEL = slixmpp.JID(f"#verona%127.0.0.1@{GATEWAY}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    config = f'[[components]]\ndomains = ["{GATEWAY}"]\nsecret = "{SECRET}"\n'
    process = ServerProcess(tmp_path_factory.mktemp("server"), config, component=0)
    with process.serving("romeo", "juliet"):
        yield process


@pytest.fixture(scope="module", autouse=True)
def biboumi(home: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    program = need("biboumi", "biboumi")
    folder = tmp_path_factory.mktemp("biboumi")
    host, port = home.addresses["component"]
    config = folder / "biboumi.cfg"
    config.write_text(
        f"hostname={GATEWAY}\npassword={SECRET}\nxmpp_server_ip={host}\nport={port}\nlog_level=1\n"
        f"db_name={folder}/biboumi.sqlite\n"
    )
    with (folder / "log").open("wb") as log:
        gateway = subprocess.Popen(
            [program, str(config)], stdout=log, stderr=subprocess.STDOUT, env=environment(folder / "home")
        )
    try:
        yield
        gateway.terminate()
        assert gateway.wait(TIMEOUT_S) == 0
    finally:
        gateway.kill()
        gateway.wait()


@pytest.fixture(scope="module")
def ngircd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    program = need("ngircd", "ngircd")
    folder = tmp_path_factory.mktemp("ngircd")
    [port] = free_ports(1)
    config = folder / "ngircd.conf"
    config.write_text(
        "[Global]\nName = verona.example\nInfo = fair Verona\nAdminInfo1 = x\nListen = 127.0.0.1\n"
        f"Ports = {port}\nMotdPhrase = x\n[Limits]\nMaxConnectionsIP = 0\n"
        "[Options]\nDNS = no\nIdent = no\nPAM = no\nChrootDir =\n"
    )
    config.chmod(0o644)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, "--nodaemon", "--config", str(config)], stdout=log, stderr=log)
    try:
        yield "127.0.0.1", port
    finally:
        server.kill()
        server.wait()


@dataclass
class IrcClient:
    """A client of IRC that is hardly one: lines out, lines in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, line: str) -> None:
        self.writer.write(f"{line}\r\n".encode())

    async def hears(self, text: str) -> str:
        """Wait for a line that holds a text."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                line = (await self.reader.readline()).decode()
                assert line, "the connection has ended"
                if line.startswith("PING "):
                    self.send("PONG " + line[5:].strip())
                if text in line:
                    return line


@contextlib.asynccontextmanager
async def on_irc(address: Address, nick: str) -> AsyncIterator[IrcClient]:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection(*address)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
    client = IrcClient(reader, writer)
    client.send(f"NICK {nick}\r\nUSER {nick} 0 * :{nick}")
    try:
        await client.hears(" 001 ")
        yield client
    finally:
        writer.transport.abort()


async def until_there(client: SlixClient) -> slixmpp.Iq:
    """Ask until the component has connected."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                return await client.plugin["xep_0030"].get_info(jid=slixmpp.JID(GATEWAY), timeout=TIMEOUT_S)
            except IqError as error:
                if error.condition not in ("service-unavailable", "remote-server-timeout"):
                    raise
                await asyncio.sleep(0.1)


@pytest.fixture
async def romeo(home: ServerProcess) -> AsyncIterator[SlixClient]:
    client = await SlixClient("romeo", plugins=(*PLUGINS, "xep_0050")).online(home.c2s)
    yield client
    await client.offline()


async def tell_port(client: SlixClient, port: int) -> None:
    """Say by the gateway's ad-hoc command where its IRC server listens, without TLS."""
    iq = client.make_iq_set(ito=IRC)
    iq["command"]["node"] = "configure"
    iq["command"]["action"] = "execute"
    command = (await iq.send(timeout=TIMEOUT_S))["command"]
    form = client.plugin["xep_0004"].make_form(ftype="submit")
    for name, value in (("ports", str(port)), ("tls_ports", "")):
        form.add_field(var=name, value=value)
    iq = client.make_iq_set(ito=IRC)
    iq["command"]["node"] = "configure"
    iq["command"]["sessionid"] = command["sessionid"]
    iq["command"]["action"] = "complete"
    iq["command"].append(form)
    assert (await iq.send(timeout=TIMEOUT_S))["command"]["status"] == "completed"


async def test_disco_and_ping(romeo: SlixClient) -> None:
    info = await until_there(romeo)
    assert "conference" in {identity[0] for identity in info["disco_info"]["identities"]}
    await romeo.plugin["xep_0199"].ping(slixmpp.JID(GATEWAY))


async def test_a_channel_is_a_room(home: ServerProcess, ngircd: Address, romeo: SlixClient) -> None:
    """Words go both ways, a private one too; who leaves on one side has left on the other."""
    await until_there(romeo)
    await tell_port(romeo, ngircd[1])
    async with on_irc(ngircd, "mercutio") as mercutio:
        mercutio.send("JOIN #verona")
        await mercutio.hears("366")

        await romeo.plugin["xep_0045"].join_muc_wait(CHANNEL, "romeo", timeout=TIMEOUT_S)
        assert (await mercutio.hears("JOIN")).startswith(":romeo!")
        await romeo.hears_presence("available", f"{CHANNEL}/mercutio")

        romeo.send_message(CHANNEL, "But soft! \N{BLACK HEART SUIT}", mtype="groupchat")
        line = await mercutio.hears("But soft!")
        assert line.startswith(":romeo!")
        assert "PRIVMSG #verona :But soft! \N{BLACK HEART SUIT}" in line

        mercutio.send('PRIVMSG #verona :<a plague> & o\' "both" your houses')
        heard = await romeo.hears_text('<a plague> & o\' "both" your houses', "groupchat")
        assert heard.sender == f"{CHANNEL}/mercutio"

        romeo.send_message(slixmpp.JID(f"{CHANNEL}/mercutio"), "between us", mtype="chat")
        assert "PRIVMSG mercutio :between us" in await mercutio.hears("between us")

        left = asyncio.Event()
        romeo.add_event_handler(f"muc::{CHANNEL}::got_offline", lambda _: left.set())
        mercutio.send("PART #verona :adieu")
        await asyncio.wait_for(left.wait(), TIMEOUT_S)
        mercutio.send("JOIN #verona")
        await mercutio.hears("366")
        romeo.plugin["xep_0045"].leave_muc(CHANNEL, "romeo")
        assert (await mercutio.hears("PART")).startswith(":romeo!")


async def test_a_server_that_is_not_there_is_told(home: ServerProcess, romeo: SlixClient) -> None:
    await until_there(romeo)
    answer: asyncio.Future[ET.Element] = asyncio.get_running_loop().create_future()

    def take(stanza: slixmpp.Presence) -> None:
        if not answer.done():
            answer.set_result(stanza.xml)

    romeo.add_event_handler("presence_error", take)
    [port] = free_ports(1)
    await tell_port(romeo, port)
    romeo.plugin["xep_0045"].join_muc(CHANNEL, "romeo")
    error = (await asyncio.wait_for(answer, TIMEOUT_S)).find("{jabber:client}error")
    assert error is not None
    assert "refused" in "".join(error.itertext()).lower()
