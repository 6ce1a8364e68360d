from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from xmpp_server.app.acme.timing import FIRST_WAIT_S, JITTER, LOOK_S, next_look_s, renewal_time
from xmpp_server.net.certificates import load_key_pair
from xmpp_server.net.self_signed import LIFETIME_DAYS, make_self_signed

CHOOSE = random.Random(1)


def test_two_thirds_of_the_time_are_over(tmp_path):
    path = tmp_path / "pair.pem"
    path.write_bytes(make_self_signed(["a.example"], datetime(2026, 1, 1, tzinfo=UTC)))
    expected = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=LIFETIME_DAYS * 2 / 3)
    assert abs(renewal_time(load_key_pair(path)) - expected) < timedelta(hours=1)


def test_the_next_look_is_when_something_is_due_but_not_late():
    assert next_look_s(1060.0, 0, 1000.0, CHOOSE) == 60.0
    assert next_look_s(900.0, 0, 1000.0, CHOOSE) == 1.0
    for renew_at in (None, 1e9):
        assert LOOK_S * (1 - JITTER) <= next_look_s(renew_at, 0, 1000.0, CHOOSE) <= LOOK_S


@pytest.mark.parametrize(("failures", "wait_s"), [(1, FIRST_WAIT_S), (2, 2 * FIRST_WAIT_S), (30, LOOK_S)])
def test_failures_make_it_wait(failures, wait_s):
    for _ in range(20):
        found = next_look_s(0.0, failures, 1000.0, CHOOSE)
        assert wait_s * (1 - JITTER) <= found <= wait_s * (1 + JITTER)
