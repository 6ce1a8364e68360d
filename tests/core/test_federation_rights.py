"""Who is cut off from other servers: patterns, what administrators say, what is kept."""

from __future__ import annotations

import pytest

from tests.world import World
from xmpp_server.core.domain_rules import PatternError
from xmpp_server.core.federation_rights import FederationRights, checked
from xmpp_server.jid import JID

KID = JID.parse("kid@a.example")


def rights(world: World, *patterns: str) -> FederationRights:
    return FederationRights(patterns, world.storage.documents)


@pytest.mark.parametrize(
    ("pattern", "confined", "free"),
    [
        ("kid@a.example", ["kid@a.example", "kid@a.example/phone"], ["kid@b.example", "akid@a.example", "a.example"]),
        ("KID@A.example", ["kid@a.example"], []),
        ("a.example", ["kid@a.example", "a.example", "a.example/x"], ["kid@sub.a.example"]),
        ("*.a.example", ["room@chat.a.example", "chat.a.example"], ["kid@a.example"]),
        ("*@a.example", ["kid@a.example", "kid@a.example/x"], ["a.example", "kid@b.example", "kid@a.example.b"]),
        ("guest-*@a.example", ["guest-1@a.example", "guest-@a.example"], ["kid@a.example", "xguest-1@a.example"]),
        ("Guest-*@a.example", ["guest-1@a.example"], []),
        ("g.*@a.example", ["g.x@a.example"], ["guest@a.example"]),
    ],
)
def test_patterns(pattern, confined, free):
    one = rights(World("a.example"), pattern, "somebody@else.example")
    assert [text for text in confined if not one.confines(JID.parse(text))] == []
    assert [text for text in free if one.confines(JID.parse(text))] == []


def test_nobody_is_confined_without_a_word():
    assert not rights(World("a.example")).confines(KID)


@pytest.mark.parametrize("pattern", ["", "@a.example", "kid@", "kid@a.example/x", "a b@a.example", "*", "*@", "a..b"])
def test_what_is_no_pattern(pattern):
    with pytest.raises(PatternError):
        checked(pattern)


def test_whole_domains():
    one = rights(World("a.example"), "a.example", "kid@b.example")
    assert one.confines_domain("a.example")
    assert not one.confines_domain("b.example")


def test_what_administrators_say_is_kept() -> None:
    world = World("a.example")
    one = rights(world)
    world.run(one.confine(KID, world.host))
    assert one.confines(KID)
    another = rights(world)
    assert not another.confines(KID)
    world.run(another.load([JID.parse("a.example"), JID.parse("b.example")]))
    assert another.confines(KID)
    assert world.run(another.release(KID))
    assert not another.confines(KID)
    third = rights(world)
    world.run(third.load([JID.parse("a.example")]))
    assert not third.confines(KID)


def test_the_configuration_has_the_last_word() -> None:
    world = World("a.example")
    one = rights(world, "kid@a.example")
    world.run(one.confine(KID, world.host))
    assert not world.run(one.release(KID))
    assert one.confines(KID)
