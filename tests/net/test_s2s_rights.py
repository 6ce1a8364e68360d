"""Accounts and rooms that have nothing to do with other servers: what they send, and what is sent to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests import federation
from tests.app.live_server import running
from tests.net.conftest import settle
from tests.ports import free_ports
from tests.raw import CLIENT, RawClient, abort_all
from xmpp_server.app.administration import Administration
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID

A, B = "a.test", "b.test"


@dataclass
class Two:
    ours: Server
    theirs: Server
    kid: RawClient
    romeo: RawClient
    juliet: RawClient


@contextlib.asynccontextmanager
async def two(tmp_path: Path, *local_only: str) -> AsyncIterator[Two]:
    """Run a.test, where somebody is confined, and b.test, where Juliet is."""
    ports = free_ports(2)
    routes = {}
    for domain, port in ((A, ports[0]), (B, ports[1])):
        routes |= dict.fromkeys((domain, f"conference.{domain}"), f"127.0.0.1:{port}")
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                running(
                    federation.settings(
                        tmp_path / domain,
                        domain,
                        S2S(routes=routes, local_only=local_only if domain == A else ()),
                        listen={"s2s": (f"127.0.0.1:{port}",)},
                    ),
                    *users,
                )
            )
            for domain, port, users in ((A, ports[0], ("kid", "romeo")), (B, ports[1], ("juliet",)))
        ]
        stack.push_async_callback(abort_all)
        kid, romeo = [await federation.login(servers[0], name) for name in ("kid", "romeo")]
        juliet = await federation.login(servers[1], "juliet")
        for client in (kid, romeo, juliet):
            client.send("<presence/>")
            await client.until(lambda element: element.tag == CLIENT + "presence")
        yield Two(servers[0], servers[1], kid, romeo, juliet)


async def answer(client: RawClient, stanza: str) -> ET.Element:
    """Send a stanza with the id "x"; return what comes back."""
    client.send(stanza)
    return await client.until(lambda element: element.get("id") == "x")


def stanzas(to: str) -> dict[str, str]:
    """Every kind that is answered."""
    join = "<x xmlns='http://jabber.org/protocol/muc'/>"
    return {
        "message": f"<message id='x' type='chat' to='{to}'><body>hi</body></message>",
        "iq": f"<iq id='x' type='get' to='{to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "presence": f"<presence id='x' to='{to}'/>",
        "subscription": f"<presence id='x' type='subscribe' to='{to}'/>",
        "join": f"<presence id='x' to='{to}/nick'>{join}</presence>",
    }


KINDS = list(stanzas(""))


def condition(element: ET.Element) -> str:
    assert element.get("type") == "error", ET.tostring(element)
    return next(iter(element.find(CLIENT + "error"))).tag.rpartition("}")[2]


async def quiet(client: RawClient, other: RawClient) -> None:
    """Nothing came for a client but what another sends it now."""
    other.send(f"<message to='{client.jid}' type='chat'><body>last</body></message>")
    heard = await client.read()
    assert heard.findtext(CLIENT + "body") == "last", ET.tostring(heard)


async def test_what_a_confined_account_sends(tmp_path):
    async with two(tmp_path, f"kid@{A}") as servers:
        for kind, stanza in stanzas(servers.juliet.jid).items():
            if kind != "join":
                assert condition(await answer(servers.kid, stanza)) == "forbidden", kind
        join = stanzas(f"room@conference.{B}")["join"]
        assert condition(await answer(servers.kid, join)) == "forbidden"
        assert servers.ours.federating is not None
        assert not servers.ours.federating.federation.links
        await quiet(servers.juliet, servers.romeo)


async def test_what_is_sent_to_a_confined_account(tmp_path):
    """It is answered as if there were no such account: nobody learns more."""
    async with two(tmp_path, f"kid@{A}") as servers:
        for kind, stanza in stanzas(servers.kid.jid.partition("/")[0]).items():
            if kind != "join":
                assert condition(await answer(servers.juliet, stanza)) == "service-unavailable", kind
        full = stanzas(servers.kid.jid)["message"]
        assert condition(await answer(servers.juliet, full)) == "service-unavailable"
        await quiet(servers.kid, servers.romeo)
        await quiet(servers.romeo, servers.juliet)  # everybody else is not concerned


async def test_an_error_is_not_answered_and_carries_nothing_out(tmp_path):
    """A client may send what looks like an error: it is no way around."""
    async with two(tmp_path, f"kid@{A}") as servers:
        servers.kid.send(f"<message type='error' to='{servers.juliet.jid}'><body>psst</body></message>")
        servers.juliet.send(f"<message type='error' to='{servers.kid.jid}'><body>psst</body></message>")
        await quiet(servers.juliet, servers.romeo)
        await quiet(servers.kid, servers.romeo)


@pytest.mark.parametrize("pattern", [f"conference.{A}", f"*.{A}"])
async def test_rooms_for_our_own(tmp_path, pattern):
    async with two(tmp_path, pattern) as servers:
        room = f"room@conference.{A}"
        servers.romeo.send(stanzas(room)["join"])
        await servers.romeo.until(lambda element: element.find(".//*[@code='110']") is not None)
        error = condition(await answer(servers.juliet, stanzas(room)["join"]))
        assert error in ("service-unavailable", "remote-server-timeout")
        await quiet(servers.juliet, servers.romeo)  # the domain itself is not concerned


async def test_a_whole_domain(tmp_path):
    async with two(tmp_path, A) as servers:
        for client in (servers.kid, servers.romeo):
            assert condition(await answer(client, stanzas(servers.juliet.jid)["message"])) == "not-allowed"
        error = condition(await answer(servers.juliet, stanzas(servers.romeo.jid)["message"]))
        assert error == "remote-server-timeout"  # its stream is not taken
        await quiet(servers.kid, servers.romeo)


async def test_an_account_is_cut_off_while_it_is_online(tmp_path):
    """Whoever has seen it available sees it leave; it comes back for its own server alone."""
    async with two(tmp_path) as servers:
        kid, juliet = servers.kid, servers.juliet
        mine, hers = kid.jid.partition("/")[0], juliet.jid.partition("/")[0]
        juliet.send(f"<presence to='{mine}' type='subscribe'/>")
        await kid.until(lambda element: element.get("type") == "subscribe")
        kid.send(f"<presence to='{hers}' type='subscribed'/>")
        await juliet.until(lambda element: element.get("from") == kid.jid and element.get("type") is None)
        ours = servers.ours
        administration = Administration(ours.storage, ours.hosts, ours.rights)
        assert await administration.federation({"jid": mine, "allowed": False}) == {"jid": mine, "allowed": False}
        await juliet.until(lambda element: element.get("from") == kid.jid and element.get("type") == "unavailable")
        again = await federation.login(ours, "kid")
        again.send("<presence/>")
        error = await again.until(lambda element: element.get("type") == "error")
        assert condition(error) == "forbidden"  # of the presence that Juliet does not get
        await quiet(juliet, servers.romeo)
        await administration.federation({"jid": mine, "allowed": True})
        assert not ours.rights.confines(JID.parse(mine))
        again.send(f"<message to='{juliet.jid}' type='chat'><body>back</body></message>")
        heard = await juliet.until(lambda element: element.tag == CLIENT + "message")
        assert heard.findtext(CLIENT + "body") == "back"


async def test_links_that_are_there_do_not_matter(tmp_path):
    """A stream that others use is no way in or out."""
    async with two(tmp_path, f"kid@{A}") as servers:
        await quiet(servers.juliet, servers.romeo)
        await quiet(servers.romeo, servers.juliet)
        assert servers.ours.federating is not None
        await settle(lambda: len(servers.ours.federating.federation.links) > 0)
        assert condition(await answer(servers.kid, stanzas(servers.juliet.jid)["message"])) == "forbidden"
        to_kid = stanzas(servers.kid.jid)["message"]
        assert condition(await answer(servers.juliet, to_kid)) == "service-unavailable"
        for link in tuple(servers.ours.federating.federation.links):
            link.close(StreamError(StreamCondition.RESET))
