"""Whose certificate is believed, by all that there is to ask: several places, places without records, failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.federated_peers import DnsServer
from tests.net.authority import Authority, name
from tests.net.conftest import Clock
from xmpp_server.net import lookup, peer_judge
from xmpp_server.net.dane import Association
from xmpp_server.net.dns import Resolver, Target
from xmpp_server.net.lookup import LookupFailedError
from xmpp_server.net.peer_judge import Judge
from xmpp_server.net.peer_trust import PeerTrust, Standing
from xmpp_server.net.posh import PATH, Posh
from xmpp_server.net.posh_document import PoshError

PROVEN, UNPROVEN, REFUSED = Standing.PROVEN, Standing.UNPROVEN, Standing.REFUSED
DOMAIN = "a.example"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def resolver(names: DnsServer, clock: Clock) -> Resolver:
    names.validates = True
    return Resolver([f"127.0.0.1:{names.port}"], now=clock, validated=True)


@pytest.fixture
def judge(authority: Authority, resolver: Resolver) -> Judge:
    return Judge(PeerTrust([authority.certificate]), resolver, None)


def record(certificate: bytes) -> str:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return "3 1 1 " + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def place(names: DnsServer, host: str, *records: str) -> None:
    """Add a place of the domain, with records of its certificate."""
    names.records.setdefault(("_xmpp-server._tcp.a.example", "SRV"), []).append(f"0 0 5269 {host}.")
    names.records[host, "A"] = ["192.0.2.1"]
    if records:
        names.records[f"_5269._tcp.{host}", "TLSA"] = list(records)


def unknown() -> tuple[bytes, ...]:
    """The chain of a CA that nobody trusts."""
    return Authority(common_name="Unknown").issue(name(DOMAIN))


NOT_MINE = "3 1 1 " + "00" * 32


async def test_any_place_of_the_domain_may_call(names, judge):
    chain = unknown()
    place(names, "x.example", NOT_MINE)
    place(names, "y.example", record(chain[0]))
    assert await judge.judge_client(chain, DOMAIN) is PROVEN


async def test_where_all_places_have_records_pkix_does_not_count(names, authority, judge):
    chain = authority.issue(name(DOMAIN))
    place(names, "x.example", NOT_MINE)
    assert await judge.judge_client(chain, DOMAIN) is REFUSED


async def test_where_one_place_has_none_pkix_counts(names, authority, judge):
    place(names, "x.example", NOT_MINE)
    place(names, "y.example")
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is PROVEN
    assert await judge.judge_client(unknown(), DOMAIN) is UNPROVEN


async def test_the_name_of_a_place_that_dnssec_names(names, authority, judge):
    """RFC 7673 §4: the hosting service shows its own certificate."""
    place(names, "hosting.example")
    chain = authority.issue(name("hosting.example"))
    assert await judge.judge_client(chain, DOMAIN) is PROVEN
    assert await judge.judge_client(chain, "b.example") is UNPROVEN


async def test_the_name_of_a_place_that_anybody_may_have_named(names, authority, judge):
    names.unsigned = {"_xmpp-server._tcp.a.example"}
    place(names, "hosting.example")
    assert await judge.judge_client(authority.issue(name("hosting.example")), DOMAIN) is UNPROVEN
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is PROVEN


async def test_a_domain_that_says_it_has_no_server(names, authority, judge):
    names.records["_xmpp-server._tcp.a.example", "SRV"] = ["0 0 0 ."]
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is PROVEN


async def test_dns_that_fails(names, authority, judge, resolver):
    """It may be the attacker who keeps the records from us."""
    place(names, "x.example", NOT_MINE)
    names.bogus = {"_5269._tcp.x.example"}
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is REFUSED
    with pytest.raises(LookupFailedError):
        await judge.association(Target("x.example", 5269, False, True))


async def test_dns_that_hangs(names, authority, judge, monkeypatch):
    monkeypatch.setattr(peer_judge, "JUDGE_S", 0.05)
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.5)
    names.close()
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is REFUSED


async def test_few_are_judged_at_one_time(names, authority, judge, monkeypatch):
    monkeypatch.setattr(peer_judge, "AT_ONCE", 1)
    place(names, "x.example")
    chain = authority.issue(name(DOMAIN))
    first, second = await asyncio.gather(judge.judge_client(chain, DOMAIN), judge.judge_client(chain, DOMAIN))
    assert (first, second) == (PROVEN, REFUSED)
    assert await judge.judge_client(chain, DOMAIN) is PROVEN


async def test_who_cannot_be_judged_without_dnssec_is_left_to_dialback(authority, names, clock, monkeypatch):
    monkeypatch.setattr(peer_judge, "AT_ONCE", 0)
    plain = Resolver([f"127.0.0.1:{names.port}"], now=clock)
    judge = Judge(PeerTrust([authority.certificate]), plain, Posh(lambda: nothing, now=clock))
    assert await judge.judge_client(unknown(), DOMAIN) is UNPROVEN


async def test_what_there_is_to_ask(authority, names, clock):
    trust = PeerTrust([authority.certificate])
    plain = Resolver([f"127.0.0.1:{names.port}"], now=clock)
    assert not Judge(trust, plain, None).asks
    assert Judge(trust, plain, Posh(lambda: nothing, now=clock)).asks


async def nothing(url: str) -> bytes:
    raise PoshError(url)


@pytest.mark.parametrize("validated", [True, False])
async def test_web_servers_are_asked_last(names, authority, clock, validated):
    """Only where PKIX proves nothing, DNSSEC is silent, and the domain has said where its server is."""
    names.validates = validated
    chain = unknown()
    fingerprint = base64.b64encode(hashlib.sha256(chain[0]).digest()).decode()
    asked: list[str] = []

    async def get(url: str) -> bytes:
        asked.append(url)
        return json.dumps({"fingerprints": [{"sha-256": fingerprint}], "expires": 60}).encode()

    resolver = Resolver([f"127.0.0.1:{names.port}"], now=clock, validated=validated)
    judge = Judge(PeerTrust([authority.certificate]), resolver, Posh(lambda: get, now=clock), ["routed.example"])
    assert await judge.judge_client(chain, DOMAIN) is UNPROVEN  # it has no SRV record
    place(names, "x.example")
    clock.now = 61
    assert await judge.judge_client(authority.issue(name(DOMAIN)), DOMAIN) is PROVEN
    assert not asked
    assert await judge.judge_client(chain, DOMAIN) is PROVEN
    assert await judge.judge_client(chain, "routed.example") is PROVEN
    assert asked == [f"https://{DOMAIN}{PATH}", f"https://routed.example{PATH}"]
    assert await judge.judge_server(chain, DOMAIN, Association()) is PROVEN
    place(names, "x.example", NOT_MINE)
    clock.now = 200
    if validated:
        assert await judge.judge_client(chain, DOMAIN) is REFUSED
