"""A nameserver of the system's packages that validates: zones that are signed, not signed, and tampered with."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.ports import free_ports
from tests.signed_names import Zone, unbound, zone
from xmpp_server.net.dane import Association, Tlsa
from xmpp_server.net.dns import Resolver
from xmpp_server.net.lookup import LookupFailedError

DATA = "ab" * 32
RECORDS = f"""
_xmpp-server._tcp SRV 0 5 5269 host
host A 127.0.0.9
_5269._tcp.host TLSA 3 1 1 {DATA}
_xmpp-server._tcp.far SRV 0 5 5269 host.plain.example.
"""
RECORD = Tlsa(3, 1, 1, bytes.fromhex(DATA))


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start unbound with three zones; its address."""
    names = ("signed.example", "tampered.example", "plain.example")
    zones = {name: zone(name, RECORDS, signed=name != "plain.example") for name in names}
    whole = zones["tampered.example"]
    zones["tampered.example"] = Zone(whole.text.replace(DATA, "cd" * 32), whole.anchor)
    [port] = free_ports(1)
    with unbound(tmp_path_factory.mktemp("unbound"), port, zones):
        yield f"127.0.0.1:{port}"


async def associations(nameserver: str, domain: str, *, validated: bool = True) -> Association:
    resolver = Resolver([nameserver], now=time.monotonic, validated=validated)
    [target] = await resolver.targets(domain)
    return await resolver.associations(target)


async def test_a_signed_zone(nameserver):
    assert await associations(nameserver, "signed.example") == Association((RECORD,), ("host.signed.example",))


async def test_a_zone_that_is_not_signed(nameserver):
    assert await associations(nameserver, "plain.example") == Association()


async def test_from_a_signed_zone_into_one_that_is_not(nameserver):
    """The name of the target is certain, its records are not."""
    assert await associations(nameserver, "far.signed.example") == Association((), ("host.plain.example",))


async def test_a_zone_that_was_tampered_with(nameserver):
    with pytest.raises(LookupFailedError):
        await associations(nameserver, "tampered.example")


async def test_whoever_does_not_believe_the_nameserver(nameserver):
    assert await associations(nameserver, "signed.example", validated=False) == Association()
