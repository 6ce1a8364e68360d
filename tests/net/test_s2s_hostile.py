"""What a server of no standing cannot make us do to the servers of others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, pair
from tests.raw import RawClient, condition
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S
from xmpp_server.core.domain_rules import Rule
from xmpp_server.net import s2s
from xmpp_server.net.s2s import Federation
from xmpp_server.net.timers import RESOLUTION_S


def federation_of(server: Server) -> Federation:
    assert server.federating is not None
    return server.federating.federation


async def befriend(first: Server, second: Server) -> tuple[RawClient, RawClient]:
    """Let romeo of the first server see juliet of the second; return both."""
    romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
    romeo.send("<presence/>")
    juliet.send(f"<presence to='romeo@{A}'/>")
    await romeo.until(lambda element: element.get("from") == juliet.jid)
    return romeo, juliet


async def grace(server: Server) -> None:
    """Wait until whatever was scheduled for now has happened."""
    over = asyncio.Event()
    server.runtime.schedule(RESOLUTION_S, over.set)
    await over.wait()


async def claim(server: Server, sender: str, target: str) -> str:
    """Open a stream in the name of others; return the error that ends it, and leave."""
    host, _, port = federation.door(server, "s2s_tls").rpartition(":")
    peer = await RawClient.connect((host, int(port)), tls=True)
    peer.send(
        f"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='{sender}' to='{target}'"
        " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'></stream:stream>"
    )
    elements = await peer.rest()
    peer.abort()
    return condition(elements)


@pytest.mark.parametrize(("target", "error"), [("nobody.test", "host-unknown"), (A, "")])
async def test_a_stream_of_strangers_says_nothing_of_the_domain_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, error: str
) -> None:
    """Its end led to a connection there, in any name; and refused, to the end of everybody's presence."""
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        _clients = await befriend(first, second)
        links = federation_of(first)
        for link in tuple(links.links):
            link.close(None)
        await settle(lambda: not links.links)
        known = set(links.lanes)
        monkeypatch.setattr(s2s, "GRACE_S", 0.0)
        assert await claim(first, B, target) == error
        await grace(first)
        assert not links.links
        assert set(links.lanes) == known


async def test_nobody_connects_to_a_domain_that_was_blocked(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was available there is not any more."""
    monkeypatch.setattr(s2s, "GRACE_S", 0.0)
    either = S2S(trust=federation.trusted(tmp_path, authority))
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B)}
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await befriend(first, second)
        assert first.federating is not None
        await first.federating.remotes.replace(Rule.BLOCK, [B])
        await grace(first)
        assert not any(link.established for link in federation_of(first).links)
        gone = await romeo.until(lambda element: element.get("from") == juliet.jid)
        assert gone.get("type") == "unavailable"
