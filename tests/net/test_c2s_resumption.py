"""XEP-0198 over real connections: sessions that are resumed, by one connection or by two."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.app.live_server import door, running, settings
from tests.net.conftest import Slow
from tests.raw import SM, STREAM, RawClient, condition


async def test_two_connections_wait_to_resume_one_session(tmp_path: Path) -> None:
    """What the session still works on is counted for both; the newer one has it in the end."""
    async with running(settings(tmp_path), "juliet") as server:
        slow = Slow(server)
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.send(Slow.REQUEST)
        await slow.asked.wait()
        juliet.abort()
        older, newer = [await RawClient.authenticated(address, "juliet") for _ in range(2)]
        for client in (older, newer):
            client.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>")
            await asyncio.sleep(0.1)
        slow.go.set()
        assert (await older.read()).get("h") == "1"
        assert (await newer.read()).get("h") == "1"
        assert condition(await older.rest(5)) == "conflict"
        assert await newer.ping() < 1
        for client in (older, newer):
            client.abort()


async def test_resume_on_a_new_connection(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo", "juliet") as server:
        address = door(server, "c2s_tls")
        romeo = await RawClient.login(address, "romeo")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.abort()
        for number in range(3):
            romeo.send(f"<message to='juliet@localhost/balcony' type='chat' id='{number}'><body>x</body></message>")
        await romeo.ping()
        again = await RawClient.authenticated(address, "juliet")
        again.handled = juliet.handled
        answer = await again.resume(token)
        assert answer.tag == SM + "resumed"
        assert answer.get("h") == "0"
        assert [(await again.read()).get("id") for _ in range(3)] == ["0", "1", "2"]
        again.acknowledge()
        await again.ping()
        third = await RawClient.authenticated(address, "juliet")
        failed = await third.resume("no-such-session")
        assert failed[0].tag.endswith("}item-not-found")
        await third.bind("other")  # after a failed resumption the client binds
        stranger = await RawClient.authenticated(address, "romeo")
        assert (await stranger.resume(token))[0].tag.endswith("}item-not-found")
        for client in (romeo, again, third, stranger):
            client.abort()


async def test_two_connections_resume_one_session(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "juliet") as server:
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.abort()
        pair = [await RawClient.authenticated(address, "juliet") for _ in range(2)]
        answers = await asyncio.gather(*(client.resume(token) for client in pair))
        assert [answer.tag for answer in answers] == [SM + "resumed"] * 2
        assert condition(await pair[0].rest(5)) == "conflict" or condition(await pair[1].rest(5)) == "conflict"
        assert len(server.sessions) == 1
        for client in pair:
            client.abort()


async def test_a_handled_count_too_high(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "juliet") as server:
        client = await RawClient.login(door(server, "c2s_tls"), "juliet")
        await client.enable()
        client.send("<a xmlns='urn:xmpp:sm:3' h='7'/>")
        rest = await client.rest(5)
        assert condition(rest) == "undefined-condition"
        error = next(element for element in rest if element.tag == STREAM + "error")
        assert error.find("{urn:xmpp:sm:3}handled-count-too-high") is not None
