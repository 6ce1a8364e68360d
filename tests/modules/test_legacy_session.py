"""RFC 3921 §3 and RFC 6120 §7.1: what a bound stream says to those who would begin again."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM, condition
from tests.world import World
from xmpp_server.modules.legacy_session import LegacySession


@pytest.mark.parametrize("to", [None, "example.org"])
def test_a_session_succeeds(to: str | None) -> None:
    romeo = World("example.org", modules=(*IM, LegacySession)).login("romeo@example.org/orchard")
    answer = romeo.asks("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", to=to)
    assert (answer.get("type"), answer.first) == ("result", None)


def test_a_second_resource_does_not() -> None:
    romeo = World("example.org", modules=(*IM, LegacySession)).login("romeo@example.org/orchard")
    assert condition(romeo.asks("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")) == "not-allowed"
