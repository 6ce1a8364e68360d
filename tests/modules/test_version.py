"""XEP-0092: the version, or as much of it as strangers may know."""

from __future__ import annotations

import pytest

from tests.world import World
from xmpp_server import __version__
from xmpp_server.modules.version import Version, VersionConfig


@pytest.mark.parametrize(("show", "expected"), [(True, __version__), (False, "hidden")])
def test_the_server_tells_its_version(show: bool, expected: str) -> None:
    world = World("example.org", modules=(lambda: Version(VersionConfig(show_version=show)),))
    query = world.login("romeo@example.org/orchard").asks("get", "<query xmlns='jabber:iq:version'/>", to="example.org")
    assert query.first is not None
    assert [(element.name, element.text) for element in query.first.elements()] == [
        ("name", "xmpp-server"),
        ("version", expected),
    ]
