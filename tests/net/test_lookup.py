"""Questions to a nameserver on loopback: how long answers are kept, how many, and what is said of DNSSEC."""

from __future__ import annotations

import pytest

from tests.federated_peers import DnsServer
from tests.net.conftest import Clock
from xmpp_server.net import lookup
from xmpp_server.net.lookup import Answer, Lookup


@pytest.fixture
def asking(names: DnsServer, clock: Clock) -> Lookup:
    return Lookup([f"127.0.0.1:{names.port}"], validated=False, now=clock)


async def address(asking: Lookup) -> list[str]:
    return [str(record) for record in (await asking.ask("x.example", "A")).records]


async def test_answers_are_kept_for_their_time(names, asking, clock):
    names.records["x.example", "A"] = ["192.0.2.1"]
    assert await address(asking) == ["192.0.2.1"]
    names.records["x.example", "A"] = ["192.0.2.2"]
    assert await address(asking) == ["192.0.2.1"]
    clock.now = 61  # the records of the test live for a minute
    assert await address(asking) == ["192.0.2.2"]


@pytest.mark.parametrize("kind", ["A", "TXT"])
async def test_that_there_is_nothing_is_kept_as_well(names, asking, clock, kind):
    """Neither the name nor the type is there."""
    names.records.update({("x.example", "TXT"): ["x"]} if kind == "A" else {})
    assert await address(asking) == []
    names.records["x.example", "A"] = ["192.0.2.1"]
    assert await address(asking) == []
    clock.now = lookup.KEEP_NOTHING_S + 1
    assert await address(asking) == ["192.0.2.1"]


async def test_the_cache_is_bounded(asking, monkeypatch):
    monkeypatch.setattr(lookup, "CACHED_NAMES", 10)
    for number in range(20):
        assert await asking.ask(f"x{number}.example", "A") == Answer()
    assert len(asking._cache) == 10


async def test_answers_are_bounded(names, asking):
    """Else a domain with many names could fill the memory, and those who order the records take time."""
    names.records["x.example", "A"] = [f"192.0.2.{number}" for number in range(60)]
    assert len(await address(asking)) == lookup.RECORDS


@pytest.mark.parametrize(("validated", "validates", "secure"), [(1, 1, True), (1, 0, False), (0, 1, False)])
async def test_dnssec_is_a_matter_of_both_sides(names, validated, validates, secure):
    """RFC 6840 §5.8: the bit is asked for, and believed, only where the operator says so."""
    names.records["x.example", "A"] = ["192.0.2.1"]
    names.validates = bool(validates)
    asking = Lookup([f"127.0.0.1:{names.port}"], validated=bool(validated), now=lambda: 0.0)
    answer = await asking.ask("x.example", "A")
    assert answer.secure is secure
    assert answer.canonical == "x.example"
