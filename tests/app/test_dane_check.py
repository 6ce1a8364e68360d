"""What `check dns` says of nameservers that are to be believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federated_peers import DnsServer
from xmpp_server.app import dane_check
from xmpp_server.app.dane_check import check_dane
from xmpp_server.app.dns_check import check_dns
from xmpp_server.app.finding import Level
from xmpp_server.app.settings import S2S, Config, Dns
from xmpp_server.net import lookup


def config(*nameservers: str, dane: bool = True) -> Config:
    return Config(s2s=S2S(dane=dane, dns=Dns(nameservers=nameservers)))


async def levels(one: Config) -> list[Level]:
    return [finding.level async for finding in check_dane(one)]


@pytest.fixture
def nameserver() -> Iterator[DnsServer]:
    """One that validates."""
    server = DnsServer()
    server.records[".", "NS"] = ["a.root-servers.net."]
    server.validates = True
    yield server
    server.close()


async def test_a_nameserver_that_validates(nameserver):
    one = config(f"127.0.0.1:{nameserver.port}")
    assert await levels(one) == [Level.OK]
    assert Level.OK in [finding.level async for finding in check_dns(one) if "s2s.dane" in finding.text]


async def test_a_nameserver_that_does_not(nameserver):
    nameserver.validates = False
    assert await levels(config(f"127.0.0.1:{nameserver.port}")) == [Level.ERROR]


async def test_a_nameserver_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.2)
    assert await levels(config("127.0.0.1:1")) == [Level.ERROR]


async def test_a_nameserver_elsewhere(nameserver, monkeypatch):
    monkeypatch.setattr(dane_check, "_hosts", lambda _: ["192.0.2.1", "127.0.0.1"])
    assert await levels(config(f"127.0.0.1:{nameserver.port}")) == [Level.WARNING, Level.OK]


@pytest.mark.parametrize(
    ("nameservers", "hosts"), [(("192.0.2.1:53", "[::1]:53"), ["192.0.2.1", "::1"]), (("127.0.0.1:5",), ["127.0.0.1"])]
)
def test_which_are_asked(nameservers, hosts):
    assert dane_check._hosts(nameservers) == hosts
    assert all(isinstance(host, str) for host in dane_check._hosts(()))


async def test_nothing_without_dane():
    assert await levels(config("127.0.0.1:1", dane=False)) == []
