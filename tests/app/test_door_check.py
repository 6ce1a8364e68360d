"""`check tls` at the doors of a running server, and of what may stand before one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from tests.federation import certificate, trusted
from tests.peers import COMMAND, DOMAIN, ServerProcess
from xmpp_server.app.door_check import Door, _check, _versions, knock
from xmpp_server.app.finding import Level
from xmpp_server.net.certificates import load_key_pair


@pytest.fixture
def server(tmp_path: Path, authority: trustme.CA) -> Iterator[ServerProcess]:
    tls = certificate(tmp_path / "tls", authority, DOMAIN)
    Path(tls.key).chmod(0o600)
    files = f'[tls]\ncertificate = "{tls.certificate}"\nkey = "{tls.key}"\n'
    process = ServerProcess(tmp_path, config=f'{files}[s2s]\ntrust = "{trusted(tmp_path, authority)}"\n')
    process.start()
    yield process
    process.kill()


def check(server: ServerProcess) -> tuple[int, list[dict[str, str]]]:
    done = subprocess.run(
        [COMMAND, "--config", server.config_file, "check", "tls", "--json"], capture_output=True, text=True, check=False
    )
    return done.returncode, [row for row in json.loads(done.stdout) if "listen." in row["text"]]


def test_every_door_is_tried_for_every_domain(server, tmp_path, authority):
    code, rows = check(server)
    assert code == 0, rows
    doors = {row["text"].split()[0]: row for row in rows}
    assert {"listen.c2s", "listen.c2s_tls"} <= doors.keys()
    assert {row["level"] for row in rows} == {"ok"}
    assert doors["listen.c2s"]["text"].endswith("shows the certificate of each domain, with TLS 1.2 and 1.3")
    certificate(tmp_path / "tls", authority, DOMAIN)  # renewed, and nobody has told the server
    (tmp_path / "tls" / "pair.pem").chmod(0o600)
    code, rows = check(server)
    assert code == 1
    assert {row["level"] for row in rows} == {"error"}
    assert "shows another certificate" in rows[0]["text"]
    assert "xmpp-server reload" in rows[0]["remedy"]
    server.run("reload")
    assert check(server)[0] == 0


class Saying(asyncio.Protocol):
    """A peer that says something, and hangs up if it has nothing to say."""

    def __init__(self, said: bytes = b"") -> None:
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._said)
        if not self._said:
            transport.close()


@contextlib.asynccontextmanager
async def behind(key: str, said: bytes = b"", context: ssl.SSLContext | None = None) -> AsyncIterator[Door]:
    """A door with something else behind it."""
    one = await asyncio.get_running_loop().create_server(lambda: Saying(said), "127.0.0.1", 0, ssl=context)
    async with one:
        yield Door(key, "127.0.0.1", one.sockets[0].getsockname()[1])
    await asyncio.sleep(0.01)  # transports close in a later turn of the loop


def speaking(path: str) -> ssl.SSLContext:
    """TLS of something that ends it before a server, in a way of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_proxy_without_alpn_and_without_the_newest_tls(tmp_path, authority):
    path = certificate(tmp_path, authority, DOMAIN).certificate
    pair = load_key_pair(Path(path))
    context = speaking(path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with behind("c2s_tls", context=context) as door:
        (found,) = [finding async for finding in _check(door, DOMAIN, [pair])]
        assert found.text == f"{door} does not speak xmpp-client (ALPN)"
        (found,) = [finding async for finding in _versions(door, DOMAIN)]
        assert found.level is Level.WARNING
        assert found.text.startswith(f"{door} does not speak TLS 1.3")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_proxy_with_an_old_tls(tmp_path, authority):
    path = certificate(tmp_path, authority, DOMAIN).certificate
    context = speaking(path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    async with behind("s2s_tls", context=context) as door:
        (found,) = [finding async for finding in _versions(door, DOMAIN)]
    assert (found.level, found.text) == (Level.ERROR, f"{door} speaks TLS 1.1, which can be broken")


async def test_a_door_that_says_nothing_of_use(monkeypatch):
    monkeypatch.setattr("xmpp_server.app.door_check.TIMEOUT_S", 0.2)
    for said in (b"", b"<stream:error>", b"x" * 20_000, b"220 mail.example.org ESMTP\r\n"):
        async with behind("c2s", said) as door:
            with pytest.raises((OSError, EOFError, TimeoutError)):
                await knock(door, DOMAIN)
            (found,) = [finding async for finding in _check(door, DOMAIN, [])]
            assert found.level is Level.ERROR
