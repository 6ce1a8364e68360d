"""Real components: slixmpp's ComponentXMPP with its plugin for privileges."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import slixmpp
from slixmpp.plugins.xep_0356.privilege import XEP_0356

from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import logged_in

TIMEOUT_S = 10.0
SECRET = "geheim"
TIME = "urn:xmpp:time"
CONFIG = f"""
[[components]]
domains = ["echo.localhost"]
secret = "{SECRET}"

[[components]]
domains = ["boss.localhost"]
secret = "{SECRET}"
privileges = ["roster=both", "message=outgoing", "iq:{TIME}=get", "presence=managed_entity"]
delegate = ["urn:example:delegated"]
"""


class SlixComponent(slixmpp.ComponentXMPP):
    """A component that says back what it hears, and keeps the presence that it is told."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain, SECRET)  # type: ignore[no-untyped-call]  # slixmpp has no types there
        for plugin in ("xep_0030", "xep_0092", "xep_0199", "xep_0202", "xep_0297", "xep_0356"):
            self.register_plugin(plugin)
        self.presences: asyncio.Queue[str] = asyncio.Queue()
        self.privileges = asyncio.Event()
        self.add_event_handler("message", self.echo)
        self.add_event_handler("privileges_advertised", lambda _: self.privileges.set())
        for kind in ("available", "unavailable"):
            self.add_event_handler(f"presence_{kind}", lambda one: self.presences.put_nowait(str(one["from"])))

    @property
    def boss(self) -> XEP_0356:
        plugin = self.plugin["xep_0356"]
        assert isinstance(plugin, XEP_0356)
        return plugin

    def echo(self, message: slixmpp.Message) -> None:
        if message["type"] == "chat" and message["body"]:
            message.reply(message["body"]).send()


@contextlib.asynccontextmanager
async def plugged(server: ServerProcess, domain: str) -> AsyncIterator[SlixComponent]:
    component = SlixComponent(domain)
    started: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    component.add_event_handler("session_start", started.set_result, disposable=True)
    component.connect(*server.addresses["component"])
    await asyncio.wait_for(started, TIMEOUT_S)
    try:
        yield component
    finally:
        await component.disconnect(wait=1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("components"), CONFIG, component=0)
    with process.serving("romeo", "juliet", "nurse", "paris"):
        yield process


async def test_messages_and_disco(home: ServerProcess) -> None:
    async with plugged(home, "echo.localhost"):
        romeo = await SlixClient("romeo").online(home.c2s)
        try:
            romeo.send_message(slixmpp.JID("wall@echo.localhost"), "hello", mtype="chat")
            heard = await romeo.hears_text("hello")
            assert heard.sender == "wall@echo.localhost"
            info = await romeo.plugin["xep_0030"].get_info(slixmpp.JID("echo.localhost"), timeout=TIMEOUT_S)
            assert "urn:xmpp:ping" in info["disco_info"]["features"]
            items = await romeo.plugin["xep_0030"].get_items(slixmpp.JID("localhost"), timeout=TIMEOUT_S)
            assert "echo.localhost" in {jid for jid, _, _ in items["disco_items"]["items"]}
        finally:
            await romeo.offline()


async def test_two_connections_share_the_load(home: ServerProcess) -> None:
    async with (
        plugged(home, "echo.localhost"),
        plugged(home, "echo.localhost"),
        logged_in(home.c2s_tls, "romeo") as romeo,
    ):
        for number in range(20):
            romeo.send(f"<message to='w{number}@echo.localhost' type='chat'><body>{number}</body></message>")
        texts = [(await romeo.read())[0].text for _ in range(20)]
        assert texts == [str(number) for number in range(20)]  # one sender's stanzas stay in order


async def test_rosters(home: ServerProcess) -> None:
    async with plugged(home, "boss.localhost") as boss, logged_in(home.c2s_tls, "juliet") as juliet:
        await asyncio.wait_for(boss.privileges.wait(), TIMEOUT_S)
        await juliet.iq("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        await boss.boss.set_roster("juliet@localhost", {"nurse@localhost": {"name": "Nurse"}}, timeout=TIMEOUT_S)
        push = await juliet.until(lambda element: element.get("type") == "set")
        assert push[0][0].get("jid") == "nurse@localhost"
        roster = await boss.boss.get_roster("juliet@localhost", timeout=TIMEOUT_S)
        assert {str(jid) for jid in roster["roster"]["items"]} == {"nurse@localhost"}


async def test_messages_in_the_name_of_an_account(home: ServerProcess) -> None:
    async with plugged(home, "boss.localhost") as boss:
        await asyncio.wait_for(boss.privileges.wait(), TIMEOUT_S)
        nurse = await SlixClient("nurse").online(home.c2s)
        try:
            message = boss.make_message(mto="nurse@localhost", mfrom="juliet@localhost", mtype="chat", mbody="come")
            boss.boss.send_privileged_message(message)
            assert (await nurse.hears_text("come")).sender == "juliet@localhost"
        finally:
            await nurse.offline()


async def test_requests_in_the_name_of_an_account(home: ServerProcess) -> None:
    async with plugged(home, "boss.localhost") as boss:
        await asyncio.wait_for(boss.privileges.wait(), TIMEOUT_S)
        iq = boss.make_iq_get(ito="localhost", ifrom="juliet@localhost")
        iq.enable("entity_time")
        answer = await boss.boss.send_privileged_iq(iq)
        assert answer["type"] == "result"
        assert answer.xml.find(f"{{{TIME}}}time") is not None


async def test_presence_of_accounts(home: ServerProcess) -> None:
    async with plugged(home, "boss.localhost") as boss:
        paris = await SlixClient("paris", "x").online(home.c2s)
        assert await asyncio.wait_for(boss.presences.get(), TIMEOUT_S) == "paris@localhost/x"
        await paris.offline()
        assert await asyncio.wait_for(boss.presences.get(), TIMEOUT_S) == "paris@localhost/x"
