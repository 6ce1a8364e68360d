"""A domain that is not welcome any more is cut off."""

from __future__ import annotations

from pathlib import Path

from tests import federation
from tests.net.test_s2s import B, chat, pair
from xmpp_server.app.settings import S2S
from xmpp_server.core.domain_rules import Rule


async def test_a_blocked_domain_is_cut_off_and_stays_away(tmp_path: Path) -> None:
    either = S2S(verify="certificate-or-dialback")
    async with pair(tmp_path, either, either) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert first.federating is not None
        await first.federating.remotes.replace(Rule.BLOCK, [B])
        assert not any(row["state"] == "open" for row in first.federating.federation.rows())
        answer = await romeo.iq(f"<iq type='get' id='p' to='{B}'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert answer.get("type") == "error"
        answer = await juliet.iq("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert answer.get("type") == "error"
        await first.federating.remotes.replace(Rule.BLOCK, [])
        await chat(romeo, juliet, "again")
