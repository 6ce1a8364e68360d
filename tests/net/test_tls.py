"""TLS through connections, with the standard library's client at the other end."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from OpenSSL import SSL

from tests.net.conftest import Serve, settle
from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair
from xmpp_server.net.tls import ALPN_XMPP_CLIENT, TlsServer
from xmpp_server.net.tls_channel import PlaintextBuffer, TlsChannel, TlsError


@pytest.fixture
def server(pair: KeyPair) -> TlsServer:
    return TlsServer(lambda: [pair], alpn=[ALPN_XMPP_CLIENT])


async def connect(
    port: int, context: ssl.SSLContext, name: str = "example.org"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [1, 200, 16384, 16385, 1_000_000])
async def test_data_goes_both_ways(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext, version: ssl.TLSVersion, size: int
) -> None:
    recorder, port = await serve(tls=server, limit_bytes=1 << 30)
    trusting.maximum_version = version
    reader, writer = await connect(port, trusting)
    recorder.on_received = lambda data: recorder.link.write(data)
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        writer.write(data)
        assert await reader.readexactly(size) == data
    assert recorder.events[:3] == ["connected", "tls", "received"]
    session = recorder.link.tls
    assert session is not None
    assert session.version == version.name.replace("v1_", "v1.")
    assert (session.alpn, session.peer_certificate) == ("", None)
    writer.close()


async def test_starttls_on_a_connection_in_clear(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    recorder, port = await serve()

    def answer(data: bytes) -> None:
        if data == b"<starttls/>":
            recorder.link.write(b"<proceed/>")
            recorder.link.start_tls(server)

    recorder.on_received = answer
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"<starttls/>")
    assert await reader.readexactly(10) == b"<proceed/>"
    await writer.start_tls(trusting, server_hostname="example.org")
    writer.write(b"secret")
    await recorder.until(lambda: recorder.data == b"<starttls/>secret")
    assert recorder.events == ["connected", "received", "tls", "received"]
    writer.close()


async def test_nothing_is_written_in_clear_while_the_handshake_runs(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    recorder, port = await serve(tls=server)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.setblocking(False)
        await recorder.until_event("connected")
        recorder.link.write(b"early")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            raw.recv(10)
    await recorder.until_event("lost")
    assert recorder.events == ["connected", "lost"]


async def test_what_was_written_early_follows_the_handshake(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    recorder, port = await serve(tls=server)
    opening = asyncio.create_task(connect(port, trusting))
    await recorder.until_event("connected")
    recorder.link.write(b"early")
    reader, writer = await opening
    assert await reader.readexactly(5) == b"early"
    recorder.link.write(b"")
    await asyncio.sleep(0)
    recorder.link.write(b"late")
    assert await reader.readexactly(4) == b"late"
    writer.close()


async def test_the_certificate_is_chosen_by_sni(
    serve: Serve, issue: Callable[..., Path], trusting: ssl.SSLContext
) -> None:
    first, second, wild = (load_key_pair(issue(name)) for name in ("example.org", "example.net", "*.example.com"))
    server = TlsServer(lambda: [first, second, wild])
    trusting.check_hostname = False
    for name, expected in (
        ("example.org", first),
        ("example.net", second),
        ("EXAMPLE.NET", second),
        ("chat.example.com", wild),
        ("a.b.example.com", first),
        ("unknown.example", first),
        (None, first),
    ):
        recorder, port = await serve(tls=server)
        _, writer = await connect(port, trusting, name)  # type: ignore[arg-type]
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        leaf = load_certificate(der)
        assert leaf == expected.chain[0].serial_number
        writer.write(b"x")
        await recorder.until_event("received")
        assert recorder.link.tls is not None
        assert recorder.link.tls.channel_bindings["tls-server-end-point"] == hashlib.sha256(der).digest()
        writer.close()


def load_certificate(der: bytes) -> int:
    from cryptography import x509

    return x509.load_der_x509_certificate(der).serial_number


async def test_alpn_is_agreed_or_refused(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    trusting.set_alpn_protocols(["h2", "xmpp-client"])
    recorder, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "xmpp-client"
    await recorder.until_event("tls")
    assert recorder.link.tls is not None
    assert recorder.link.tls.alpn == "xmpp-client"
    writer.close()

    trusting.set_alpn_protocols(["xmpp-server"])
    recorder, port = await serve(tls=server)
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):  # RFC 7301 §3.2
        await connect(port, trusting)
    await recorder.until_event("lost")
    assert isinstance(recorder.error, TlsError)


async def test_old_versions_are_refused(serve: Serve, server: TlsServer) -> None:
    recorder, port = await serve(tls=server)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    # A ClientHello of TLS 1.1 with one suite, no extensions.
    body = b"\x03\x02" + bytes(32) + b"\x00" + b"\x00\x02\xc0\x13" + b"\x01\x00"
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    writer.write(b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)
    await settle(lambda: recorder.link._closing)
    writer.close()
    await recorder.until_event("lost")
    assert isinstance(recorder.error, TlsError)
    assert "protocol" in str(recorder.error)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"<stream:stream>", bytes(100), b"\xff" * 20_000])
async def test_garbage_is_answered_with_an_end(serve: Serve, server: TlsServer, garbage: bytes) -> None:
    recorder, port = await serve(tls=server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(garbage)
    await reader.read(-1)
    writer.close()
    await recorder.until_event("lost")
    assert isinstance(recorder.error, TlsError)
    assert recorder.events == ["connected", "lost"]


async def test_half_a_client_hello_waits_for_the_stream_deadline(serve: Serve, server: TlsServer) -> None:
    recorder, port = await serve(tls=server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await recorder.until_event("connected")
    recorder.link.close(timeout_s=0.1)
    assert await reader.read(-1) == b"", "no alert makes sense before the handshake"
    writer.close()
    await recorder.until_event("lost")
    assert recorder.error is None


async def test_close_sends_close_notify(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    recorder, port = await serve(tls=server)
    reader, writer = await connect(port, trusting)
    await recorder.until_event("tls")
    recorder.link.write(b"bye")
    recorder.link.close()
    assert await reader.read(-1) == b"bye", "an SSLError here would mean a truncated connection"
    writer.close()
    await recorder.until_event("lost")
    assert recorder.error is None


async def test_close_notify_of_the_peer_is_its_end(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    recorder, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    writer.write(b"last")
    writer.close()
    await writer.wait_closed()
    await recorder.until_event("lost")
    assert recorder.events == ["connected", "tls", "received", "eof", "lost"]


async def test_a_peer_that_vanishes_without_close_notify_ends_too(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    recorder, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    await recorder.until_event("tls")
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await recorder.until_event("lost")
    assert "eof" in recorder.events
    writer.transport.abort()


async def test_an_untrusted_client_certificate_is_taken_and_shown(
    serve: Serve, pair: KeyPair, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    stranger = trustme.CA().issue_cert("juliet@example.org")
    stranger.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    trusting.load_cert_chain(tmp_path / "client.pem")
    server = TlsServer(lambda: [pair], request_client_certificate=True)
    recorder, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    await recorder.until_event("tls")
    session = recorder.link.tls
    assert session is not None
    expected = ssl.PEM_cert_to_DER_cert(stranger.cert_chain_pems[0].bytes().decode())
    assert session.peer_certificate == expected
    assert session.peer_chain[0] == expected
    writer.close()


async def test_a_client_without_certificate_is_welcome_where_one_is_asked_for(
    serve: Serve, pair: KeyPair, trusting: ssl.SSLContext
) -> None:
    server = TlsServer(lambda: [pair], request_client_certificate=True)
    for _ in range(2):
        recorder, port = await serve(tls=server)
        _, writer = await connect(port, trusting)
        await recorder.until_event("tls")
        assert recorder.link.tls is not None
        assert recorder.link.tls.peer_certificate is None
        writer.close()


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
async def test_channel_bindings_are_those_of_the_client(server: TlsServer, pair: KeyPair, version: int) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    client = TlsChannel(connection, PlaintextBuffer(), lambda _: None)
    channel = server.channel()
    client.handshake()
    for _ in range(3):
        channel.receive(client.outgoing())
        client.receive(channel.outgoing())
    assert client.session is not None
    assert channel.session is not None
    assert channel.session.channel_bindings["tls-server-end-point"] == pair.end_point
    bindings = channel.session.channel_bindings
    if version == SSL.TLS1_3_VERSION:
        assert list(bindings) == ["tls-exporter", "tls-server-end-point"]
        exported = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        assert bindings["tls-exporter"] == exported == client.session.channel_bindings["tls-exporter"]
    else:
        assert list(bindings) == ["tls-server-end-point"]
    assert len(client.session.peer_chain) == len(pair.chain)


async def test_renegotiation_is_refused(serve: Serve, server: TlsServer) -> None:
    """CVE-2021-32920: a storm of renegotiations in TLS 1.2."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    client = TlsChannel(connection, PlaintextBuffer(), lambda _: None)
    channel = server.channel()
    client.handshake()
    for _ in range(3):
        channel.receive(client.outgoing())
        client.receive(channel.outgoing())
    before = channel.session
    connection.renegotiate()
    with pytest.raises(SSL.Error):
        connection.do_handshake()
    channel.receive(client.outgoing())
    with pytest.raises(TlsError, match="no renegotiation"):
        client.receive(channel.outgoing())
    assert channel.session is before


async def test_reload_serves_the_new_certificate_and_drops_nobody(
    serve: Serve, issue: Callable[..., Path], trusting: ssl.SSLContext
) -> None:
    pairs = [load_key_pair(issue("example.org"))]
    server = TlsServer(lambda: pairs)
    recorder, port = await serve(tls=server)
    recorder.on_received = lambda data: recorder.link.write(data)
    reader, writer = await connect(port, trusting)
    pairs[0] = load_key_pair(issue("example.org"))
    server.reload()
    writer.write(b"still here")
    assert await reader.readexactly(10) == b"still here"
    writer.close()
    _, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert load_certificate(der) == pairs[0].chain[0].serial_number
    writer.close()


async def test_a_bad_reload_keeps_the_old_certificate(
    serve: Serve, issue: Callable[..., Path], trusting: ssl.SSLContext
) -> None:
    path = issue("example.org")
    server = TlsServer(lambda: [load_key_pair(path)])
    path.write_text("not a certificate")
    with pytest.raises(CertificateError):
        server.reload()
    _, port = await serve(tls=server)
    _, writer = await connect(port, trusting)
    writer.close()


def test_a_server_needs_a_certificate() -> None:
    with pytest.raises(CertificateError):
        TlsServer(list)


async def test_a_flood_of_key_updates_without_reading_is_cut_off(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    """What TLS itself answers counts against the limit too."""
    recorder, port = await serve(tls=server, limit_bytes=10)
    _, writer = await connect(port, trusting)
    await recorder.until_event("tls")
    recorder.link._transport.write(b"x" * 20_000_000)  # type: ignore[union-attr]
    recorder.link._write_control(b"x")
    await recorder.until_event("lost")
    writer.transport.abort()
