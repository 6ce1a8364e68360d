"""The bandwidth limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.bandwidth import Bandwidth


def test_without_a_limit_nobody_waits():
    assert Bandwidth(0, 0.0).took(2**40, 0.0) == 0.0


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50))
def test_whoever_waits_as_told_stays_below_the_rate(amounts):
    bandwidth, now = Bandwidth(1000, 0.0), 0.0
    for amount in amounts:
        now += bandwidth.took(amount, now)
    assert sum(amounts) <= 1000 * now + 1000 + 0.001
