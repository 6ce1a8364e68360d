"""Lists of domains: what is on them, what wins, what is kept."""

from __future__ import annotations

import pytest

from tests.world import World
from xmpp_server.core.domain_rules import DomainRules, PatternError, Rule, checked
from xmpp_server.jid import JID

OWNERS = (JID.parse("a.example"), JID.parse("b.example"))


def rules(world: World, allow: tuple[str, ...] = (), block: tuple[str, ...] = ()) -> DomainRules:
    return DomainRules(allow, block, world.storage.documents, OWNERS)


@pytest.mark.parametrize(
    ("allow", "block", "domain", "expected"),
    [
        ((), (), "example.net", True),
        ((), ("Example.NET",), "example.net", False),
        ((), ("example.net",), "im.example.net", True),
        ((), ("*.example.net",), "im.example.net", False),
        ((), ("*.example.net",), "a.b.example.net", False),
        ((), ("*.example.net",), "example.net", True),
        (("example.net",), (), "example.net", True),
        (("example.net",), (), "example.com", False),
        (("*.example.net",), ("spam.example.net",), "im.example.net", True),
        (("*.example.net",), ("spam.example.net",), "spam.example.net", False),
    ],
)
def test_who_is_admitted(allow: tuple[str, ...], block: tuple[str, ...], domain: str, expected: bool) -> None:
    assert rules(World("a.example"), allow, block).admits(domain) is expected


def test_what_was_added_is_kept_and_told() -> None:
    world = World("a.example")
    first = rules(world, block=("bad.example",))
    told: list[bool] = []
    first.changed = lambda: told.append(first.admits("worse.example"))
    world.run(first.replace(Rule.BLOCK, ["Worse.Example", "*.worst.example", "worse.example"]))
    assert first.added[Rule.BLOCK] == ("worse.example", "*.worst.example")
    assert told == [False]
    # Another domain has become the first, and the configuration has changed.
    later = DomainRules((), (), world.storage.documents, OWNERS[::-1])
    world.run(later.load())
    assert [later.admits(name) for name in ("bad.example", "worse.example", "x.worst.example")] == [True, False, False]
    world.run(later.replace(Rule.BLOCK, []))
    assert later.admits("worse.example")


@pytest.mark.parametrize(
    "pattern", ["", "*.", "*", "romeo@example.net", "example.net/a", "a.*.example", "exa mple.net"]
)
def test_what_is_no_pattern_changes_nothing(pattern: str) -> None:
    world = World("a.example")
    with pytest.raises(PatternError):
        checked(pattern)
    one = rules(world)
    with pytest.raises(PatternError):
        world.run(one.replace(Rule.BLOCK, ["example.net", pattern]))
    assert one.admits("example.net")
