"""`check dns` against a nameserver of ours: each mistake by itself, in a zone that is right otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding

from tests.federated_peers import DnsServer
from tests.federation import certificate
from xmpp_server.app import dns_records
from xmpp_server.app.dns_check import check_dns
from xmpp_server.app.finding import Finding, Level
from xmpp_server.app.settings import S2S, Component, Config, Dns, Listen, Tls
from xmpp_server.net.certificates import load_key_pair

HOST, TARGET = "example.test", "xmpp.example.test"
CLIENT, DIRECT = f"_xmpp-client._tcp.{HOST}", f"_xmpps-client._tcp.{HOST}"
SERVER, DIRECT_SERVER = f"_xmpp-server._tcp.{HOST}", f"_xmpps-server._tcp.{HOST}"
OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


@pytest.fixture
def names() -> Iterator[DnsServer]:
    server = DnsServer()
    server.records |= {
        (HOST, "A"): ["1.2.3.4"],
        (TARGET, "A"): ["1.2.3.4"],
        (f"conference.{HOST}", "A"): ["1.2.3.4"],
        (CLIENT, "SRV"): [f"0 5 5222 {TARGET}."],
        (DIRECT, "SRV"): [f"0 5 5223 {TARGET}."],
        (SERVER, "SRV"): [f"0 5 5269 {TARGET}."],
        (DIRECT_SERVER, "SRV"): [f"0 5 5270 {TARGET}."],
    }
    yield server
    server.close()


@pytest.fixture
def config(names: DnsServer, tmp_path) -> Config:
    dns = Dns(nameservers=(f"127.0.0.1:{names.port}",))
    return Config(domains=(HOST,), data_dir=str(tmp_path), s2s=S2S(dns=dns))


async def findings(config: Config) -> list[Finding]:
    found: AsyncIterator[Finding] = check_dns(config)
    return [finding async for finding in found]


async def problem(config: Config) -> Finding:
    """Return the only thing that is wrong."""
    (found,) = [finding for finding in await findings(config) if finding.level is not OK]
    assert found.remedy
    return found


async def test_a_zone_that_is_right(config):
    found = await findings(config)
    assert {finding.level for finding in found} == {OK}
    texts = [finding.text for finding in found]
    assert texts[:4] == [
        f"{CLIENT} names {TARGET}:5222",
        f"{DIRECT} names {TARGET}:5223",
        f"{SERVER} names {TARGET}:5269",
        f"{DIRECT_SERVER} names {TARGET}:5270",
    ]
    assert texts[4] == f"conference.{HOST} is known to other servers"


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({(CLIENT, "SRV"): None}, WARNING, f"has no SRV record: clients try port 5222 of {HOST} itself"),
        ({(DIRECT, "SRV"): None}, WARNING, f"{DIRECT} has no SRV record: clients do not try direct TLS"),
        (
            {(SERVER, "SRV"): None, (HOST, "A"): None},
            ERROR,
            f"no SRV record, and {HOST} no address: no servers find it",
        ),
        ({(CLIENT, "SRV"): ["0 0 0 ."]}, ERROR, "says that there is no such service, but listen.c2s is open"),
        ({(CLIENT, "SRV"): [f"0 5 5222 {TARGET}.", "0 0 0 ."]}, ERROR, "has '.' beside other targets"),
        ({(CLIENT, "SRV"): [f"0 5 15222 {TARGET}."]}, WARNING, f"{TARGET}:15222, but listen.c2s has port 5222"),
        ({(DIRECT, "SRV"): [f"0 5 5222 {TARGET}."]}, ERROR, ":5222, which is the door of listen.c2s"),
        ({(SERVER, "SRV"): [f"0 5 5270 {TARGET}."]}, ERROR, ":5270, which is the door of listen.s2s_tls"),
        ({(SERVER, "SRV"): ["0 5 5269 1.2.3.4."]}, ERROR, "names 1.2.3.4:5269, an address"),
        ({(SERVER, "SRV"): ["0 5 5269 gone.example.test."]}, ERROR, "but gone.example.test has no address"),
        (
            {(SERVER, "SRV"): ["0 5 5269 alias.example.test."], ("alias.example.test", "CNAME"): [f"{TARGET}."]},
            WARNING,
            "alias.example.test:5269, an alias (CNAME)",
        ),
        (
            {(SERVER, "SRV"): ["0 5 5269 inner.example.test."], ("inner.example.test", "A"): ["192.168.1.2"]},
            WARNING,
            "192.168.1.2 cannot be reached from everywhere",
        ),
        (
            {(CLIENT, "SRV"): [f"0 5 5222 {TARGET}.", f"9 5 5222 {TARGET}."]},
            WARNING,
            f"names {TARGET}:5222 more than once",
        ),
        (
            {(CLIENT, "SRV"): [f"0 5 5222 {TARGET}.", f"0 0 5222 {HOST}."]},
            WARNING,
            f"{HOST} has weight 0 beside others of priority 0",
        ),
        ({(f"conference.{HOST}", "A"): None}, WARNING, f"conference.{HOST} has neither SRV records nor an address"),
    ],
)
async def test_what_is_wrong(config, names, changes, level, text):
    for key, values in changes.items():
        if values is None:
            del names.records[key]
        else:
            names.records[key] = values
    found = await problem(config)
    assert (found.level, text in found.text) == (level, True), found.text


async def test_doors_that_are_closed(config):
    listen = Listen(c2s_tls=(), s2s=(), s2s_tls=())
    found = [each for each in await findings(msgspec.structs.replace(config, listen=listen)) if each.level is not OK]
    assert [each.text.rpartition(", ")[2] for each in found] == ["but that door is closed"] * 3


async def test_a_port_that_is_not_where_others_look_without_a_record(config, names):
    del names.records[CLIENT, "SRV"]
    found = await problem(msgspec.structs.replace(config, listen=Listen(c2s=("127.0.0.1:15222",))))
    assert found.text == f"{CLIENT} has no SRV record: clients try port 5222, which is not ours"
    assert f"{CLIENT}. SRV 0 5 15222 " in found.remedy


async def test_components_without_a_record_are_no_mistake(config):
    irc = Component(domains=(f"irc.{HOST}",), secret="geheim")
    found = await findings(msgspec.structs.replace(config, components=(irc,)))
    assert [each.level for each in found if each.text.startswith("irc.")] == [OK]
    assert "users of other servers do not reach it" in found[-1].text


async def test_a_ttl_that_is_too_long_or_too_short(config, monkeypatch):
    """The test's nameserver says 60 s."""
    for bounds, text in (((61, 3600), "every connection asks anew"), ((1, 59), "a change takes days to be seen")):
        monkeypatch.setattr("xmpp_server.app.dns_check.TTL_S", bounds)
        found = [each for each in await findings(config) if each.level is WARNING]
        assert len(found) == 4
        assert found[0].text == f"{CLIENT} has a TTL of 60 s: {text}"


@pytest.mark.parametrize(("others", "level"), [(False, OK), (True, ERROR)])
async def test_tlsa_records_are_compared_with_the_certificate(config, names, tmp_path, others, level):
    tls = certificate(tmp_path / "own", trustme.CA(), HOST)
    der = load_key_pair(Path(tls.certificate)).chain[0].public_bytes(Encoding.DER)
    digest = hashlib.sha256(b"another" if others else der).hexdigest()
    names.records[f"_5269._tcp.{TARGET}", "TLSA"] = [f"3 0 1 {digest}"]
    configured = msgspec.structs.replace(config, tls=Tls(certificate=tls.certificate, key=tls.key))
    (found,) = [each for each in await findings(configured) if "TLSA" in each.text]
    assert found.level is level


async def test_dns_that_does_not_answer(config, monkeypatch):
    monkeypatch.setattr(dns_records, "TIMEOUT_S", 0.05)
    silent = S2S(enabled=False, dns=Dns(nameservers=("127.0.0.1:9",)))
    found = await findings(msgspec.structs.replace(config, s2s=silent))
    assert [each.level for each in found] == [WARNING] * 4
    assert "cannot be looked up" in found[0].text


async def test_a_zone_whose_signatures_are_broken(config, names):
    names.bogus.add(DIRECT)
    found = await problem(config)
    assert found.text.startswith(f"{DIRECT} cannot be looked up")


async def test_this_machines_names_and_addresses_need_no_records(config):
    (found,) = await findings(msgspec.structs.replace(config, domains=("localhost", "192.0.2.1")))
    assert found.level is OK
