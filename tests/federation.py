"""Servers that federate inside the test's own process and loop, each with certificates of one authority."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import trustme

from tests.app.live_server import CLOSED, DOORS
from tests.peers import PASSWORD, Address
from tests.raw import HEADER, RawClient
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Config, Listen, Storage, Tls


def certificate(folder: Path, authority: trustme.CA, *names: str) -> Tls:
    """Write a chain with its key for a server, and return its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    path = folder / "pair.pem"
    pair.private_key_and_cert_chain_pem.write_to_path(str(path))
    return Tls(certificate=str(path), key=str(path))


def trusted(folder: Path, authority: trustme.CA) -> str:
    """Write the authority's certificate; return the path for `s2s.trust`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def settings(
    folder: Path,
    domain: str,
    s2s: S2S,
    *,
    tls: Tls | None = None,
    listen: Mapping[str, tuple[str, ...]] | None = None,
) -> Config:
    """Return the configuration of one server, on free ports unless `listen` says otherwise."""
    doors = {"s2s": DOORS, "s2s_tls": DOORS, **(listen or {})}
    return Config(
        domains=(domain,),
        data_dir=str(folder / "data"),
        listen=Listen(c2s=DOORS, c2s_tls=DOORS, http=CLOSED, component=CLOSED, https=CLOSED, **doors),
        storage=Storage(url="memory:"),
        tls=tls or Tls(),
        s2s=s2s,
    )


def door(server: Server, name: str) -> str:
    """Return the address of a door as text."""
    return server.addresses[name][0]


async def login(server: Server, user: str, resource: str = "raw") -> RawClient:
    """Log in on the door for direct TLS."""
    host, _, port = door(server, "c2s_tls").rpartition(":")
    address: Address = (host, int(port))
    domain = next(iter(server.hosts))
    client = await RawClient.connect(address, tls=True)
    client.header = HEADER.replace("to='localhost'", f"to='{domain}'")
    await client.sign_in(user, PASSWORD, resource)
    return client
