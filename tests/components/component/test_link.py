"""The link against a server of a few lines: XEP-0114's handshake, answers, and what happens when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import trustme
from structlog.testing import capture_logs

from components.xmpp_component.back_off import BackOff
from components.xmpp_component.errors import RequestError
from components.xmpp_component.link import Link
from components.xmpp_component.settings import Server
from tests.components.waiting import until

DOMAIN, SECRET, NS = "thing.example.org", "s3cret", "urn:example:thing"
TIMEOUT_S = 5.0


class Waits(BackOff):
    """Tells which waits were asked for, and makes them short."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def lost(self) -> float:
        self.asked.append("lost")
        return 0.001

    def refused(self) -> float:
        self.asked.append("refused")
        return 0.001


@dataclass
class Door:
    """A server's door for components: one connection after the other, each handled by the test."""

    is_tls: bool = False
    name: str = "localhost"
    secret: str = SECRET
    streams: asyncio.Queue[Stream] = field(default_factory=asyncio.Queue)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.streams.put_nowait(Stream(reader, writer))

    async def stream(self) -> Stream:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.streams.get()

    async def shut(self) -> None:
        """Let go of everybody, those who have just come as well."""
        for _ in range(5):  # turns of the loop that it takes to accept a connection
            await asyncio.sleep(0)
        for writer in self.writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def accepted(self) -> Stream:
        """A connection after its handshake."""
        stream = await self.stream()
        proof = await stream.handshake()
        assert proof == hashlib.sha1(f"id1{self.secret}".encode()).hexdigest()
        stream.write("<handshake/>")
        return stream


@dataclass
class Stream:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self, text: str) -> None:
        self.writer.write(text.encode())

    async def read_until(self, text: str) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            return (await self.reader.readuntil(text.encode())).decode()

    async def handshake(self) -> str:
        header = await self.read_until(">")
        assert "jabber:component:accept" in header
        assert DOMAIN in header
        self.write(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            f"xmlns:stream='http://etherx.jabber.org/streams' from='{DOMAIN}' id='id1'>"
        )
        answer = await self.read_until("</handshake>")
        return answer.removesuffix("</handshake>").rpartition(">")[2]

    async def asked(self, iq: str, kind: str = "get") -> ET.Element:
        """The answer to a request."""
        self.write(f"<iq type='{kind}' id='i1' from='a@example.org/x' to='{DOMAIN}'>{iq}</iq>")
        return ET.fromstring(await self.read_until("</iq>"))

    def close(self) -> None:
        self.writer.close()


class Slow:
    """A request to the link that is answered when the test says so."""

    REQUEST = f"<iq type='get' id='i1' from='a@example.org/x' to='{DOMAIN}'><slow xmlns='{NS}'/></iq>"

    def __init__(self, link: Link) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        link.answers({"get": self.answer}, f"{{{NS}}}slow")

    async def answer(self, _payload: ET.Element, _sender: str) -> None:
        self.asked.set()
        await self.go.wait()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(params=["tcp", "tls", "unix"])
async def door(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Door, str]]:
    door = Door(is_tls=request.param == "tls")
    if request.param == "unix":
        server = await asyncio.start_unix_server(door.take, tmp_path / "door")
        address = f"unix:{tmp_path / 'door'}"
    else:
        server = await asyncio.start_server(door.take, "127.0.0.1", 0, ssl=tls(tmp_path, monkeypatch, door))
        address = f"localhost:{server.sockets[0].getsockname()[1]}"
    yield door, address
    server.close()
    await door.shut()
    await server.wait_closed()


def tls(folder: Path, monkeypatch: pytest.MonkeyPatch, door: Door) -> ssl.SSLContext | None:
    """A context whose certificate the system trusts, as far as we know."""
    if not door.is_tls:
        return None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(door.name).configure_cert(context)
    return context


@pytest.fixture
async def link(door: tuple[Door, str], waits: Waits) -> AsyncIterator[Link]:
    link = Link(DOMAIN, Server(address=door[1], tls=door[0].is_tls, secret=SECRET), waits)
    yield link
    for writer in door[0].writers:
        writer.transport.abort()
    await link.stop()


async def test_it_answers_requests(door: tuple[Door, str], link: Link) -> None:
    async def echo(payload: ET.Element, sender: str) -> ET.Element:
        return ET.Element(f"{{{NS}}}echo", sender=sender, word=payload.get("word", ""))

    async def text(_payload: ET.Element, _sender: str) -> str:
        return f"<text xmlns='{NS}'/>"

    async def nothing(_payload: ET.Element, _sender: str) -> None:
        return None

    async def refuse(_payload: ET.Element, _sender: str) -> None:
        extension = ET.Element(f"{{{NS}}}too-late")
        raise RequestError("not-allowed", "cancel", "No & never", extension)

    async def fail(_payload: ET.Element, _sender: str) -> None:
        raise ZeroDivisionError

    for name, answerer in (("echo", echo), ("text", text), ("nothing", nothing), ("refuse", refuse), ("fail", fail)):
        link.answers({"get": answerer}, f"{{{NS}}}{name}")
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    assert link.transport is not None
    connection = link.transport.get_extra_info("socket")
    assert connection.family == socket.AF_UNIX or connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    answer = await stream.asked(f"<echo xmlns='{NS}' word='hi'/>")
    assert answer.attrib == {"type": "result", "id": "i1", "from": DOMAIN, "to": "a@example.org/x"}
    assert answer[0].attrib == {"sender": "a@example.org/x", "word": "hi"}
    assert (await stream.asked(f"<text xmlns='{NS}'/>"))[0].tag == f"{{{NS}}}text"
    assert len(await stream.asked(f"<nothing xmlns='{NS}'/>")) == 0
    error = (await stream.asked(f"<refuse xmlns='{NS}'/>"))[0]
    names = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
    assert [error.get("type"), *(child.tag for child in error)] == [
        "cancel",
        f"{names}not-allowed",
        f"{names}text",
        f"{{{NS}}}too-late",
    ]
    assert error.findtext(f"{names}text") == "No & never"
    assert (await stream.asked(f"<echo xmlns='{NS}'/>", "set"))[0][0].tag == f"{names}bad-request"
    with capture_logs() as logs:
        assert (await stream.asked(f"<fail xmlns='{NS}'/>"))[0][0].tag == f"{names}internal-server-error"
    assert [line["event"] for line in logs] == ["request-failed"]
    stream.close()


async def test_presence_is_told_and_not_kept(door: tuple[Door, str], link: Link) -> None:
    told: list[tuple[str, str]] = []
    link.add_event_handler("directed_presence", lambda one: told.append((one["from"].full, one["type"])))
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    for number in range(3):
        stream.write(f"<presence from='a{number}@example.org/x' to='{DOMAIN}'/>")
    stream.write(f"<presence from='b@example.org' to='{DOMAIN}' type='subscribe'/>")
    stream.write(f"<message from='b@example.org' to='{DOMAIN}'/>")
    answer = await stream.asked("<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert answer.tag == "iq"  # and nothing before it: nobody may subscribe
    assert told == [*((f"a{number}@example.org/x", "available") for number in range(3)), ("b@example.org", "subscribe")]
    assert not [jid for jid in link.roster if jid != DOMAIN]
    stream.close()


async def test_it_comes_back_after_a_lost_connection(door: tuple[Door, str], link: Link, waits: Waits) -> None:
    link.start()
    for _ in range(3):
        stream = await door[0].accepted()
        await until(lambda: link.is_ready)
        stream.close()
        await until(lambda: not link.is_ready)
    await door[0].accepted()
    assert waits.asked == ["lost"] * 3


async def test_it_ends_its_stream_when_it_stops(door: tuple[Door, str], link: Link, waits: Waits) -> None:
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    stopping = asyncio.create_task(link.stop())
    await stream.read_until("</stream:stream>")
    stream.close()
    await stopping
    assert not link.is_ready
    assert waits.asked == []


async def test_answers_under_way_are_sent_before_it_stops(door: tuple[Door, str], link: Link) -> None:
    slow = Slow(link)
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    stream.write(slow.REQUEST)
    await until(slow.asked.is_set)
    stopping = asyncio.create_task(link.stop())
    await asyncio.sleep(0)
    slow.go.set()
    assert "type='result'" in await stream.read_until("</stream:stream>")
    stream.close()
    await stopping


async def test_a_refusal_is_told_and_waited_out(door: tuple[Door, str], link: Link, waits: Waits) -> None:
    error = "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    with capture_logs() as logs:
        link.start()
        for _ in range(2):
            stream = await door[0].stream()
            await stream.handshake()
            stream.write(error)
        await door[0].accepted()
        await until(lambda: link.is_ready)
    assert waits.asked == ["refused", "refused"]
    told = [line for line in logs if line["event"] == "refused-by-server"]
    assert [(line["condition"], line["hint"]) for line in told] == [
        ("not-authorized", "the server has another secret for this domain")
    ] * 2


async def test_a_stopping_server_has_not_refused(door: tuple[Door, str], link: Link, waits: Waits) -> None:
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    stream.write("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    stream.write("</stream:stream>")
    await door[0].accepted()
    assert waits.asked == ["lost"]


async def test_a_server_that_says_nothing_is_given_up(
    door: tuple[Door, str], link: Link, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.xmpp_component.link._CONNECT_TIMEOUT_S", 0.05)
    link.start()
    silent = await door[0].stream()
    await silent.handshake()  # and no word more
    await door[0].stream()
    assert waits.asked[0] == "lost"


async def test_nobody_is_there(tmp_path: Path, waits: Waits) -> None:
    link = Link(DOMAIN, Server(address=f"unix:{tmp_path / 'nobody'}", secret=SECRET), waits)
    with capture_logs() as logs:
        link.start()
        await until(lambda: len(waits.asked) >= 3)
        await link.stop()
    assert set(waits.asked) == {"lost"}
    assert {line["event"] for line in logs} == {"not-connected"}


async def test_an_answer_that_comes_after_the_connection_is_dropped(door: tuple[Door, str], link: Link) -> None:
    slow = Slow(link)
    link.start()
    stream = await door[0].accepted()
    await until(lambda: link.is_ready)
    stream.write(slow.REQUEST)
    with capture_logs() as logs:
        await until(slow.asked.is_set)
        stream.close()
        await until(lambda: not link.is_ready)
        slow.go.set()
        await until(lambda: any(line["event"] == "answer-dropped" for line in logs))


async def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(is_tls=True, name="other.example")
    server = await asyncio.start_server(door.take, "127.0.0.1", 0, ssl=tls(tmp_path, monkeypatch, door))
    address = f"localhost:{server.sockets[0].getsockname()[1]}"
    link = Link(DOMAIN, Server(address=address, tls=True, secret=SECRET), waits)
    link.start()
    await until(lambda: len(waits.asked) >= 2)
    assert door.streams.empty()
    await link.stop()
    server.close()
    await door.shut()
    await server.wait_closed()
