"""A domain that floods is slowed down, and nobody else: three real servers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import federation
from tests.app.live_server import running
from tests.net.conftest import settle
from tests.ports import free_ports
from tests.raw import CLIENT, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S

QUIET, FLOODING, SLOWING = "quiet.test", "flooding.test", "slowing.test"
LIMIT = S2S(bytes_per_s=200_000, stanzas_per_s=0)
#: What is saved in ten seconds, and two seconds' worth more.
MESSAGES, SIZE = 480, 5_000


@contextlib.asynccontextmanager
async def three(tmp_path: Path, limit: S2S = LIMIT) -> AsyncIterator[dict[str, Server]]:
    ports = dict(zip((QUIET, FLOODING, SLOWING), free_ports(3), strict=True))
    routes = {domain: f"127.0.0.1:{port}" for domain, port in ports.items()}
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for domain, port in ports.items():
            own = limit if domain == SLOWING else S2S(bytes_per_s=0, stanzas_per_s=0)
            s2s = S2S(routes=routes, bytes_per_s=own.bytes_per_s, stanzas_per_s=own.stanzas_per_s)
            config = federation.settings(tmp_path / domain, domain, s2s, listen={"s2s": (f"127.0.0.1:{port}",)})
            servers[domain] = await stack.enter_async_context(running(config, "romeo"))
        stack.push_async_callback(abort_all)
        yield servers


async def hear(client: RawClient) -> tuple[str, str]:
    heard = await client.until(lambda element: element.tag == CLIENT + "message")
    return (heard.get("from") or "").partition("@")[2].partition("/")[0], heard.findtext(CLIENT + "body") or ""


def say(client: RawClient, target: RawClient, text: str) -> None:
    client.send(f"<message to='{target.jid}' type='chat'><body>{text}</body></message>")


def states(server: Server) -> dict[str, str]:
    """The state of each link by the peer's domain."""
    assert server.federating is not None
    return {str(row["remote"]): str(row["state"]) for row in server.federating.federation.rows()}


@pytest.mark.parametrize("limit", [LIMIT, S2S(bytes_per_s=0, stanzas_per_s=40)], ids=["bytes", "stanzas"])
async def test_a_domain_that_floods(tmp_path, limit):
    async with three(tmp_path, limit) as servers:
        quiet, flooding, slowing = [await federation.login(server, "romeo") for server in servers.values()]
        for client in (quiet, flooding):  # so that links are there
            say(client, slowing, "first")
            assert (await hear(slowing))[1] == "first"
        start = time.monotonic()
        for number in range(MESSAGES):
            say(flooding, slowing, str(number).ljust(SIZE, "."))
        await settle(lambda: states(servers[SLOWING])[FLOODING] == "slowed")
        assert states(servers[SLOWING])[QUIET] == "open"
        say(quiet, slowing, "meanwhile")
        arrived = [await hear(slowing)]
        while arrived[-1][1] != "meanwhile":
            arrived.append(await hear(slowing))
        meanwhile_s = time.monotonic() - start
        flood = [text for domain, text in arrived if domain == FLOODING]
        while len(flood) < MESSAGES:
            flood.append((await hear(slowing))[1])
        took_s = time.monotonic() - start
        assert [int(text.rstrip(".")) for text in flood] == list(range(MESSAGES))  # nothing is lost
        assert took_s > 1.5
        assert meanwhile_s < took_s - 0.5


async def test_who_comes_again_begins_with_nothing_saved(tmp_path):
    async with three(tmp_path) as servers:
        flooding, slowing = [await federation.login(servers[domain], "romeo") for domain in (FLOODING, SLOWING)]
        say(flooding, slowing, "first")
        await hear(slowing)
        for number in range(MESSAGES - 80):
            say(flooding, slowing, str(number).ljust(SIZE, "."))
        for _ in range(MESSAGES - 80):
            await hear(slowing)
        assert servers[SLOWING].federating is not None
        assert servers[FLOODING].federating is not None
        federation_of_the_flooder = servers[FLOODING].federating.federation
        assert federation_of_the_flooder.reset() == 1
        await settle(lambda: not federation_of_the_flooder.links)
        for number in range(160):
            say(flooding, slowing, str(number).ljust(SIZE, "."))
        await settle(lambda: states(servers[SLOWING]).get(FLOODING) == "slowed")
