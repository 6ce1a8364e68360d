"""The HTTP server's doors: TLS, renewed certificates, too many connections, public URLs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace
from structlog.testing import capture_logs

from components.xmpp_files.http import is_https


def certify(authority: trustme.CA, folder: Path) -> None:
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))


def shown(context: ssl.SSLContext, address: str) -> str:
    """The serial number of the certificate that the server shows."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        return str(tls.getpeercert()["serialNumber"])


class TestTls:
    """With a certificate of its own."""

    @pytest.fixture
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def http_settings(self, http_settings, authority, tmp_path):
        certify(authority, tmp_path)
        pem = str(tmp_path / "tls.pem")
        return replace(http_settings, certificate=pem, key=pem)

    async def test_files_go_over_tls(self, server, authority):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        put, get, _ = await server.slot(4)
        assert is_https(put)
        async with server.client.put(put, data=b"data", ssl=context, headers={"Content-Type": "image/jpeg"}) as answer:
            assert answer.status == 201
        async with server.client.get(get, ssl=context) as answer:
            assert await answer.read() == b"data"

    async def test_a_renewed_certificate_is_taken_and_a_bad_one_is_not(self, server, authority, tmp_path):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        (address,) = server.http.addresses
        first = await asyncio.to_thread(shown, context, address)
        certify(authority, tmp_path)
        server.http.reload()
        second = await asyncio.to_thread(shown, context, address)
        assert first != second
        (tmp_path / "tls.pem").write_text("nonsense")
        with pytest.raises(OSError, match="PEM"):
            server.http.reload()
        assert await asyncio.to_thread(shown, context, address) == second


class TestFew:
    """Few connections."""

    @pytest.fixture
    def http_settings(self, http_settings):
        return replace(http_settings, connections=2, public_url="https://upload.example.org/files/")

    async def test_a_connection_too_many_is_ended(self, server):
        host, _, port = server.http.addresses[0].rpartition(":")
        writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(2)]
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        for one in (*writers, writer):
            one.close()

    async def test_clients_are_told_the_public_url(self, server):
        assert server.http.url == "https://upload.example.org/files"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"PUT /abcdefgh/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "Bad"),
        (b"GET /abcdefgh/\xff HTTP/1.1\r\nHost: x\r\n\r\n", "InvalidURLError"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "LineTooLong"),
    ],
)
async def test_what_is_no_http_is_no_error_of_ours(server, caplog, request_, reason):
    host, _, port = server.http.addresses[0].rpartition(":")
    with capture_logs() as logs:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_)
        async with asyncio.timeout(5):
            assert b" 400 " in await reader.readline()
        writer.close()
    assert [(one["event"], one["reason"].startswith(reason)) for one in logs] == [("request-damaged", True)]
    assert not caplog.records
