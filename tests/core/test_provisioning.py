"""The life of accounts, in storage and in memory."""
# ruff: noqa: RUF001 - ambiguous letters are what look-alikes are about

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.transcript import play
from tests.world import World
from xmpp_server.core.provisioning import AccountExistsError, Credentials, LookAlikeError
from xmpp_server.errors import StreamCondition
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.offline import Offline
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import PasswordError, verify_password
from xmpp_server.storage.api import NoSuchAccountError, StorageFailedError

ROMEO = JID.parse("romeo@example.org")
MODULES = (Delivery, Offline, Roster, Presence)


@pytest.fixture
def world() -> World:
    world = World("example.org", modules=MODULES)
    world.host.provisioning.iterations = 1
    return world


def test_a_new_account_has_keys_for_every_mechanism(world: World) -> None:
    world.run(world.host.provisioning.create(ROMEO, "R0m30"))
    record = world.run(world.storage.accounts.get(ROMEO))
    assert record is not None
    assert record.enabled
    assert all(verify_password(keys, name, "R0m30") for name, keys in record.credentials.items())
    assert {"SHA-1", "SHA-256"} <= set(record.credentials)


def test_a_name_is_taken_once(world: World) -> None:
    world.run(world.host.provisioning.create(ROMEO, "R0m30"))
    with pytest.raises(AccountExistsError):
        world.run(world.host.provisioning.create(ROMEO, "other"))


def test_names_that_look_alike_are_not_taken_at_the_same_time(world: World) -> None:
    accounts = world.host.provisioning
    twin = JID.parse("rоmеo@example.org")

    async def slowly(work: Callable[[], Credentials]) -> Credentials:
        await world.runtime.sleep(1)
        return work()

    accounts.derive = slowly
    world.runtime.spawn(accounts.create(ROMEO, "R0m30"), "first")
    world.settle()
    with pytest.raises(LookAlikeError):
        world.run(accounts.create(twin, "evil", may_look_alike=False))
    world.passes(2)
    assert world.run(world.storage.accounts.get(ROMEO)) is not None


def test_an_administrators_look_alike_leaves_the_first_name_protected(world: World) -> None:
    accounts = world.host.provisioning
    twin = JID.parse("rоmеo@example.org")
    world.run(accounts.create(ROMEO, "R0m30"))
    world.run(accounts.create(twin, "his brother"))
    world.run(accounts.delete(twin))
    with pytest.raises(LookAlikeError):
        world.run(accounts.create(twin, "evil", may_look_alike=False))


def test_a_name_that_looks_like_another_is_held(world: World) -> None:
    accounts = world.host.provisioning
    twin = JID.parse("rоmеo@example.org")
    world.run(accounts.create(ROMEO, "R0m30"))
    with pytest.raises(LookAlikeError):
        world.run(accounts.create(twin, "evil", may_look_alike=False))
    world.run(accounts.delete(ROMEO))
    world.run(accounts.create(twin, "good", may_look_alike=False))


@pytest.mark.parametrize("jid", ["romeo@example.net", "example.org", "romeo@example.org/orchard"])
def test_only_bare_jids_of_the_host_can_be_accounts(world: World, jid: str) -> None:
    with pytest.raises(NoSuchAccountError):
        world.run(world.host.provisioning.create(JID.parse(jid), "secret"))


def test_a_password_must_be_one(world: World) -> None:
    with pytest.raises(PasswordError):
        world.run(world.host.provisioning.create(ROMEO, ""))


def test_a_new_password_counts_at_once_for_an_account_in_memory(world: World) -> None:
    romeo = world.login("romeo@example.org/orchard")
    world.run(world.host.provisioning.set_password(ROMEO, "V3r0n4"))
    assert romeo.account.record is not None
    assert verify_password(romeo.account.record.credentials["SHA-1"], "SHA-1", "V3r0n4")
    assert romeo.account.record == world.run(world.storage.accounts.get(ROMEO))


def test_a_disabled_account_loses_its_sessions_and_nothing_else(world: World) -> None:
    romeo = world.login("romeo@example.org/orchard")
    world.run(world.host.provisioning.set_enabled(ROMEO, False))
    assert romeo.error is not None
    assert romeo.error.condition is StreamCondition.NOT_AUTHORIZED
    assert romeo.account.record is not None
    assert not romeo.account.record.enabled
    world.run(world.host.provisioning.set_enabled(ROMEO, True))
    assert romeo.account.record.enabled


def test_what_does_not_exist_cannot_be_changed(world: World) -> None:
    accounts = world.host.provisioning
    for change in (accounts.set_password(ROMEO, "x"), accounts.set_enabled(ROMEO, False), accounts.delete(ROMEO)):
        with pytest.raises(NoSuchAccountError):
            world.run(change)


def test_contacts_of_a_deleted_account_are_told(world: World) -> None:
    deleted: list[JID] = []
    world.host.hooks.account_deleted.add(deleted.append)
    world.befriend("romeo@example.org", "juliet@example.com")
    world.contact("romeo@example.org", "rosaline@example.com", "from")
    world.contact("romeo@example.org", "paris@example.com", "none", ask=True)
    world.remote("example.com")
    romeo = world.online("romeo@example.org/orchard")
    world.remote("example.com").hears()
    world.run(world.host.provisioning.delete(ROMEO))
    assert romeo.error is not None
    assert romeo.error.condition is StreamCondition.NOT_AUTHORIZED
    heard = {(element.get("to"), element.get("type")) for element in world.remote("example.com").hears()}
    assert heard == {
        ("juliet@example.com", "unavailable"),
        ("rosaline@example.com", "unavailable"),
        ("juliet@example.com", "unsubscribed"),
        ("rosaline@example.com", "unsubscribed"),
        ("juliet@example.com", "unsubscribe"),
        ("paris@example.com", "unsubscribe"),
    }
    assert deleted == [ROMEO]
    assert world.run(world.host.accounts.load(ROMEO)) is None


def test_local_contacts_of_a_deleted_account_lose_the_subscription(world: World) -> None:
    world.befriend("romeo@example.org", "juliet@example.org")
    juliet = world.online("juliet@example.org/balcony")
    world.run(world.host.provisioning.delete(ROMEO))
    assert juliet.account.roster["romeo@example.org"].subscription == "none"


async def test_an_account_that_cannot_be_deleted_stays(world: World) -> None:
    romeo = world.login("romeo@example.org/orchard")
    world.storage.hold()
    failures: list[BaseException] = []

    async def attempt() -> None:
        try:
            await world.host.provisioning.delete(ROMEO)
        except StorageFailedError as error:
            failures.append(error)

    world.runtime.spawn(attempt(), "attempt")
    world.settle()
    world.release(StorageFailedError("disk"))
    assert failures
    assert not romeo.account.deleted
    play(world, "romeo@example.org/orchard connects")
