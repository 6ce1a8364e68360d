"""What waits for another server is not safe yet, and how many servers are remembered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, TarPit, bounce, bounced, chat, lonely, pair
from tests.raw import CLIENT as CLIENT_TAG
from tests.raw import SM
from xmpp_server.app.settings import S2S
from xmpp_server.jid import JID
from xmpp_server.net import s2s, s2s_acknowledgement, s2s_lane
from xmpp_server.net.s2s_acknowledgement import Acknowledgements
from xmpp_server.stanzas import message
from xmpp_server.streams.events import Ended


async def test_what_waits_for_a_server_is_not_acknowledged(tmp_path: Path) -> None:
    """XEP-0198, docs/acknowledgement.md: an answer covers no message that is in memory alone; then it does not wait."""
    asked = asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    async with TarPit(patient) as address, lonely(tmp_path, sick=address) as (_, romeo):
        await romeo.enable()
        romeo.send("<message to='x@sick.test' id='m'><body>?</body></message>")
        romeo.request()
        romeo.send("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        first = await romeo.read()
        assert first.get("id") == "p", "acknowledged before it was sent"
        asked.set()
        heard = [await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a")]
        heard.append(await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a"))
        assert [(one.get("type"), one.get("h")) for one in heard] == [("error", None), (None, "2")]


async def test_servers_that_cannot_be_reached_are_forgotten_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 3)
    async with lonely(tmp_path, **dict.fromkeys("abcde", "127.0.0.1:1")) as (server, romeo):
        assert server.federating is not None
        for name in "bcde":
            assert await bounce(romeo, f"{name}.test") == "remote-server-timeout"
            assert len(server.federating.federation.lanes) <= 3


async def test_there_is_an_end_to_how_many_servers_are_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 2)
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 1.0)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    async with TarPit(silent) as address, lonely(tmp_path, **dict.fromkeys("bcd", address)) as (_, romeo):
        for name in "bcd":
            romeo.send(f"<message to='{name}.test' id='{name}'><body>?</body></message>")
        assert await bounced(romeo, "d") == "resource-constraint"
        assert [await bounced(romeo, id_) for id_ in "bc"] == ["remote-server-timeout"] * 2


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, object]:
    """Of one authority, for both servers; and what makes them trust it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    made = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B)}
    return {"trust": federation.trusted(tmp_path, authority), **made}


async def test_what_a_lost_link_has_not_brought_over_comes_first(
    tmp_path: Path, certificates: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6120 §10.1: between the end of the stream and that of the connection, senders go on."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    either = S2S(trust=str(certificates.pop("trust")))
    async with pair(tmp_path, either, either, **certificates) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        ours = first.federating.federation
        [link], [peer] = ours.links, second.federating.federation.links
        await settle(lambda: not link.unacknowledged)
        assert peer._connection is not None
        peer._connection.pause()
        addresses = JID.parse(romeo.jid), JID.parse(juliet.jid)
        ours.route(message.build(*addresses, id="old"))
        assert link.unacknowledged == 1
        link.stream.lost()
        link._ended(Ended(None))
        ours.route(message.build(*addresses, id="new"))
        peer.abort()
        heard = [await juliet.until(lambda element: element.tag == CLIENT_TAG + "message") for _ in range(2)]
        assert [one.get("id") for one in heard] == ["old", "new"]


async def test_what_is_not_acknowledged_is_bounded(
    tmp_path: Path, certificates: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that falls behind, because it slows us down for example, keeps its link; senders are told."""
    monkeypatch.setattr(s2s_acknowledgement, "UNACKNOWLEDGED", 3)
    either = S2S(trust=str(certificates.pop("trust")))
    async with pair(tmp_path, either, either, **certificates) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        [link], [peer] = first.federating.federation.links, second.federating.federation.links
        await settle(lambda: not link.unacknowledged)
        assert peer._connection is not None
        peer._connection.pause()
        for number in range(5):
            romeo.send(f"<message to='{juliet.jid}' id='{number}'><body>?</body></message>")
        assert [await bounced(romeo, str(number)) for number in (3, 4)] == ["resource-constraint"] * 2
        assert link.unacknowledged == 3
        peer._connection.resume()
        heard = [await juliet.until(lambda element: element.tag == CLIENT_TAG + "message") for _ in range(3)]
        assert [one.get("id") for one in heard] == ["0", "1", "2"]
        await chat(romeo, juliet, "it goes on")


async def test_what_a_peer_has_not_acknowledged_is_not_acknowledged_here(
    tmp_path: Path, certificates: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/acknowledgement.md: before that a crash could lose it; errors come before the answer that covers them."""
    either = S2S(trust=str(certificates.pop("trust")))
    async with pair(tmp_path, either, either, **certificates) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        [link], [peer] = first.federating.federation.links, second.federating.federation.links
        await settle(lambda: not link.unacknowledged)
        await romeo.enable()
        assert peer._connection is not None
        peer._connection.pause()
        romeo.send(f"<message to='{juliet.jid}' id='m' type='chat'><body>?</body></message>")
        romeo.request()
        romeo.send("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert (await romeo.read()).get("id") == "p", "acknowledged before the peer had it"
        peer._connection.resume()
        assert (await juliet.until(lambda element: element.tag == CLIENT_TAG + "message")).get("id") == "m"
        assert (await romeo.until(lambda element: element.tag == SM + "a")).get("h") == "2"
        peer._connection.pause()
        romeo.send(f"<message to='{juliet.jid}' id='n' type='chat'><body>?</body></message>")
        romeo.request()
        await settle(lambda: link.unacknowledged == 1)
        link.since = first.runtime.now()  # it has not worked for long
        peer.abort()
        heard = [await romeo.until(lambda one: one.get("id") == "n" or one.tag == SM + "a") for _ in range(2)]
        assert [(one.get("type"), one.get("h")) for one in heard] == [("error", None), (None, "3")]


@pytest.mark.parametrize("closing", ["peer", "ours"])
async def test_what_is_safe_is_acknowledged_before_a_stream_ends(
    tmp_path: Path, certificates: dict[str, object], monkeypatch: pytest.MonkeyPatch, closing: str
) -> None:
    """XEP-0198 §4: so that it is not sent again, whoever ends the stream in good order."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    either = S2S(trust=str(certificates.pop("trust")))
    async with pair(tmp_path, either, either, **certificates) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        [link], [peer] = first.federating.federation.links, second.federating.federation.links
        await settle(lambda: not link.unacknowledged)
        assert peer._acknowledgements is not None
        with monkeypatch.context() as patch:  # the peer answers no request
            patch.setattr(Acknowledgements, "take", lambda self, element, now: None)
            for number in range(3):
                romeo.send(f"<message to='{juliet.jid}' id='{number}'><body>?</body></message>")
            heard = [await juliet.until(lambda element: element.tag == CLIENT_TAG + "message") for _ in range(3)]
        assert [one.get("id") for one in heard] == ["0", "1", "2"]
        assert link.unacknowledged == 3
        (peer if closing == "peer" else link).close(None)
        await settle(lambda: link not in first.federating.federation.links)
        await chat(romeo, juliet, "after")  # and nothing before it
