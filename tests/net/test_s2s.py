"""Two real servers that talk to each other over loopback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.raw import CLIENT, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S

A, B = "a.test", "b.test"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, nor will in the next moments."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.asynccontextmanager
async def pair(tmp_path: Path, first: S2S, second: S2S, **tls: object) -> AsyncIterator[tuple[Server, Server]]:
    """Run a.test and b.test, which know each other's doors."""
    ports = free_ports(2)
    routes = {A: f"127.0.0.1:{ports[0]}", B: f"127.0.0.1:{ports[1]}"}
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for domain, port, s2s in ((A, ports[0], first), (B, ports[1], second)):
            config = federation.settings(
                tmp_path / domain,
                domain,
                S2S(verify=s2s.verify, trust=s2s.trust, routes=routes),
                tls=tls.get(domain),
                listen={"s2s": (f"127.0.0.1:{port}",)},
            )
            servers.append(await stack.enter_async_context(federation.running(config, "romeo", "juliet")))
        stack.push_async_callback(abort_all)
        yield servers[0], servers[1]


async def chat(one: RawClient, other: RawClient, text: str) -> None:
    """One says something, the other hears it."""
    one.send(f"<message to='{other.jid}' type='chat'><body>{text}</body></message>")
    heard = await other.until(lambda element: element.tag == CLIENT + "message")
    assert heard.get("type") == "chat", [child.tag for child in heard.iter()]
    assert heard.get("from") == one.jid
    assert heard.findtext(CLIENT + "body") == text


async def test_certificates_prove_both_sides(tmp_path, authority):
    trust = federation.trusted(tmp_path, authority)
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain, f"*.{domain}") for domain in (A, B)}
    only = S2S(verify="certificate", trust=trust)
    async with pair(tmp_path, only, only, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert first.federating is not None
        rows = list(first.federating.federation.rows())
        assert {(row["direction"], row["remote"], row["tls"]) for row in rows} == {
            ("in", B, "TLSv1.3"),
            ("out", B, "TLSv1.3"),
        }


async def test_dialback_makes_up_for_self_signed_certificates(tmp_path):
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
