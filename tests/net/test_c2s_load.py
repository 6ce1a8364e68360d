"""Clients that read slowly, or send more than they may: nobody else notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.app.live_server import door, running, settings
from tests.raw import SM, RawClient
from xmpp_server.app.settings import Limits


async def test_a_slow_reader_holds_up_nobody_and_loses_nothing(tmp_path: Path) -> None:
    config = settings(tmp_path, limits=Limits(outbox_bytes=524_288, unacknowledged_bytes=1 << 24))
    async with running(config, "romeo", "juliet") as server:
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.writer.transport.pause_reading()  # type: ignore[attr-defined]
        romeo = await RawClient.login(address, "romeo")
        body = "x" * 10_000
        count = 1500
        for number in range(count):
            romeo.send(
                f"<message to='juliet@localhost/balcony' type='chat' id='{number}'><body>{body}</body></message>"
            )
        assert await romeo.ping(20) < 10
        session = next(one for one in server.sessions if one.jid.localpart == "juliet")
        assert session.transport is not None
        assert session.transport.buffered < 524_288
        juliet.abort()
        again = await RawClient.authenticated(address, "juliet")
        seen: list[str] = []
        again.handled = 0
        again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>")
        while len(seen) < count:
            element = await again.read(20)
            if element.tag.endswith("message"):
                seen.append(element.attrib["id"])
            elif element.tag == SM + "r":
                again.acknowledge()
        assert seen == [str(number) for number in range(count)]
        again.abort()
        romeo.abort()


async def test_a_slow_reader_without_stream_management_is_cut_off(tmp_path: Path) -> None:
    config = settings(tmp_path, limits=Limits(outbox_bytes=524_288))
    async with running(config, "romeo", "juliet") as server:
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        juliet.writer.transport.pause_reading()  # type: ignore[attr-defined]
        romeo = await RawClient.login(address, "romeo")
        for number in range(1500):
            romeo.send(f"<message to='juliet@localhost/balcony' id='{number}'><body>{'x' * 10_000}</body></message>")
        assert await romeo.ping(20) < 10
        assert [session.jid.localpart for session in server.sessions] == ["romeo"]
        juliet.abort()
        romeo.abort()


async def test_a_client_past_its_rate_is_read_slowly_and_others_do_not_notice(tmp_path: Path) -> None:
    config = settings(tmp_path, limits=Limits(client_bytes_per_s=150_000))
    async with running(config, "romeo", "juliet") as server:
        address = door(server, "c2s_tls")
        romeo = await RawClient.login(address, "romeo")
        juliet = await RawClient.login(address, "juliet")
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(400):  # more than one read of the socket takes
            romeo.send(f"<message to='romeo@localhost' id='{number}'><body>{'x' * 1000}</body></message>")
        flood = asyncio.create_task(romeo.ping(20))
        assert await juliet.ping() < 0.5
        await flood
        assert loop.time() - start > 0.2
        romeo.abort()
        juliet.abort()


async def test_requests_that_take_time_do_not_lift_the_rate(tmp_path: Path) -> None:
    config = settings(tmp_path, limits=Limits(client_bytes_per_s=100_000), storage=f"sqlite:///{tmp_path}/xmpp.db")
    async with running(config, "romeo") as server:
        romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(150):
            query = f"<query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>{'x' * 2000}</a></query>"
            romeo.send(f"<iq type='set' id='p{number}'>{query}</iq>")
        await romeo.ping(20)
        assert loop.time() - start > 0.9
        romeo.abort()
