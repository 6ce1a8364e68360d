"""How much a peer may send: rates, bursts, several connections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.net.conftest import Clock
from xmpp_server.net.allowance import Allowance, Allowances, Rate

RATE = Rate(bytes_per_s=1000, stanzas_per_s=10, burst_s=5)


def test_a_burst_and_then_the_rate():
    one = Allowance(RATE, 0.0)
    assert one.take(5000, 0, 0.0) == 0.0
    assert one.take(1000, 0, 0.0) == pytest.approx(1.0)
    assert one.take(0, 0, 0.5) == pytest.approx(0.5)
    assert one.take(0, 0, 1.0) == 0.0
    assert one.take(500, 0, 1.0) == pytest.approx(0.5)


def test_stanzas_and_bytes_count_both():
    one = Allowance(RATE, 0.0)
    assert one.take(100, 50, 0.0) == 0.0
    assert one.take(100, 20, 0.0) == pytest.approx(2.0)
    assert one.take(4800 + 3000, 0, 0.0) == pytest.approx(3.0)  # the longer of the two


def test_no_more_is_saved_than_a_burst():
    one = Allowance(RATE, 0.0)
    assert one.take(5000, 0, 1000.0) == 0.0
    assert one.take(1, 0, 1000.0) > 0


@pytest.mark.parametrize("rate", [Rate(bytes_per_s=10), Rate(stanzas_per_s=10)])
def test_one_limit_alone(rate):
    one = Allowance(rate, 0.0)
    size, stanzas = (0, 1000) if rate.bytes_per_s else (1000, 0)
    assert one.take(size, stanzas, 0.0) == 0.0
    assert one.take(stanzas, size, 0.0) > 0


def test_connections_share(clock: Clock):
    """Who comes again, or twice, gets no more."""
    all_of_them = Allowances(RATE, clock, 2)
    first, again, other = all_of_them.of("a.example"), all_of_them.of("a.example"), all_of_them.of("b.example")
    assert first is again
    assert first is not other
    all_of_them.of("c.example")
    assert all_of_them.of("b.example") is other
    assert all_of_them.of("a.example") is not first  # forgotten
    assert Allowances(Rate(), clock, 2).of("a.example") is None


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 20_000)), max_size=50))
def test_whoever_waits_as_told_keeps_to_the_rate(sends):
    one, now, sent = Allowance(RATE, 0.0), 0.0, 0
    for pause_s, size in sends:
        now += pause_s
        sent += size
        now += one.take(size, 0, now)
        assert sent <= RATE.bytes_per_s * (RATE.burst_s + now) + 1
        assert one.take(0, 0, now) < 1e-6
