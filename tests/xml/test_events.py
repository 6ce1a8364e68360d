"""Limits of what is scanned."""

from __future__ import annotations

import pytest

from xmpp_server.xml.events import ScanLimits
from xmpp_server.xml.parser import MAX_DEPTH


def test_before_auth_is_the_least_that_the_rfc_allows() -> None:
    limits = ScanLimits.before_auth()
    assert (limits.stanza_bytes, limits.elements) == (10_000, 32)


def test_a_depth_that_trees_cannot_hold() -> None:
    ScanLimits(depth=MAX_DEPTH)
    for depth in (1, MAX_DEPTH + 1):
        with pytest.raises(ValueError, match="depth"):
            ScanLimits(depth=depth)
