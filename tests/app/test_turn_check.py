"""`check turn`: against servers that answer by script, and against coturn."""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

import pytest

from tests.peers import need
from xmpp_server.app import turn_check
from xmpp_server.app.config import load
from xmpp_server.app.diagnosis import Finding, Level, diagnose
from xmpp_server.app.modules import MODULE_CONFIGS
from xmpp_server.app.settings import Config, ModuleSettings
from xmpp_server.app.stun import COOKIE, Attribute, Login, Method
from xmpp_server.modules.external_services import ExternalService, ExternalServicesConfig
from xmpp_server.net.self_signed import ensure_self_signed

HOST = "127.0.0.1"
#: What a scripted server says to a request.
Answer = Callable[[bytes], bytes]
LOGIN = Login("user", "pass", b"example.org", b"nonce")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address(kind: int, text: str, port: int = 5000) -> bytes:
    packed = int(IPv4Address(text)) ^ COOKIE
    return attribute(kind, struct.pack("!BBHI", 0, 1, port ^ COOKIE >> 16, packed))


def says(*attributes: bytes, error: int = 0, signed: bool = False) -> Answer:
    """An answer with attributes, of the class that `error` asks for."""
    parts = list(attributes)
    if error:
        parts.append(attribute(Attribute.ERROR_CODE, bytes((0, 0, error // 100, error % 100)) + b"No"))

    def answer(request: bytes) -> bytes:
        (kind,) = struct.unpack_from("!H", request)
        body = b"".join(parts)

        def head(size: int) -> bytes:
            return struct.pack("!HH", kind | (0x110 if error else 0x100), size) + request[4:20]

        if signed:
            made = hmac.digest(LOGIN.key, head(len(body) + 24) + body, "sha1")
            body += attribute(Attribute.MESSAGE_INTEGRITY, made)
        return head(len(body)) + body

    return answer


CHALLENGE = says(attribute(Attribute.REALM, b"example.org"), attribute(Attribute.NONCE, b"nonce"), error=401)
RELAY = says(
    address(Attribute.XOR_RELAYED_ADDRESS, HOST), address(Attribute.XOR_MAPPED_ADDRESS, HOST, 6000), signed=True
)
DONE = says(signed=True)


class Scripted(asyncio.DatagramProtocol):
    """A server that gives its answers one after another."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.requests.append(int.from_bytes(data[:2], "big"))
        if self.answers:
            self.transport.sendto(self.answers.pop(0)(data), addr)


@asynccontextmanager
async def scripted(*answers: Answer) -> AsyncIterator[tuple[Scripted, int]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Scripted(*answers), local_addr=(HOST, 0))
    try:
        yield protocol, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@asynccontextmanager
async def stream(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says the same to everybody, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(20)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def turn(port: int, **values: str) -> ExternalService:
    rest = values or {"username": "user", "password": "pass"}
    return ExternalService(**{"type": "turn", "host": HOST, "port": port, **rest})  # type: ignore[arg-type]


async def found(*services: ExternalService) -> list[Finding]:
    settings = ModuleSettings(enabled=None, config=ExternalServicesConfig(services))
    return await diagnose(Config(modules={"external_services": settings}), ("turn",))


async def test_an_allocation() -> None:
    async with scripted(CHALLENGE, RELAY, DONE) as (server, port):
        [finding] = await found(turn(port))
    assert finding == Finding("turn", Level.OK, f"turn {HOST}:{port}/udp: allocates a relay at {HOST}:5000")
    assert server.requests == [Method.ALLOCATE, Method.ALLOCATE, Method.REFRESH]


async def test_a_nonce_that_has_aged() -> None:
    stale = says(attribute(Attribute.NONCE, b"another"), error=438)
    async with scripted(CHALLENGE, stale, RELAY, DONE) as (_, port):
        [finding] = await found(turn(port))
    assert finding.level is Level.OK


async def test_a_binding() -> None:
    async with scripted(says(address(Attribute.XOR_MAPPED_ADDRESS, "192.0.2.7"))) as (_, port):
        [finding] = await found(ExternalService(type="stun", host=HOST, port=port))
    assert (finding.level, finding.text) == (Level.OK, f"stun {HOST}:{port}/udp: answers; it sees us at 192.0.2.7:5000")


@pytest.mark.parametrize(
    ("kind", "answers", "text"),
    [
        ("stun", [says()], "tells no address"),
        ("stun", [says(error=400)], "refuses: 400 No"),
        ("stun", [lambda _: b"what?"], "the answer is not STUN"),
        ("turn", [says(), says()], "relays for anybody, without a password"),
        ("turn", [says(error=403)], "refuses: 403 No"),
        ("turn", [CHALLENGE, CHALLENGE], "refuses: 401 No"),
        ("turn", [CHALLENGE, says(error=486)], "refuses: 486 No"),
        ("turn", [CHALLENGE, DONE, DONE], "allocates a relay without an address"),
        (
            "turn",
            [CHALLENGE, says(address(Attribute.XOR_RELAYED_ADDRESS, "0.0.0.0"), signed=True), DONE],
            "relays at 0.0.0.0:5000, which nobody outside can reach",
        ),
        (
            "turn",
            [
                CHALLENGE,
                says(
                    address(Attribute.XOR_RELAYED_ADDRESS, "10.0.0.1"),
                    address(Attribute.XOR_MAPPED_ADDRESS, "1.1.1.1"),
                    signed=True,
                ),
                DONE,
            ],
            "relays at 10.0.0.1:5000, which nobody outside can reach",
        ),
    ],
)
async def test_what_is_wrong(kind: str, answers: list[Answer], text: str) -> None:
    async with scripted(*answers) as (_, port):
        service = turn(port) if kind == "turn" else ExternalService(type=kind, host=HOST, port=port)
        [finding] = await found(service)
    assert (finding.level, finding.text) == (Level.ERROR, f"{kind} {HOST}:{port}/udp: {text}")
    assert finding.remedy


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_check, "TRY_S", 0.01)
    async with scripted() as (server, port):
        [finding] = await found(turn(port))
    assert finding.text.endswith(": no answer")
    assert len(server.requests) == turn_check.TRIES


async def test_one_lost_answer_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_check, "TRY_S", 0.1)
    late = says(address(Attribute.XOR_MAPPED_ADDRESS, HOST))
    wrong: Answer = lambda request: late(request[:8] + bytes(12))  # noqa: E731
    async with scripted(wrong, late) as (_, port):
        [finding] = await found(ExternalService(type="stun", host=HOST, port=port))
    assert finding.level is Level.OK


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nobody_is_there(transport: str) -> None:
    with socket.socket() as held:
        held.bind((HOST, 0))
        [finding] = await found(turn(held.getsockname()[1], transport=transport, secret="geheim"))
    assert finding.text.endswith(": nobody listens there")


async def test_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    [finding] = await found(ExternalService(type="turn", host="turn.invalid", secret="geheim"))
    assert finding.text == "turn turn.invalid:3478/udp: does not resolve: Name or service not known"


async def test_a_stream_that_is_no_turn() -> None:
    async with stream(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        [finding] = await found(turn(port, transport="tcp", secret="geheim"))
    assert finding.text.endswith("the answer is not STUN")
    async with stream(b"") as port:
        [finding] = await found(turn(port, transport="tcp", secret="geheim"))
    assert finding.level is Level.ERROR


async def test_tls_that_cannot_be_trusted(tmp_path: Path) -> None:
    path = ensure_self_signed(tmp_path / "tls", ["localhost"]).source
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with stream(b"", context) as port:
        [finding] = await found(turn(port, type="turns", secret="geheim"))
    assert "its certificate is not trusted" in finding.text
    async with stream(b"plain text, which is no TLS") as port:
        [finding] = await found(turn(port, type="turns", secret="geheim"))
    assert finding.level is Level.ERROR


async def test_what_is_not_tried() -> None:
    findings = await found(
        ExternalService(type="ftp", host="192.0.2.1"),
        ExternalService(type="turns", host="192.0.2.1", transport="udp", secret="geheim"),
    )
    assert [finding.level for finding in findings] == [Level.OK, Level.OK]
    assert all("not tried" in finding.text for finding in findings)
    off = ModuleSettings(enabled=False, config=ExternalServicesConfig((turn(1),)))
    [finding] = await diagnose(Config(modules={"external_services": off}), ("turn",))
    assert finding.text == "no services are configured"


def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    config = tmp_path / "server.toml"
    config.write_text(
        "[modules.external_services]\nservices = [{ type = 'turn', host = 'turn.lit', secret_file = 'secret' }]"
    )
    settings = load(config, MODULE_CONFIGS).modules["external_services"].config
    assert isinstance(settings, ExternalServicesConfig)
    assert settings.services == (ExternalService(type="turn", host="turn.lit", secret="geheim"),)


# The real one.


@pytest.fixture
def coturn(tmp_path: Path) -> Iterator[int]:
    """coturn on loopback, with the secret "geheim"; its port."""
    program = need("turnserver", "coturn")
    with socket.socket(type=socket.SOCK_DGRAM) as held:
        held.bind((HOST, 0))
        port: int = held.getsockname()[1]
    options = [
        *("-c", "/dev/null", "--listening-ip", HOST, "--relay-ip", HOST, "--listening-port", str(port)),
        *("--use-auth-secret", "--static-auth-secret", "geheim", "--realm", "example.org"),
        *("--no-tls", "--no-dtls", "--no-cli", "--no-rfc5780", "--userdb", str(tmp_path / "turndb")),
        *("--pidfile", str(tmp_path / "pid"), "--simple-log", "--log-file", str(tmp_path / "log")),
    ]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(10)


async def test_coturn(coturn: int) -> None:
    good = turn(coturn, secret="geheim")
    for _ in range(50):
        [finding] = await found(good)
        if finding.level is Level.OK:
            break
        await asyncio.sleep(0.1)
    findings = await found(
        ExternalService(type="stun", host=HOST, port=coturn),
        good,
        turn(coturn, secret="geheim", transport="tcp"),
        turn(coturn, secret="other"),
        turn(coturn, username="user", password="pass"),
        turn(coturn, host=HOST),
    )
    parts = [finding.text.partition(": ")[2] for finding in findings]
    assert parts[0].startswith(f"answers; it sees us at {HOST}:")
    assert parts[1].startswith(f"allocates a relay at {HOST}:")
    assert parts[2].startswith(f"allocates a relay at {HOST}:")
    assert parts[3:5] == ["refuses: 401 Unauthorized"] * 2
    assert parts[5] == "answers; there are no credentials here to try it with"
