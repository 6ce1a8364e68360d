"""Components of the whole server, over sockets: TCP, Unix sockets and direct TLS; what they do wrong; its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha1
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.app.live_server import DOORS, door, running, settings
from tests.peers import trusting
from tests.raw import ClosedError, RawClient, condition
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Component, Config, Timeouts
from xmpp_server.core.component_limits import ComponentLimits

FILES, PROXY = "files.localhost", "proxy.localhost"
SECRET = "geheim"
ACCEPT = "{jabber:component:accept}"


class RawComponent(RawClient):
    """A component of sockets and text."""

    @classmethod
    async def at(cls, where: str | tuple[str, int], *, tls: bool = False) -> RawComponent:
        if isinstance(where, str):
            reader, writer = await asyncio.open_unix_connection(where.removeprefix("unix:"))
        else:
            reader, writer = await asyncio.open_connection(*where, ssl=trusting() if tls else None)
        return cls(reader, writer)

    async def __aenter__(self) -> RawComponent:
        return self

    async def shake(self, domain: str = FILES, secret: str = SECRET, behind: str = "") -> ET.Element:
        """Send header and handshake; return the answer."""
        self.send(
            f"<stream:stream xmlns='{ACCEPT[1:-1]}' xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
        )
        while self._root is None:
            self._feed(await self._reader.read(4096))
        proof = sha1((self._root.get("id", "") + secret).encode(), usedforsecurity=False).hexdigest()
        self.send(f"<handshake>{proof}</handshake>{behind}")
        return await self.read()


def config(folder: Path, doors: tuple[str, ...] = DOORS, limits: ComponentLimits | None = None) -> Config:
    component = Component(domains=(FILES, PROXY), secret=SECRET, limits=limits or ComponentLimits())
    base = settings(folder, timeouts=Timeouts(close_s=1.0))
    listen = msgspec.structs.replace(base.listen, component=doors, component_tls=DOORS)
    return msgspec.structs.replace(base, listen=listen, components=(component,))


@contextlib.asynccontextmanager
async def connected(server: Server, domain: str = FILES) -> AsyncIterator[RawComponent]:
    async with await RawComponent.at(door(server, "component")) as component:
        assert (await component.shake(domain)).tag == ACCEPT + "handshake"
        yield component


async def test_both_ways_on_tcp(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server, connected(server) as component:
        romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
        romeo.send(f"<message to='u@{FILES}' id='1'><body>hi</body></message>")
        heard = await component.read()
        assert heard.tag == ACCEPT + "message"  # its own default namespace
        assert heard[0].tag == ACCEPT + "body"
        assert heard.get("from") == romeo.jid
        component.send(f"<message from='u@{FILES}' to='{romeo.jid}'><body>ho</body></message>")
        answer = await romeo.read()
        assert (answer.tag, answer.get("from")) == ("{jabber:client}message", f"u@{FILES}")
        assert answer[0].tag == "{jabber:client}body"
        romeo.abort()


async def test_unix_socket(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/component.sock"
    async with running(config(tmp_path / "data", (path,))), await RawComponent.at(path) as component:
        assert (await component.shake()).tag == ACCEPT + "handshake"


async def test_direct_tls(tmp_path: Path) -> None:
    async with (
        running(config(tmp_path)) as server,
        await RawComponent.at(door(server, "component_tls"), tls=True) as component,
    ):
        assert (await component.shake(PROXY)).tag == ACCEPT + "handshake"


async def test_without_components_the_door_stays_shut(tmp_path: Path) -> None:
    closed = msgspec.structs.replace(config(tmp_path), components=())
    async with running(closed) as server:
        assert server.addresses["component"] == []


@pytest.mark.parametrize(
    ("domain", "secret", "expected"),
    [(FILES, "wrong", "not-authorized"), ("other.localhost", SECRET, "host-unknown")],
)
async def test_strangers_are_sent_away(tmp_path: Path, domain: str, secret: str, expected: str) -> None:
    async with running(config(tmp_path)) as server, await RawComponent.at(door(server, "component")) as component:
        assert condition([await component.shake(domain, secret), *await component.rest(5)]) == expected


async def test_a_secret_is_made_and_read(tmp_path: Path) -> None:
    file = tmp_path / "made" / "files.secret"
    component = Component(domains=(FILES,), secret_file=str(file))
    made = msgspec.structs.replace(config(tmp_path), components=(component,))
    async with running(made) as server, await RawComponent.at(door(server, "component")) as peer:
        assert file.stat().st_mode & 0o777 == 0o600
        assert (await peer.shake(secret=file.read_text().strip())).tag == ACCEPT + "handshake"


async def test_a_spoofed_sender_ends_the_stream(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server, connected(server) as component:
        component.send("<message from='juliet@localhost' to='romeo@localhost'><body>spoofed</body></message>")
        assert condition(await component.rest(5)) == "invalid-from"


async def test_an_oversize_stanza_ends_the_stream(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server, connected(server) as component:
        component.send(f"<message from='{FILES}' to='romeo@localhost'><body>".encode() + b"x" * 600_000)
        assert condition(await component.rest(5)) == "policy-violation"


async def test_what_is_not_xml_ends_the_stream(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as server, connected(server) as component:
        component.send("<!DOCTYPE x>")
        assert condition(await component.rest(5)) == "restricted-xml"


async def test_the_handshake_has_its_time(tmp_path: Path) -> None:
    base = config(tmp_path)
    hasty = msgspec.structs.replace(base, timeouts=Timeouts(negotiation_s=0.3, close_s=0.3))
    async with running(hasty) as server, await RawComponent.at(door(server, "component")) as component:
        assert condition(await component.rest(5)) == "connection-timeout"


async def test_a_thousand_requests_are_answered_when_the_component_dies(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server:
        async with connected(server) as component:
            romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
            for number in range(1000):
                romeo.send(f"<iq to='{FILES}' type='get' id='{number}'><x xmlns='urn:x'/></iq>")
            for _ in range(1000):
                await component.read()
            component.abort()
        answers = [await romeo.read() for _ in range(1000)]
        assert {answer.get("type") for answer in answers} == {"error"}
        assert {answer[0][0].tag.partition("}")[2] for answer in answers} == {"remote-server-timeout"}
        assert {answer.get("id") for answer in answers} == {str(number) for number in range(1000)}
        romeo.abort()


async def test_it_comes_back_and_gets_what_has_waited(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server:
        romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
        async with connected(server) as component:
            await component.close()
        romeo.send(f"<message to='{FILES}' id='late'/>")
        await romeo.ping()
        async with connected(server) as component:
            assert (await component.read()).get("id") == "late"
        romeo.abort()


async def test_stanzas_that_wait_for_storage_stay_in_order(tmp_path: Path) -> None:
    async with running(config(tmp_path), "romeo") as server, connected(server) as component:
        for number in range(20):  # romeo is not in memory, and offline
            component.send(f"<message from='{FILES}' to='romeo@localhost' id='{number}'><body>hi</body></message>")
        component.send(f"<iq from='{FILES}' to='localhost' type='get' id='done'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert (await component.read()).get("id") == "done"
        romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
        romeo.send("<presence/>")
        messages = [await romeo.until(lambda element: element.tag.endswith("}message")) for _ in range(20)]
        assert [message.get("id") for message in messages] == [str(number) for number in range(20)]
        romeo.abort()


async def test_a_flood_is_read_at_its_rate(tmp_path: Path) -> None:
    limits = ComponentLimits(bytes_per_s=20_000)
    async with running(config(tmp_path, limits=limits)) as server, connected(server) as component:
        ping = f"<iq from='{FILES}' to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
        loop = asyncio.get_running_loop()
        start = loop.time()
        count = 30_000 // len(ping)
        component.send(ping * count)
        for _ in range(count):
            await component.read()
        component.send(ping)
        await component.read()
        assert loop.time() - start > 0.3


async def test_too_many_connections(tmp_path: Path) -> None:
    limits = ComponentLimits(connections=1)
    async with (
        running(config(tmp_path, limits=limits)) as server,
        connected(server),
        await RawComponent.at(door(server, "component")) as second,
    ):
        assert (await second.shake()).tag == ACCEPT + "handshake"
        assert condition(await second.rest(5)) == "conflict"


async def test_a_component_is_told_of_the_shutdown(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(config(tmp_path)))
        component = await RawComponent.at(door(server, "component"))
        await component.shake()
        reading = asyncio.create_task(component.rest(5))
        await stack.aclose()
        assert condition(await reading) == "system-shutdown"
        component.abort()


async def test_a_component_that_closes_is_let_go(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as server, connected(server) as component:
        component.send("</stream:stream>")
        with pytest.raises(ClosedError):
            await component.read()
        assert component.footer
        assert not server.components.components.all[0].is_connected


async def test_half_a_connection_is_closed(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as server, connected(server) as component:
        component.writer.write_eof()
        await component.rest(5)
        assert not server.components.components.all[0].is_connected


async def test_the_stanzas_in_the_segment_of_the_handshake_are_taken(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as server, await RawComponent.at(door(server, "component")) as component:
        ping = f"<iq from='{FILES}' to='localhost' type='get' id='early'><ping xmlns='urn:xmpp:ping'/></iq>"
        assert (await component.shake(behind=ping)).tag == ACCEPT + "handshake"
        assert (await component.read()).get("id") == "early"
