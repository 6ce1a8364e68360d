"""XEP-0220 §4: whatever is said on a stream, only a key of the sender's own server for this stream proves a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from tests.streams.s2s_driver import FOREIGN, OTHER, OURS, PEER, STARTTLS, Inbound, Outbound, header, result, verify
from xmpp_server.errors import Condition
from xmpp_server.streams import dialback
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s_events import Claimed, DialbackRequest, Proven, Verified

#: The servers of two domains, each with a secret; the attacker has that of FOREIGN and is told keys of PEER's for
#: streams of his own, as PEER connects to him, too.
SECRETS = {PEER: b"peer's", FOREIGN: b"attacker's"}
DOMAINS = (PEER, FOREIGN, OURS, OTHER)
STREAMS = ("id1", "id2", "id3", "other", "")


@dataclass(frozen=True)
class Key:
    """A key that the attacker can have: made by somebody, for some stream of some pair."""

    maker: str
    receiving: str
    originating: str
    stream_id: str

    def __str__(self) -> str:
        return dialback.make_key(SECRETS[self.maker], self.receiving, self.originating, self.stream_id)


def may_have(key: Key) -> bool:
    """PEER makes keys only for itself, and for streams to us only on its own stream ("id2" is the attacker's)."""
    return key.maker == FOREIGN or (key.originating == PEER and (key.receiving == FOREIGN or key.stream_id != "id2"))


keys = st.builds(
    Key, st.sampled_from((PEER, FOREIGN)), st.sampled_from(DOMAINS), st.sampled_from(DOMAINS), st.sampled_from(STREAMS)
).filter(may_have)
domains = st.sampled_from(DOMAINS)
kinds = st.sampled_from(("", " type='valid'", " type='invalid'", " type='error'"))
claims = st.builds(lambda *parts: result(*parts), domains, domains, keys.map(str) | st.just("k"), kinds)
questions = st.builds(
    lambda *parts: verify(*parts), domains, domains, st.sampled_from(STREAMS[:-1]), keys.map(str), kinds
)


def authority(request: DialbackRequest) -> tuple[Verdict, Condition | None]:
    """The sender's own server, which answers from its secret."""
    secret = SECRETS.get(request.pair.sender)
    if secret is None:
        return Verdict.ERROR, Condition.REMOTE_SERVER_NOT_FOUND
    return dialback.judge(secret, request.pair.swapped(), request.stream_id, request.key), None


@given(st.lists(claims | questions | st.just(b"<message from='r@peer.example' to='j@ours.example'/>"), max_size=12))
@example([result(FOREIGN, OURS, str(Key(FOREIGN, OURS, FOREIGN, "id2"))), result(PEER, OURS, "k", " type='valid'")])
def test_no_pair_is_proven_for_an_attacker_but_his_own(pieces: Sequence[bytes]) -> None:
    driver = Inbound()
    driver.send(header(FOREIGN), STARTTLS)
    driver.stream.tls_established(None)
    driver.send(header(FOREIGN))
    for piece in pieces:
        seen = len(driver.events)
        driver.send(piece)
        for event in driver.events[seen:]:
            if isinstance(event, DialbackRequest):
                driver.take(driver.stream.dialback_answer(event.pair, *authority(event)))
                driver.flush()
    assert all(isinstance(event, Proven) and event.domain == FOREIGN for event in driver.of(Proven))
    assert driver.stanzas == []
    assert driver.stream.proven <= {FOREIGN}


def test_the_key_of_the_right_server_for_this_stream_proves_the_pair() -> None:
    """So the property above could fail."""
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS, dialback.make_key(SECRETS[PEER], OURS, PEER, "id2")))
    [request] = driver.of(DialbackRequest)
    assert isinstance(request, DialbackRequest)
    driver.take(driver.stream.dialback_answer(request.pair, *authority(request)))
    assert driver.stream.proven == {PEER}


answers = st.builds(
    lambda name, sender, target, stream_id, kind: (
        result(sender, target, "", kind) if name else verify(sender, target, stream_id, "", kind)
    ),
    st.booleans(),
    domains,
    domains,
    st.sampled_from(STREAMS[:-1]),
    kinds,
)


@given(st.lists(answers, max_size=12), st.sets(st.builds(Pair, st.sampled_from((OTHER, OURS)), domains), max_size=4))
def test_answers_prove_only_what_was_claimed_or_asked(pieces: Sequence[bytes], claimed: set[Pair]) -> None:
    driver = Outbound()
    driver.secure(
        b"<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"
    )
    driver.send(result(PEER, OURS, "", " type='valid'"))
    asked = (Pair(OURS, PEER), "id1")
    driver.stream.ask(*asked, "k")
    for pair in claimed:
        driver.stream.claim(pair)
    for piece in pieces:
        driver.send(piece)
    assert driver.stream.pairs <= claimed | {Pair(OURS, PEER)}
    told = [event.pair for event in driver.of(Claimed) if isinstance(event, Claimed)]
    assert len(told) == len(set(told))
    assert set(told) <= claimed
    verified = [(event.pair, event.stream_id) for event in driver.of(Verified) if isinstance(event, Verified)]
    assert verified in ([], [asked])


@given(keys, domains, domains, st.sampled_from(STREAMS[:-1]))
def test_our_answer_as_an_authority_is_valid_for_our_own_key_alone(
    key: Key, sender: str, target: str, stream_id: str
) -> None:
    driver = Inbound()
    driver.secure()
    driver.send(verify(sender, target, stream_id, str(key)))
    assert b"type='valid'" not in driver.wire
