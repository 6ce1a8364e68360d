"""Peers that stop answering at any point of a negotiation cost their senders an error, in time, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, bounce, chat, pair
from xmpp_server.app.settings import S2S
from xmpp_server.net import s2s_lane
from xmpp_server.streams.s2s_in import S2SInStream
from xmpp_server.streams.stream import Events

CONNECT_S = 0.6


@pytest.mark.parametrize(
    ("certified", "steps"), [*((True, steps) for steps in range(4)), *((False, steps) for steps in range(3))]
)
async def test_a_peer_that_stalls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, certified: bool, steps: int
) -> None:
    """Before it reads, after each header, after <auth/>; it is tried again, and works once the peer does."""
    monkeypatch.setattr(s2s_lane, "BACKOFF_S", (0.05, 0.05))
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    either = S2S(trust=federation.trusted(tmp_path, authority))
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B) if certified}
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        assert first.federating is not None
        assert second.federating is not None
        sick, left = second.federating.federation.policy, steps
        receive = S2SInStream.receive

        def stall(stream: S2SInStream, data: bytes, now: float) -> Events:
            nonlocal left
            if stream._policy is not sick:
                return receive(stream, data, now)
            left -= 1
            return receive(stream, data, now) if left >= 0 else []

        with monkeypatch.context() as patch:
            patch.setattr(s2s_lane, "CONNECT_S", CONNECT_S)
            patch.setattr(S2SInStream, "receive", stall)
            assert await bounce(romeo, f"x@{B}") == "remote-server-timeout"
            assert left < 0
            answer = await romeo.iq("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
            assert answer.get("type") == "result"
        links = first.federating.federation.links
        await settle(lambda: not any(link.names["direction"] == "out" for link in links))
        now = first.runtime.now()
        await settle(lambda: first.runtime.now() > now + 0.1)
        await chat(romeo, juliet, "well again")
