"""Who administers: the configuration, those who were named since, what is kept, accounts that go."""

from __future__ import annotations

import pytest

from tests.world import World
from xmpp_server.core.administrators import Administrators
from xmpp_server.jid import JID
from xmpp_server.storage.api import NoSuchAccountError

BARD = JID.parse("bard@a.example")
JULIET = JID.parse("juliet@a.example")
HECATE = JID.parse("hecate@b.example")


@pytest.fixture
def world() -> World:
    world = World("a.example", "b.example")
    for jid in (JULIET, HECATE):
        world.hosts[jid.domainpart].provisioning.iterations = 1
        make(world, jid)
    return world


def make(world: World, jid: JID) -> None:
    world.run(world.hosts[jid.domainpart].provisioning.create(jid, "secret"))


def loaded(world: World, *configured: str) -> Administrators:
    administrators = Administrators(configured or (BARD,))
    world.run(administrators.load(world.hosts.values()))
    return administrators


def test_who_is_named_is_kept(world: World) -> None:
    one = loaded(world)
    jids = one.jids
    assert jids == {BARD}
    world.run(one.replace([JULIET, BARD, HECATE]))
    assert jids == {BARD, JULIET, HECATE}
    assert one.named == [HECATE, JULIET]
    another = loaded(world)
    assert another.jids == {BARD, JULIET, HECATE}
    world.run(another.replace([HECATE]))
    assert another.jids == {BARD, HECATE}
    assert loaded(world).named == [HECATE]


def test_the_configuration_has_the_last_word(world: World) -> None:
    one = loaded(world)
    world.run(one.replace([JULIET]))
    configured = loaded(world, "JULIET@a.example")
    world.run(configured.replace([]))
    assert configured.jids == {JULIET}
    assert configured.named == []


@pytest.mark.parametrize("name", ["nobody@a.example", "romeo@elsewhere.example", "a.example", "elsewhere.example"])
def test_only_accounts_of_the_server(world: World, name: str) -> None:
    one = loaded(world)
    with pytest.raises(NoSuchAccountError, match=name):
        world.run(one.replace([JULIET, JID.parse(name)]))
    assert one.jids == {BARD}
    assert loaded(world).jids == {BARD}


def test_who_gets_the_name_of_a_deleted_account_is_nobody(world: World) -> None:
    one = loaded(world)
    world.run(one.replace([JULIET]))
    world.run(world.host.provisioning.delete(JULIET))
    world.runtime.advance(0)
    make(world, JULIET)
    assert one.jids == {BARD}
    assert loaded(world).jids == {BARD}


def test_also_if_nobody_was_told_that_it_was_deleted(world: World) -> None:
    """The process may die, or be another one."""
    world.run(loaded(world).replace([JULIET, HECATE]))
    world.run(world.storage.accounts.delete(JULIET))
    world.passes(1)
    make(world, JULIET)
    assert loaded(world).jids == {BARD, HECATE}


def test_a_configured_one_whose_account_goes_stays(world: World) -> None:
    world.run(loaded(world).replace([JULIET]))
    one = loaded(world, str(JULIET))
    world.run(world.host.provisioning.delete(JULIET))
    world.runtime.advance(0)
    assert one.jids == {JULIET}
    assert one.named == []
