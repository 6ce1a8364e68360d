"""Resolution against a nameserver on loopback: order, refusals, lies, silence, caching."""

from __future__ import annotations

import random
import socket
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.federated_peers import DnsServer
from tests.net.conftest import Clock
from xmpp_server.net import dns as resolving
from xmpp_server.net import lookup
from xmpp_server.net.dane import Association, Tlsa
from xmpp_server.net.dns import NoServerError, Resolver, Srv, Target, in_order, to_ascii
from xmpp_server.net.lookup import LookupFailedError

RECORDS = st.lists(
    st.builds(
        Srv,
        st.integers(0, 3),
        st.integers(0, 65535),
        st.builds(Target, st.text("ab", min_size=1), st.just(1), st.booleans()),
    ),
    max_size=12,
)


@given(RECORDS, st.integers())
def test_order_keeps_all_records_by_priority(records, seed):
    ordered = in_order(records, random.Random(seed))
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def test_weights_are_shares():
    heavy, light, none = (Srv(0, weight, Target(str(weight), 1, False)) for weight in (75, 25, 0))
    choose = random.Random(1)
    firsts = Counter(in_order([none, light, heavy], choose)[0] for _ in range(4000))
    assert 0.70 < firsts[heavy] / 4000 < 0.80
    assert 0 < firsts[none] < 200  # RFC 2782: a very small chance


@pytest.fixture
def resolver(names: DnsServer, clock: Clock) -> Resolver:
    return Resolver([f"127.0.0.1:{names.port}"], now=clock)


async def test_both_services_are_one_set(names, resolver):
    """XEP-0368 §3."""
    names.records["_xmpp-server._tcp.a.example", "SRV"] = ["1 0 5269 late.example.", "3 0 5269 last.example."]
    names.records["_xmpps-server._tcp.a.example", "SRV"] = ["0 0 5270 first.example.", "2 0 5270 later.example."]
    assert await resolver.targets("a.example") == [
        Target("first.example", 5270, True),
        Target("late.example", 5269, False),
        Target("later.example", 5270, True),
        Target("last.example", 5269, False),
    ]


async def test_without_records_the_domain_itself(resolver):
    assert await resolver.targets("a.example") == [Target("a.example", 5269, False)]


async def test_a_dot_says_that_there_is_no_server(names, resolver):
    names.records["_xmpp-server._tcp.a.example", "SRV"] = ["0 0 0 ."]
    with pytest.raises(NoServerError):
        await resolver.targets("a.example")


async def test_a_dot_for_one_service_leaves_the_other(names, resolver):
    names.records["_xmpps-server._tcp.a.example", "SRV"] = ["0 0 0 ."]
    names.records["_xmpp-server._tcp.a.example", "SRV"] = ["0 0 5269 x.example."]
    assert await resolver.targets("a.example") == [Target("x.example", 5269, False)]


async def test_internationalised_domains(names, resolver):
    names.records["_xmpp-server._tcp.xn--mnchen-3ya.example", "SRV"] = ["0 0 1 x.example."]
    assert await resolver.targets("münchen.example") == [Target("x.example", 1, False)]


@pytest.mark.parametrize("domain", ["a..example", "x" * 64 + ".example", "x." * 130 + "example"])
def test_what_cannot_be_a_name(domain):
    with pytest.raises(NoServerError):
        to_ascii(domain)


async def test_addresses_as_domains(resolver):
    assert await resolver.targets("[::1]") == [Target("::1", 5269, False)]
    assert await resolver.addresses("127.0.0.1") == ["127.0.0.1"]
    assert await resolver.addresses("localhost") == ["::1", "127.0.0.1"]


async def test_both_families(names, resolver):
    names.records["x.example", "A"] = ["192.0.2.1"]
    names.records["x.example", "AAAA"] = ["2001:db8::1"]
    assert await resolver.addresses("x.example") == ["2001:db8::1", "192.0.2.1"]


async def test_no_address(resolver):
    with pytest.raises(NoServerError):
        await resolver.addresses("x.example")


@pytest.mark.parametrize(
    ("kind", "address"),
    [("A", "169.254.169.254"), ("A", "0.0.0.0"), ("A", "255.255.255.255"), ("A", "224.0.0.1"), ("AAAA", "fe80::1")],
)
async def test_dns_that_lies(names, resolver, kind, address):
    """The metadata service of a cloud, the local network: nobody's server."""
    names.records["x.example", kind] = [address]
    with pytest.raises(NoServerError):
        await resolver.addresses("x.example")


@pytest.mark.parametrize("address", ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"])
async def test_ipv4_addresses_inside_others_do_not_get_around_the_list(names, resolver, address):
    names.records["x.example", "AAAA"] = [address]
    with pytest.raises(NoServerError):
        await resolver.addresses("x.example")


async def test_dns_that_loops(names, resolver):
    names.records["x.example", "CNAME"] = ["y.example."]
    names.records["y.example", "CNAME"] = ["x.example."]
    names.records["_xmpp-server._tcp.x.example", "SRV"] = ["0 0 5269 x.example."]
    [target] = await resolver.targets("x.example")
    with pytest.raises((NoServerError, LookupFailedError)):
        await resolver.addresses(target.host)


async def test_more_records_than_anybody_needs(names, resolver):
    names.records["_xmpp-server._tcp.a.example", "SRV"] = [f"0 0 {port} x.example." for port in range(1, 60)]
    names.records["x.example", "A"] = [f"192.0.2.{number}" for number in range(60)]
    assert len(await resolver.targets("a.example")) == resolving.TARGETS
    assert len(await resolver.addresses("x.example")) == resolving.ADDRESSES


async def test_dns_that_hangs(clock, monkeypatch):
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = Resolver([f"127.0.0.1:{silent.getsockname()[1]}"], now=clock)
        with pytest.raises(LookupFailedError):
            await resolver.targets("a.example")
        with pytest.raises(LookupFailedError):
            await resolver.addresses("a.example")


@pytest.fixture
def signed(names: DnsServer, clock: Clock) -> Resolver:
    """One that believes its nameserver in matters of DNSSEC, with a domain whose records are all signed."""
    names.validates = True
    names.records["_xmpp-server._tcp.a.example", "SRV"] = ["0 0 5269 x.example."]
    names.records["x.example", "A"] = ["192.0.2.1"]
    names.records["_5269._tcp.x.example", "TLSA"] = ["3 1 1 " + "ab" * 32]
    return Resolver([f"127.0.0.1:{names.port}"], now=clock, validated=True)


RECORD = Tlsa(3, 1, 1, b"\xab" * 32)


async def associations(resolver: Resolver, domain: str = "a.example") -> Association:
    [target] = await resolver.targets(domain)
    return await resolver.associations(target)


async def test_tlsa_of_a_target(signed):
    """RFC 7673 §3."""
    assert await associations(signed) == Association((RECORD,), ("x.example",))


async def test_without_service_records_the_domain_is_the_target(names, signed):
    names.records["b.example", "A"] = ["192.0.2.1"]
    names.records["_5269._tcp.b.example", "TLSA"] = ["3 1 1 " + "ab" * 32]
    assert await associations(signed, "b.example") == Association((RECORD,), ("b.example",))


@pytest.mark.parametrize(
    ("unsigned", "found"),
    [
        ("_xmpp-server._tcp.a.example", Association()),  # anybody may have named the target
        ("x.example", Association((), ("x.example",))),
        ("_5269._tcp.x.example", Association((), ("x.example",))),
    ],
)
async def test_what_is_not_signed_counts_for_nothing(names, signed, unsigned, found):
    names.unsigned = {unsigned}
    assert await associations(signed) == found


async def test_a_nameserver_that_is_not_trusted_is_not_believed(names, signed, resolver):
    assert await associations(resolver) == Association()


async def test_what_dnssec_refutes_is_a_failure(names, signed):
    """RFC 7673 §3.3: whoever suppresses the records must not get a connection for it."""
    names.bogus = {"_5269._tcp.x.example"}
    with pytest.raises(LookupFailedError):
        await associations(signed)


async def test_the_end_of_a_chain_of_names_comes_first(names, signed):
    """RFC 7671 §7."""
    names.records["x.example", "CNAME"] = ["y.example."]
    names.records["x.example", "A"] = []
    names.records["y.example", "A"] = ["192.0.2.1"]
    assert await associations(signed) == Association((RECORD,), ("y.example", "x.example"))
    names.records["_5269._tcp.y.example", "TLSA"] = ["3 1 1 " + "cd" * 32]
    signed = Resolver([f"127.0.0.1:{names.port}"], now=lambda: 0.0, validated=True)
    assert (await associations(signed)).records == (Tlsa(3, 1, 1, b"\xcd" * 32),)


async def test_records_that_nobody_can_match_are_left_out(names, signed):
    """RFC 6698 §4.1."""
    names.records["_5269._tcp.x.example", "TLSA"] = ["4 1 1 " + "ab" * 32, "3 2 1 " + "ab" * 32, "3 1 9 abcd"]
    assert await associations(signed) == Association((), ("x.example",))


async def test_addresses_have_no_records(names, signed):
    assert await associations(signed, "192.0.2.1") == Association()
    assert await signed.associations(Target("localhost", 5269, False, True)) == Association()
