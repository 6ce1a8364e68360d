"""XEP-0220 §2.6: hosts and services of one server share a stream to another, each proven for itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, chat, pair
from tests.raw import CLIENT, RawClient
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Tls
from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.net import s2s_sharing
from xmpp_server.net.s2s import Federation
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.stanzas import message
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Purpose
from xmpp_server.streams.s2s_events import DialbackRequest
from xmpp_server.streams.s2s_in import S2SInStream
from xmpp_server.streams.s2s_out import S2SOutStream

ROOMS_A, ROOMS_B = f"conference.{A}", f"conference.{B}"
ALL = {Pair(A, B), Pair(A, ROOMS_B), Pair(ROOMS_A, B)}


def federating(server: Server) -> Federation:
    assert server.federating is not None
    return server.federating.federation


def streams(server: Server) -> list[S2SOutStream]:
    """Those that we have opened for stanzas."""
    return [link.stream for link in federating(server).links if isinstance(link, Outgoing) and link.stream.pairs]


async def speak_for_all(first: Server, romeo: RawClient, juliet: RawClient) -> None:
    """A host to a host, a host to a service, a service to a host: something is answered or heard for each."""
    await chat(romeo, juliet, "hi")
    answer = await romeo.iq(
        f"<iq type='get' id='i' to='{ROOMS_B}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    assert answer.get("type") == "result"
    assert answer.get("from") == ROOMS_B
    federating(first).route(message.build(JID.parse(f"x@{ROOMS_A}"), JID.parse(juliet.jid), id="room"))
    heard = await juliet.until(lambda element: element.get("id") == "room")
    assert heard.get("from") == f"x@{ROOMS_A}"


async def test_dialback_for_several_pairs_on_one_stream(tmp_path: Path) -> None:
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        [stream] = streams(first)
        assert stream.pairs == ALL
        [row] = [row for row in federating(first).rows() if row["direction"] == "out"]
        assert (row["local"], row["remote"]) == (f"{A}, {ROOMS_A}", f"{B}, {ROOMS_B}")


def certificates(folder: Path, authority: trustme.CA, *, wildcard: bool) -> dict[str, Tls]:
    return {
        domain: federation.certificate(folder / domain, authority, domain, *([f"*.{domain}"] if wildcard else []))
        for domain in (A, B)
    }


async def test_streams_of_certificates_take_more_pairs_without_asking_anybody(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XEP-0220 §2.6 after XEP-0178: dialback without dialling back, where the certificate says it already."""
    trust = federation.trusted(tmp_path, authority)
    only = S2S(verify="certificate", trust=trust)
    async with pair(tmp_path, only, only, **certificates(tmp_path, authority, wildcard=True)) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        [stream] = streams(first)
        assert stream.pairs == ALL
        assert [link.method for link in federating(first).links] == ["EXTERNAL"]


async def test_a_target_that_the_certificate_does_not_prove_is_not_sent_to(
    tmp_path: Path, authority: trustme.CA
) -> None:
    only = S2S(verify="certificate", trust=federation.trusted(tmp_path, authority))
    async with pair(tmp_path, only, only, **certificates(tmp_path, authority, wildcard=False)) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        answer = await romeo.iq(f"<iq type='get' id='i' to='{ROOMS_B}'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert answer.get("type") == "error"
        assert [stream.pairs for stream in streams(first)] == [{Pair(A, B)}]


async def test_a_pair_that_the_peer_does_not_take_gets_a_stream_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream that refused it goes on."""
    objection = S2SInStream._objection

    def strict(stream: S2SInStream, claimed: Pair) -> object:
        return (
            Condition.FORBIDDEN
            if stream._proofs.pairs and claimed not in stream._proofs.pairs
            else objection(stream, claimed)
        )

    monkeypatch.setattr(S2SInStream, "_objection", strict)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        assert sorted(map(len, (stream.pairs for stream in streams(first)))) == [1, 1, 1]
        assert set.union(*(stream.pairs for stream in streams(first))) == ALL


async def test_a_claim_that_ends_the_stream_of_the_others_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some say that they answer with an error, and hang up."""
    monkeypatch.setattr("xmpp_server.net.s2s_lane.PROVED_S", 0.0)
    objection = S2SInStream._objection

    def rude(stream: S2SInStream, claimed: Pair) -> object:
        if stream._proofs.pairs - {claimed}:
            raise StreamError(StreamCondition.POLICY_VIOLATION)
        return objection(stream, claimed)

    monkeypatch.setattr(S2SInStream, "_objection", rude)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        await speak_for_all(first, romeo, juliet)
        links = set(federating(first).links)
        assert sorted(map(len, (stream.pairs for stream in streams(first)))) == [1, 1, 1]
        await speak_for_all(first, romeo, juliet)
        assert set(federating(first).links) == links


async def test_a_peer_that_does_not_answer_a_claim_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s_sharing, "CLAIM_S", 0.2)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        verify = federating(second).verify
        asked, done = {Pair(A, B)}, asyncio.Event()

        async def slow(request: DialbackRequest, peer: str) -> tuple[Verdict, Condition | None]:
            if request.pair not in asked:
                asked.add(request.pair)
                await done.wait()
            return await verify(request, peer)

        monkeypatch.setattr(federating(second), "verify", slow)
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        assert len(streams(first)) == 3
        done.set()


async def test_pairs_that_begin_at_once_wait_for_one_another(tmp_path: Path) -> None:
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        juliet = await federation.login(second, "juliet")
        for sender in (f"x@{ROOMS_A}", f"x@{A}"):
            federating(first).route(message.build(JID.parse(sender), JID.parse(juliet.jid)))
        federating(first).route(message.build(JID.parse(f"x@{A}"), JID.parse(ROOMS_B)))
        for _ in range(2):
            await juliet.until(lambda element: element.tag == CLIENT + "message")
        await settle(lambda: all(lane.link is not None for lane in federating(first).lanes.values()))
        [stream] = streams(first)
        assert stream.pairs == ALL


async def test_a_link_that_never_comes_to_be_does_not_hold_up_others_to_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s_sharing, "WAIT_S", 0.1)
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        open_link, done = federating(first)._connector.open, asyncio.Event()

        async def slow(wanted: Pair, purpose: Purpose) -> Outgoing:
            if wanted.sender == ROOMS_A:
                await done.wait()
            return await open_link(wanted, purpose)

        monkeypatch.setattr(federating(first)._connector, "open", slow)
        federating(first).route(message.build(JID.parse(f"x@{ROOMS_A}"), JID.parse(juliet.jid)))
        await chat(romeo, juliet, "hi")
        done.set()


async def test_all_pairs_of_a_lost_stream_come_back_in_their_order(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6120 §10.1, XEP-0198: what was not acknowledged goes over the next stream, each pair in its order."""
    monkeypatch.setattr("xmpp_server.net.s2s_lane.PROVED_S", 0.0)
    either = S2S(trust=federation.trusted(tmp_path, authority))
    async with pair(tmp_path, either, either, **certificates(tmp_path, authority, wildcard=True)) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        [link] = federating(first).links
        await settle(lambda: not link.unacknowledged)
        [peer] = federating(second).links
        assert peer._connection is not None
        peer._connection.pause()
        for number in range(10):
            for sender in (f"x@{ROOMS_A}", f"x@{A}"):
                federating(first).route(message.build(JID.parse(sender), JID.parse(juliet.jid), id=str(number)))
        await settle(lambda: link.unacknowledged == 20)
        peer.abort()
        heard: dict[str, list[int]] = {ROOMS_A: [], A: []}
        for _ in range(20):
            one = await juliet.until(lambda element: element.tag == CLIENT + "message")
            heard[str(one.get("from")).partition("@")[2]].append(int(str(one.get("id"))))
        assert heard == {ROOMS_A: list(range(10)), A: list(range(10))}
        [stream] = streams(first)
        assert {Pair(A, B), Pair(ROOMS_A, B)} <= stream.pairs


async def test_the_other_direction_of_a_further_pair(tmp_path: Path, authority: trustme.CA) -> None:
    """XEP-0288 §2.1: what was a source may be a target."""
    either = S2S(trust=federation.trusted(tmp_path, authority))
    async with pair(tmp_path, either, either, **certificates(tmp_path, authority, wildcard=True)) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await speak_for_all(first, romeo, juliet)
        answer = await juliet.iq(
            f"<iq type='get' id='i' to='{ROOMS_A}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        assert answer.get("type") == "result"
        assert not streams(second)
        assert len(federating(first).links) == 1


async def test_several_streams_for_one_pair(tmp_path: Path) -> None:
    """What another server has opened is taken as often as it likes (RFC 6120 §10.1 binds the order of one stream)."""
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        links = [await federating(first)._connector.open(Pair(A, B), Purpose.STANZAS) for _ in range(3)]
        for number, link in enumerate(links):
            link.send(message.build(JID.parse(romeo.jid), JID.parse(juliet.jid), id=str(number)))
        heard = {(await juliet.until(lambda element: element.tag == CLIENT + "message")).get("id") for _ in links}
        assert heard == {"0", "1", "2"}
