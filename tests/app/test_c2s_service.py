"""What client connections need of the server."""

from __future__ import annotations

import pytest

from xmpp_server.app.c2s_service import backoff_keys


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        ("127.0.0.1", []),
        ("::1", []),
        ("unix", []),
        ("", []),
    ],
)
def test_failures_count_for_an_address_and_an_account(address: str, expected: list[str]) -> None:
    assert backoff_keys(address, "") == expected
    assert backoff_keys(address, "juliet@localhost") == [*expected, "juliet@localhost"]


def test_who_has_many_ipv6_addresses_is_one_all_the_same() -> None:
    one, other = backoff_keys("2001:db8:0:1::1", ""), backoff_keys("2001:db8:0:1:ffff::2", "")
    assert one == other != backoff_keys("2001:db8:0:2::1", "")
