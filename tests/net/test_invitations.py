"""XEP-0401, 0379 and 0445 over sockets, with a server that takes guests only, and slixmpp for one of its users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import slixmpp

from tests.app.live_server import door, running, settings
from tests.peers import DOMAIN, PASSWORD, ServerProcess, trusting
from tests.raw import RawClient, abort_all
from xmpp_server.app.settings import Auth
from xmpp_server.modules.invitations import Invitations, Purpose

GUESTS = Auth(registration="invite")
ROSTER = "{jabber:iq:roster}"
FEATURES = ["{urn:xmpp:ibr-token:0}register", "{http://jabber.org/features/iq-register}register"]


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()


def preauth(token: str) -> str:
    return f"<iq type='set' id='pa' to='{DOMAIN}'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>"


def account(name: str) -> str:
    fields = f"<username>{name}</username><password>{PASSWORD}</password>"
    return f"<iq type='set' id='reg' to='{DOMAIN}'><query xmlns='jabber:iq:register'>{fields}</query></iq>"


def outcome(answer: ET.Element) -> str:
    """Return "result", or the condition of an error."""
    if answer.get("type") == "result":
        return "result"
    return next(child.tag.partition("}")[2] for child in answer.iter() if "stanzas" in child.tag)


def token_of(uri: str) -> str:
    return uri.strip().partition("preauth=")[2].partition(";")[0]


async def stranger(server_door: tuple[str, int]) -> RawClient:
    client = await RawClient.connect(server_door, tls=True)
    features = await client.open()
    assert [child.tag for child in features if child.tag in FEATURES] == FEATURES
    return client


class Romeo(slixmpp.ClientXMPP):
    """A user whose client is slixmpp."""

    def __init__(self, port: int) -> None:
        super().__init__(f"romeo@{DOMAIN}/orchard", PASSWORD)
        for plugin in ("xep_0004", "xep_0030", "xep_0050"):
            self.register_plugin(plugin)
        self.here = asyncio.Event()
        self.pushes: asyncio.Queue[slixmpp.Iq] = asyncio.Queue()
        self.ssl_context = trusting()
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("roster_update", self.pushes.put_nowait)
        self.enable_direct_tls = True
        self.enable_starttls = False
        self.connect("127.0.0.1", port)

    def get_ssl_context(self) -> object:
        return self.ssl_context

    async def _started(self, _: object) -> None:
        await self.get_roster()
        self.send_presence()
        self.here.set()

    async def invite(self) -> dict[str, str]:
        """Ask the server for a link (XEP-0401 §5.1)."""
        iq = await self.plugin["xep_0050"].send_command(DOMAIN, "urn:xmpp:invite#invite")
        return {field["var"]: field["value"] for field in iq["command"]["form"].get_fields().values()}


async def test_a_user_invites_a_stranger_who_is_their_contact_then(tmp_path: Path) -> None:
    async with running(settings(tmp_path, auth=GUESTS), "romeo") as server:
        romeo = Romeo(door(server, "c2s_tls")[1])
        async with asyncio.timeout(20):
            await romeo.here.wait()
            shown = await romeo.invite()
        assert shown["uri"].startswith(f"xmpp:romeo@{DOMAIN}?roster;preauth=")
        assert shown["uri"].endswith(";ibr=y")
        while not romeo.pushes.empty():
            romeo.pushes.get_nowait()
        guest = await stranger(door(server, "c2s_tls"))
        guest.send(account("juliet"))
        assert outcome(await guest.read()) == "forbidden"
        guest.send(preauth(token_of(shown["uri"])))
        assert outcome(await guest.read()) == "result"
        guest.send("<iq type='get' id='form'><query xmlns='jabber:iq:register'/></iq>")
        assert {child.tag.partition("}")[2] for child in (await guest.read())[0]} >= {"username", "password"}
        guest.send(account("juliet"))
        assert outcome(await guest.read()) == "result"
        guest.abort()
        async with asyncio.timeout(10):
            push = await romeo.pushes.get()
        assert push["roster"]["items"][slixmpp.JID(f"juliet@{DOMAIN}")]["subscription"] == "both"
        juliet = await RawClient.login(door(server, "c2s_tls"), "juliet")
        roster = await juliet.iq("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        (item,) = roster.iter(ROSTER + "item")
        assert (item.get("jid"), item.get("subscription")) == (f"romeo@{DOMAIN}", "both")
        juliet.send("<presence/>")
        presence = await juliet.until(lambda element: (element.get("from") or "").startswith("romeo@"))
        assert presence.get("type") is None
        await romeo.disconnect()


async def test_somebody_with_an_account_uses_the_link_as_well(tmp_path: Path) -> None:
    async with running(settings(tmp_path, auth=GUESTS), "romeo", "juliet") as server:
        romeo = Romeo(door(server, "c2s_tls")[1])
        async with asyncio.timeout(20):
            await romeo.here.wait()
            token = token_of((await romeo.invite())["uri"])
        juliet = await RawClient.login(door(server, "c2s_tls"), "juliet")
        await juliet.iq("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        juliet.send("<presence/>")
        to = f"romeo@{DOMAIN}"
        juliet.send(
            f"<presence type='subscribe' to='{to}'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
        )
        juliet.send(f"<presence type='subscribed' to='{to}'/>")
        await juliet.until(lambda element: element.get("type") == "subscribed" and element.get("from") == to)
        async with asyncio.timeout(10):
            subscription = ""
            while subscription != "both":
                push = await romeo.pushes.get()
                item = push["roster"]["items"].get(slixmpp.JID(f"juliet@{DOMAIN}"))
                subscription = "" if item is None else item["subscription"]
        await romeo.disconnect()


async def test_many_at_once_with_one_token(tmp_path: Path) -> None:
    async with running(settings(tmp_path, auth=GUESTS)) as server:
        host = server.hosts[DOMAIN]
        made = await host.module(Invitations).invite(Purpose.ACCOUNT, None)
        guests = [await stranger(door(server, "c2s_tls")) for _ in range(8)]
        for number, one in enumerate(guests):
            one.send(preauth(token_of(made.uri)) + account(f"guest{number}"))
        outcomes = []
        for one in guests:
            assert outcome(await one.read()) == "result"
            outcomes.append(outcome(await one.read()))
        assert sorted(outcomes) == ["item-not-found"] * 7 + ["result"]
        assert await server.storage.accounts.count(DOMAIN) == 1


async def test_the_operator_invites_and_it_survives_the_server(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, config='[auth]\nregistration = "invite"\n')
    uri = server.run("user", "invite", f"juliet@{DOMAIN}")  # on a stopped server
    assert uri.startswith(f"xmpp:juliet@{DOMAIN}?register;preauth=")
    try:
        server.start()
        other = server.run("user", "invite", DOMAIN, "--days", "1")
        assert other.startswith(f"xmpp:{DOMAIN}?register;preauth=")
        rows = [row.split("\t") for row in server.run("user", "invitations").splitlines()]
        assert sorted(row[3] for row in rows) == ["", "juliet"]
        (revoked,) = [row[0] for row in rows if row[3] == ""]
        server.run("user", "revoke", revoked[:8])
        server.kill()  # at once, as a crash
        server.start()
        guest = await stranger(server.c2s_tls)
        guest.send(preauth(token_of(other)))
        assert outcome(await guest.read()) == "item-not-found"
        guest.send(preauth(token_of(uri)))
        assert outcome(await guest.read()) == "result"
        guest.send(account("nurse"))
        assert outcome(await guest.read()) == "not-acceptable"
        guest.send(account("juliet"))
        assert outcome(await guest.read()) == "result"
        await guest.close()
        await (await RawClient.login(server.c2s_tls, "juliet")).close()
        assert server.run("user", "invitations") == ""
        assert server.failures() == []
    finally:
        server.kill()
