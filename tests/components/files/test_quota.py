"""Quotas: refused when too much, and told when to come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.quota import DAY_HOURS, HOUR_S, Hour, Limits, Usage, first_hour, refusal

NOW = 500_000 * HOUR_S + 10
FREE = Limits(0, 0, 0, 0)
NOTHING = Usage(0, 0, ())


def test_without_limits_anything_may_come():
    assert refusal(FREE, Usage(2**60, 2**60, [Hour(500_000, 2**60, 2**30)]), 2**50, NOW) is None


@pytest.mark.parametrize(
    ("limits", "usage"),
    [
        (Limits(100, 0, 0, 0), Usage(90, 0, ())),
        (Limits(0, 0, 0, 100), Usage(0, 90, ())),
        (Limits(0, 100, 0, 0), Usage(0, 0, [Hour(500_000, 90, 1)])),
    ],
)
def test_what_fits_exactly_may_come_and_a_byte_more_not(limits, usage):
    assert refusal(limits, usage, 10, NOW) is None
    refused = refusal(limits, usage, 11, NOW)
    assert refused is not None
    assert refused.retry_at > NOW


def test_slots_are_counted_too():
    usage = Usage(0, 0, [Hour(499_990, 0, 3), Hour(500_000, 0, 2)])
    assert refusal(Limits(0, 0, 6, 0), usage, 0, NOW) is None
    refused = refusal(Limits(0, 0, 5, 0), usage, 0, NOW)
    assert refused is not None
    assert refused.retry_at == (499_990 + DAY_HOURS) * HOUR_S


def test_yesterday_does_not_count():
    usage = Usage(0, 0, [Hour(first_hour(NOW) - 1, 1000, 9)])
    assert refusal(Limits(0, 100, 5, 0), usage, 100, NOW) is None


def test_a_file_above_the_days_limit_never_fits():
    refused = refusal(Limits(0, 100, 0, 0), NOTHING, 101, NOW)
    assert refused is not None
    assert refused.retry_at > NOW


@given(
    st.lists(st.builds(Hour, st.integers(500_000 - 30, 500_000), st.integers(0, 50), st.integers(0, 5)), max_size=10),
    st.integers(0, 60),
)
def test_at_the_time_to_retry_it_fits(day, size):
    limits = Limits(0, 60, 6, 0)
    now = NOW
    for _ in range(3):  # first the slots are too many, then the bytes
        refused = refusal(limits, Usage(0, 0, day), size, now)
        if refused is None:
            return
        assert now < refused.retry_at <= now + DAY_HOURS * HOUR_S
        now = refused.retry_at
    raise AssertionError("the time to retry was wrong")
