"""The whole server inside the test's own process and loop, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.peers import PASSWORD, Address
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Auth, Config, Limits, Listen, ModuleSettings, Storage, Timeouts, Tls
from xmpp_server.jid import JID

DOORS = ("127.0.0.1:0",)
CLOSED: tuple[str, ...] = ()


def settings(
    folder: Path,
    *,
    auth: Auth | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    tls: Tls | None = None,
    storage: str = "memory:",
    modules: Mapping[str, ModuleSettings] | None = None,
) -> Config:
    """Return a configuration that listens on free ports and keeps everything in memory."""
    listen = Listen(c2s=DOORS, c2s_tls=DOORS, http=DOORS, s2s=CLOSED, s2s_tls=CLOSED, component=CLOSED, https=CLOSED)
    return Config(
        data_dir=str(folder),
        listen=listen,
        storage=Storage(url=storage),
        auth=auth or Auth(),
        limits=limits or Limits(),
        timeouts=timeouts or Timeouts(),
        tls=tls or Tls(),
        modules=modules or {},
    )


@contextlib.asynccontextmanager
async def running(config: Config, *users: str) -> AsyncIterator[Server]:
    """Start a server with some accounts, and stop it."""
    server = Server(config)
    await server.start()
    try:
        host = next(iter(server.hosts.values()))
        for user in users:
            await host.provisioning.create(JID.of(user, host.name), PASSWORD)
        yield server
    finally:
        await server.stop()


def door(server: Server, name: str) -> Address:
    """Return the address of a door."""
    host, _, port = server.addresses[name][0].rpartition(":")
    return host, int(port)


async def disable(server: Server, user: str) -> None:
    """Disable an account, as an administrator does on a stopped server."""
    host = next(iter(server.hosts.values()))
    await server.storage.accounts.set_enabled(JID.of(user, host.name), False)
    host.accounts.forget(user)
