"""Two real servers that talk to each other over loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests import federation
from tests.app.live_server import running
from tests.net.conftest import settle
from tests.ports import free_ports
from tests.raw import CLIENT, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Dns
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.net import lookup, s2s, s2s_acknowledgement, s2s_lane, s2s_verify
from xmpp_server.streams.s2s_in import S2SInStream

A, B = "a.test", "b.test"


@contextlib.asynccontextmanager
async def pair(tmp_path: Path, first: S2S, second: S2S, **tls: object) -> AsyncIterator[tuple[Server, Server]]:
    """Run a.test and b.test, which know each other's doors, and those of each other's rooms."""
    ports = free_ports(2)
    doors = {A: f"127.0.0.1:{ports[0]}", B: f"127.0.0.1:{ports[1]}"}
    routes = doors | {f"conference.{domain}": door for domain, door in doors.items()}
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for domain, port, own in ((A, ports[0], first), (B, ports[1], second)):
            config = federation.settings(
                tmp_path / domain,
                domain,
                S2S(verify=own.verify, trust=own.trust, routes=routes),
                tls=tls.get(domain),
                listen={"s2s": (f"127.0.0.1:{port}",)},
            )
            servers.append(await stack.enter_async_context(running(config, "romeo", "juliet")))
        stack.push_async_callback(abort_all)
        yield servers[0], servers[1]


async def chat(one: RawClient, other: RawClient, text: str) -> None:
    """One says something, the other hears it."""
    one.send(f"<message to='{other.jid}' type='chat'><body>{text}</body></message>")
    heard = await other.until(lambda element: element.tag == CLIENT + "message")
    assert heard.get("type") == "chat", [child.tag for child in heard.iter()]
    assert heard.get("from") == one.jid
    assert heard.findtext(CLIENT + "body") == text


async def test_certificates_prove_both_sides(tmp_path, authority):
    trust = federation.trusted(tmp_path, authority)
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain, f"*.{domain}") for domain in (A, B)}
    only = S2S(verify="certificate", trust=trust)
    async with pair(tmp_path, only, only, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert first.federating is not None
        rows = list(first.federating.federation.rows())
        expected = ("out", B, "open", "EXTERNAL", "TLSv1.3")  # one for both directions (XEP-0288)
        assert [tuple(row[name] for name in ("direction", "remote", "state", "method", "tls")) for row in rows] == [
            expected
        ]


async def test_dialback_makes_up_for_self_signed_certificates(tmp_path):
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")


async def test_dialback_on_a_fresh_stream_where_a_peer_hangs_up_over_a_certificate(tmp_path, monkeypatch):
    """XEP-0178 §3, XEP-0220: some offer EXTERNAL to everybody, and close the stream of those they do not believe."""

    def hang_up(stream, failure, events):
        raise StreamError(StreamCondition.NOT_AUTHORIZED)

    monkeypatch.setattr(S2SInStream, "_offers_external", lambda stream: True)
    monkeypatch.setattr(S2SInStream, "_authentication_failed", hang_up)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")


async def test_stanzas_wait_until_a_link_for_both_directions_is_ready(tmp_path, authority):
    """XEP-0288: what the receiving side has to say does not get between <success/> and the new stream."""
    trust = federation.trusted(tmp_path, authority)
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain, f"*.{domain}") for domain in (A, B)}
    async with pair(tmp_path, S2S(trust=trust), S2S(trust=trust), **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        for number in range(3):
            body = f"<message to='{romeo.jid}' type='chat'><body>{number}</body></message>"
            juliet.send(body)
            romeo.send(body.replace(romeo.jid, juliet.jid))
        for client in (romeo, juliet):
            for number in range(3):
                heard = await client.until(lambda element: element.tag == CLIENT + "message")
                assert heard.findtext(CLIENT + "body") == str(number)


async def test_a_dropped_link_loses_no_stanza_and_doubles_none(tmp_path, authority, monkeypatch):
    """XEP-0198: what the peer has not acknowledged goes over the next link, in its order."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    trust = federation.trusted(tmp_path, authority)
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain, f"*.{domain}") for domain in (A, B)}
    async with pair(tmp_path, S2S(trust=trust), S2S(trust=trust), **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        [link] = second.federating.federation.links
        assert link._connection is not None
        await settle(lambda: all(not one.unacknowledged for one in first.federating.federation.links))
        link._connection.pause()  # what comes now lies in the kernel's buffers, and dies with them
        for number in range(5):
            romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{number}</body></message>")
        await settle(lambda: sum(one.unacknowledged for one in first.federating.federation.links) == 5)
        link.abort()
        for number in range(5):
            heard = await juliet.until(lambda element: element.tag == CLIENT + "message")
            assert heard.findtext(CLIENT + "body") == str(number)
        await chat(romeo, juliet, "after")
        await chat(juliet, romeo, "back")
        await settle(lambda: all(not one.unacknowledged for one in first.federating.federation.links))


async def test_a_peer_that_acknowledges_nothing_is_given_up(tmp_path, authority, monkeypatch):
    """F11: half-open connections are found."""
    trust = federation.trusted(tmp_path, authority)
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain, f"*.{domain}") for domain in (A, B)}
    async with pair(tmp_path, S2S(trust=trust), S2S(trust=trust), **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        links = first.federating.federation.links
        await settle(lambda: all(not one.unacknowledged for one in links))
        [link] = second.federating.federation.links
        assert link._connection is not None
        link._connection.pause()
        romeo.send(f"<message to='{juliet.jid}' id='lost'><body>?</body></message>")
        await settle(lambda: sum(one.unacknowledged for one in links) == 1)
        now = first.runtime.now()
        for one in tuple(links):
            one.check(now + s2s_acknowledgement.ACKNOWLEDGE_S + 1)
        assert await bounced(romeo, "lost") == "remote-server-timeout"  # the link had not worked for long


async def test_presence_ends_with_a_server_that_is_gone_for_good(tmp_path, monkeypatch):
    monkeypatch.setattr(s2s, "GRACE_S", 0.1)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        romeo.send("<presence/>")
        juliet.send(f"<presence to='romeo@{A}'/>")
        await romeo.until(lambda element: element.get("from") == juliet.jid)
        assert second.federating is not None
        links = second.federating.federation
        monkeypatch.setattr(links, "route", lambda stanza: None)  # it says nothing any more
        juliet.abort()
        await second.federating.stop_listening()
        for link in tuple(links.links):
            link.abort()
        gone = await romeo.until(lambda element: element.get("from") == juliet.jid)
        assert gone.get("type") == "unavailable"


async def test_rooms_tell_why_those_of_a_lost_server_are_gone(tmp_path, monkeypatch):
    # XEP-0045 §11.1: on either side
    monkeypatch.setattr(s2s, "GRACE_S", 0.1)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        room = f"coven@conference.{A}"
        for client, nick in ((romeo, "romeo"), (juliet, "juliet")):
            client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            await client.until(lambda element: element.get("type") == "groupchat")
            if client is romeo:
                await client.iq(
                    f"<iq type='set' id='open' to='{room}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
                )
        for server in (first, second):
            assert server.federating is not None
            await server.federating.stop_listening()
        for server in (first, second):
            for link in tuple(server.federating.federation.links):
                link.abort()
        for client, codes in ((romeo, {"333"}), (juliet, {"110", "333"})):
            gone = await client.until(lambda element: element.get("type") == "unavailable")
            assert gone.get("from") == f"{room}/juliet"
            assert {status.get("code") for status in gone.iter("{http://jabber.org/protocol/muc#user}status")} == codes


class TarPit:
    """Accepts connections and does with them what a hostile or a sick server does."""

    def __init__(self, behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._behave = behave
        self._server: asyncio.Server | None = None
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        await self._behave(reader, writer)

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing."""


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send features without end."""
    writer.write(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1'")
    writer.write(b" version='1.0'><stream:features>")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"<x xmlns='urn:x'>" + b" " * 1000 + b"</x>")
            await writer.drain()


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
        b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
    writer.close()


@contextlib.asynccontextmanager
async def lonely(tmp_path: Path, **routes: str) -> AsyncIterator[tuple[Server, RawClient]]:
    """Run a.test with one user, which finds other servers where `routes` says."""
    settings = S2S(
        routes={f"{name}.test": address for name, address in routes.items()}, dns=Dns(nameservers=("127.0.0.1:1",))
    )
    async with running(federation.settings(tmp_path, A, settings), "romeo") as server:
        romeo = await federation.login(server, "romeo")
        try:
            yield server, romeo
        finally:
            await abort_all()


async def bounce(client: RawClient, target: str, timeout_s: float = 5) -> str:
    """Send something to a domain; return the condition that comes back."""
    client.send(f"<message to='{target}' id='{target}'><body>?</body></message>")
    return await bounced(client, target, timeout_s)


async def bounced(client: RawClient, id_: str, timeout_s: float = 5) -> str:
    error = await client.until(lambda element: element.get("id") == id_, timeout_s)
    assert error.get("type") == "error"
    [found] = error.findall(CLIENT + "error")
    return found[0].tag.partition("}")[2]


@pytest.mark.parametrize("behaviour", [silent, hanging_up, rubbish, endless, refusing], ids=lambda one: one.__name__)
async def test_sick_servers_cost_an_error_and_nobody_else(tmp_path, monkeypatch, behaviour):
    """F16: senders are told in time, other domains do not wait for it, nobody tries again at once."""
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 1.0)
    pit = TarPit(behaviour)
    async with pit as address, lonely(tmp_path, sick=address, gone="127.0.0.1:1") as (server, romeo):
        romeo.send("<message to='x@sick.test' id='sick'><body>?</body></message>")
        assert await bounce(romeo, "gone.test", 0.9) == "remote-server-timeout"
        expected = "remote-server-not-found" if behaviour is refusing else "remote-server-timeout"
        assert await bounced(romeo, "sick", 3) == expected
        assert await bounce(romeo, "y@sick.test", 0.5) == expected
        assert pit.connections == 1
        assert server.federating is not None
        assert {row["state"] for row in server.federating.federation.rows()} <= {"backing off", "negotiating"}


async def test_what_waits_for_a_server_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 2.0)
    monkeypatch.setattr(s2s_lane, "QUEUE_STANZAS", 5)
    async with TarPit(silent) as address, lonely(tmp_path, sick=address) as (_, romeo):
        for number in range(7):
            romeo.send(f"<message to='x@sick.test' id='{number}'><body>?</body></message>")
        assert [await bounced(romeo, id_) for id_ in "56"] == ["resource-constraint"] * 2
        assert [await bounced(romeo, id_) for id_ in "01234"] == ["remote-server-timeout"] * 5  # in their order


async def test_dns_that_is_down(tmp_path, monkeypatch):
    """F14."""
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.5)
    async with lonely(tmp_path) as (_, romeo):
        assert await bounce(romeo, "elsewhere.test", 30) == "remote-server-timeout"


async def test_a_peer_that_floods_claims(tmp_path, monkeypatch):
    """Each would make us connect somewhere: few at a time, for one stream and for all."""
    monkeypatch.setattr(s2s_verify, "VERIFICATIONS", 4)
    async with TarPit(silent) as address, lonely(tmp_path, **{f"d{n}": address for n in range(10)}) as (server, _):
        host, _, port = federation.door(server, "s2s_tls").rpartition(":")
        peer = await RawClient.connect((host, int(port)), tls=True)
        peer.header = (
            f"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' to='{A}' version='1.0'"
            " xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        await peer.open()
        for number in range(6):
            peer.send(f"<db:result from='d{number}.test' to='{A}'>key</db:result>")
        for _ in range(2):
            refused = await peer.read()
            assert refused.get("type") == "error"
            assert refused.find(".//{*}resource-constraint") is not None


async def test_blocked_domains_are_not_written_to(tmp_path):
    s2s_settings = S2S(block=("*.evil.test",), routes={})
    async with running(federation.settings(tmp_path, A, s2s_settings), "romeo") as server:
        romeo = await federation.login(server, "romeo")
        assert await bounce(romeo, "x.evil.test") == "not-allowed"
        await abort_all()


async def test_certificates_only_refuses_those_who_sign_their_own(tmp_path):
    strict = S2S(verify="certificate")
    async with pair(tmp_path, strict, S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        assert await bounce(romeo, f"juliet@{B}") == "remote-server-timeout"
        assert await bounce(juliet, f"romeo@{A}") == "remote-server-timeout"


async def test_order_of_one_sender_is_kept(tmp_path):
    """RFC 6120 §10.1, from before the link is there to after."""
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        for number in range(300):
            romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{number}</body></message>")
            if number % 100 == 0:
                await asyncio.sleep(0.05)
        for number in range(300):
            heard = await juliet.until(lambda element: element.tag == CLIENT + "message")
            assert heard.findtext(CLIENT + "body") == str(number)


async def test_idle_links_are_closed_and_made_again(tmp_path):
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        links = first.federating.federation
        assert links.reset(B) >= 1
        async with asyncio.timeout(5):
            while links.links:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await chat(romeo, juliet, "after")
