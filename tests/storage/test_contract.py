"""What every store promises, whatever keeps the data."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.storage.values import CREATED, JULIET, KEYS, ROMEO, account, message
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.storage.api import NoSuchAccountError, OfflineMessage, RosterItem, SavedSession, Storage

BENVOLIO = RosterItem(JID.parse("benvolio@example.org"), "Ben \"&<'", "both", False, True, ("Friends", "Verona ☃"))
NURSE = RosterItem(JID.parse("nurse@example.org"), ask=True)
STRANGER = RosterItem(
    JID.parse("tybalt@example.com"), pending_in=b"<presence type='subscribe'>\xe2\x98\x83\x00</presence>"
)


async def test_account_is_read_as_it_was_written(store: Storage) -> None:
    assert await store.accounts.create(account()) is True
    assert await store.accounts.get(ROMEO) == account()
    assert await store.accounts.get(JULIET) is None


async def test_account_is_created_once(store: Storage) -> None:
    first = store.accounts.create(account())
    second = store.accounts.create(replace(account(), enabled=False))
    assert [await first, await second] == [True, False]
    assert await store.accounts.get(ROMEO) == account()


async def test_credentials_are_replaced(store: Storage) -> None:
    await store.accounts.create(account())
    keys = {"SHA-512": ScramKeys(b"pepper", 4096, b"a" * 64, b"b" * 64)}
    await store.accounts.set_credentials(ROMEO, keys)
    assert await store.accounts.get(ROMEO) == replace(account(), credentials=keys)


async def test_account_is_disabled_and_enabled(store: Storage) -> None:
    await store.accounts.create(account())
    await store.accounts.set_enabled(ROMEO, False)
    assert await store.accounts.get(ROMEO) == replace(account(), enabled=False)
    await store.accounts.set_enabled(ROMEO, True)
    assert await store.accounts.get(ROMEO) == account()


async def test_changes_to_no_account_fail_alone(store: Storage) -> None:
    writes = [
        store.accounts.set_credentials(ROMEO, KEYS),
        store.accounts.set_enabled(ROMEO, True),
        store.rosters.put(ROMEO, BENVOLIO),
        store.rosters.remove(ROMEO, BENVOLIO.jid),
    ]
    good = store.accounts.create(account(JULIET))
    for write in writes:
        with pytest.raises(NoSuchAccountError):
            await write
        assert isinstance(write.exception(), NoSuchAccountError)
    assert await good is True
    assert await store.rosters.load(ROMEO) == (0, [])


async def test_accounts_are_listed_by_host_and_in_pages(store: Storage) -> None:
    names = ["a@example.org", "b@example.org", "é@example.org", "z@example.org", "b@example.com"]
    for name in reversed(names):
        store.accounts.create(account(JID.parse(name)))
    listed = await store.accounts.list("example.org")
    assert [str(jid) for jid in listed] == ["a@example.org", "b@example.org", "z@example.org", "é@example.org"]
    assert await store.accounts.list("example.org", after="a@example.org", limit=2) == listed[1:3]
    assert await store.accounts.list("example.org", after=str(listed[-1])) == []
    assert [await store.accounts.count(host) for host in ("example.org", "example.com", "none")] == [4, 1, 0]
    assert await store.accounts.hosts() == ["example.com", "example.org"]


async def test_deletion_takes_all_that_the_account_owns_and_nothing_else(store: Storage) -> None:
    session = SavedSession("t1", JID.parse("romeo@example.org/orchard"), b"state", CREATED)
    other = SavedSession("t2", JID.parse("juliet@example.org/balcony"), b"state", CREATED)
    for jid in (ROMEO, JULIET):
        store.accounts.create(account(jid))
        store.rosters.put(jid, BENVOLIO)
        store.offline.append(jid, message(1))
        store.documents.put(jid, "vcard", "", b"<vCard/>")
    store.sessions.save_all([session, other])
    assert await store.accounts.delete(ROMEO) is True
    assert await store.accounts.delete(ROMEO) is False
    assert await store.accounts.get(ROMEO) is None
    assert await store.load_account(ROMEO) is None
    assert await store.rosters.load(ROMEO) == (0, [])
    assert await store.offline.count(ROMEO) == 0
    assert await store.documents.kinds(ROMEO) == []
    assert await store.sessions.load_all() == [other]
    assert (await store.rosters.load(JULIET)).items == [BENVOLIO]
    assert await store.offline.count(JULIET) == 1


async def test_new_account_inherits_nothing(store: Storage) -> None:
    store.accounts.create(account())
    version = await store.rosters.put(ROMEO, BENVOLIO)
    store.accounts.delete(ROMEO)
    store.offline.append(ROMEO, message(1))  # came too late for the old account
    store.documents.put(ROMEO, "last", "", b"bye")
    store.accounts.create(account(created=CREATED + timedelta(seconds=2)))
    loaded = await store.load_account(ROMEO, ["last"])
    assert loaded is not None
    assert (loaded.roster, loaded.offline_count, loaded.documents) == ([], 0, {})
    assert loaded.roster_version > version


async def test_roster_items_are_read_as_they_were_written(store: Storage) -> None:
    await store.accounts.create(account())
    versions = [await store.rosters.put(ROMEO, item) for item in (STRANGER, NURSE, BENVOLIO)]
    assert versions == sorted(set(versions))
    assert await store.rosters.load(ROMEO) == (versions[-1], [BENVOLIO, NURSE, STRANGER])


async def test_roster_item_is_replaced_and_removed(store: Storage) -> None:
    store.accounts.create(account())
    first = await store.rosters.put(ROMEO, STRANGER)
    replaced = replace(BENVOLIO, jid=STRANGER.jid)
    assert await store.rosters.put(ROMEO, replaced) == first + 1
    assert (await store.rosters.load(ROMEO)).items == [replaced]
    assert await store.rosters.remove(ROMEO, STRANGER.jid) == first + 2
    assert await store.rosters.load(ROMEO) == (first + 2, [])


async def test_offline_messages_come_back_in_the_order_of_their_ids(store: Storage) -> None:
    for number in (3, 1, 2):
        store.offline.append(ROMEO, message(number))
    store.offline.append(JULIET, message(4))
    assert await store.offline.load(ROMEO) == [message(1), message(2), message(3)]
    assert await store.offline.load(ROMEO, after=message(1).id, limit=1) == [message(2)]
    assert await store.offline.count(ROMEO) == 3


async def test_offline_message_with_a_known_id_is_kept_once(store: Storage) -> None:
    await store.offline.append(ROMEO, message(1))
    await store.offline.append(ROMEO, message(1, "again"))
    assert await store.offline.load(ROMEO) == [message(1)]


async def test_delivered_messages_are_forgotten(store: Storage) -> None:
    for number in range(300):
        store.offline.append(ROMEO, message(number))
    ids = [message(number).id for number in range(299)]
    await store.offline.remove(ROMEO, [*ids, "unknown"])
    await store.offline.remove(ROMEO, [])
    assert await store.offline.load(ROMEO) == [message(299)]


@pytest.mark.parametrize("stanza", [b"", b"\x00\xff\xfe", "<b>☃ 🦄</b>".encode(), b"x" * 300_000])
async def test_stanzas_are_kept_byte_for_byte(store: Storage, stanza: bytes) -> None:
    await store.offline.append(ROMEO, OfflineMessage("1", CREATED, stanza))
    assert [kept.stanza for kept in await store.offline.load(ROMEO)] == [stanza]


async def test_documents_are_put_replaced_read_and_removed(store: Storage) -> None:
    server = JID.parse("example.org")
    await store.documents.put(ROMEO, "private", "b", b"1")
    await store.documents.put(ROMEO, "private", "b", b"2")
    await store.documents.put(ROMEO, "private", "a", b"3")
    await store.documents.put(server, "motd", "", b"4")
    assert await store.documents.get(ROMEO, "private", "b") == b"2"
    assert await store.documents.get(ROMEO, "private", "c") is None
    assert list((await store.documents.all(ROMEO, "private")).items()) == [("a", b"3"), ("b", b"2")]
    assert await store.documents.all(server, "motd") == {"": b"4"}
    assert await store.documents.kinds(ROMEO) == ["private"]
    await store.documents.remove(ROMEO, "private", "a")
    await store.documents.remove(ROMEO, "private", "a")
    assert await store.documents.all(ROMEO, "private") == {"b": b"2"}
    await store.documents.remove(ROMEO, "private", "b")
    assert await store.documents.kinds(ROMEO) == []


async def test_owners_of_documents_are_told_page_by_page(store: Storage) -> None:
    room, server = JID.parse("cave@rooms.example.org"), JID.parse("example.org")
    store.accounts.create(account(ROMEO))
    for owner in (ROMEO, room, server):
        store.documents.put(owner, "a", "1", b"")
        await store.documents.put(owner, "b", "2", b"")
    assert await store.documents.owners() == [room, server, ROMEO]
    assert await store.documents.owners(limit=2) == [room, server]
    assert await store.documents.owners(str(server)) == [ROMEO]
    await store.documents.remove(room, "a", "1")
    await store.documents.remove(room, "b", "2")
    await store.accounts.delete(ROMEO)
    assert await store.documents.owners() == [server]


async def test_hostile_names_are_only_names(store: Storage) -> None:
    name = "'; DROP TABLE accounts; --../\\%_\""
    await store.documents.put(ROMEO, name, name, b"1")
    assert await store.documents.all(ROMEO, name) == {name: b"1"}
    assert await store.documents.all(ROMEO, "%") == {}
    assert await store.accounts.count("example.org") == 0


async def test_account_is_loaded_at_once(store: Storage) -> None:
    store.accounts.create(account())
    version = store.rosters.put(ROMEO, BENVOLIO)
    store.offline.append(ROMEO, message(1))
    for kind, key in (("private", "a"), ("private", "b"), ("block", ""), ("vcard", "")):
        store.documents.put(ROMEO, kind, key, (kind + key).encode())
    loaded = await store.load_account(ROMEO, ["block", "private", "none"])
    assert loaded is not None
    assert loaded.record == account()
    assert (loaded.roster_version, loaded.roster, loaded.offline_count) == (version.result(), [BENVOLIO], 1)
    assert loaded.documents == {"private": {"a": b"privatea", "b": b"privateb"}, "block": {"": b"block"}}
    assert await store.load_account(JULIET, ["block"]) is None


async def test_saved_sessions_are_taken_once(store: Storage) -> None:
    sessions = [
        SavedSession(f"token{number}", JID.parse(f"romeo@example.org/{number}"), b"\x00" * number, CREATED)
        for number in range(3)
    ]
    await store.sessions.save_all(sessions)
    await store.sessions.save_all([sessions[0]])
    taken = await store.sessions.load_all()
    assert sorted(taken, key=lambda session: session.token) == sessions
    assert await store.sessions.load_all() == []


async def test_read_sees_earlier_writes(store: Storage) -> None:
    store.accounts.create(account())
    for number in range(50):
        store.offline.append(ROMEO, message(number))
        assert await store.offline.count(ROMEO) == number + 1


async def test_callback_runs_once_the_write_is_done(store: Storage) -> None:
    done: list[bool] = []
    commit = store.offline.append(ROMEO, message(1))
    commit.add_done_callback(lambda write: done.append(write.done() and write.exception() is None))
    await commit
    assert done == [True]
    commit.add_done_callback(lambda write: done.append(write.done()))
    assert done == [True, True]
    assert store.queued == 0


async def test_many_writes_at_once_are_all_committed_in_order(store: Storage) -> None:
    commits = [store.offline.append(ROMEO, message(number)) for number in range(1000)]
    version = store.accounts.create(account())
    puts = [store.rosters.put(ROMEO, replace(NURSE, name=str(number))) for number in range(20)]
    await asyncio.gather(*commits, version)
    first = await puts[0]
    assert [await put for put in puts] == list(range(first, first + 20))
    # The account is made after the messages came: it inherits none.
    assert await store.offline.count(ROMEO) == 0
    assert [item.name for item in (await store.rosters.load(ROMEO)).items] == ["19"]


async def test_close_commits_what_is_queued(store: Storage) -> None:
    commits = [store.offline.append(ROMEO, message(number)) for number in range(300)]
    await store.close()
    assert all(commit.done() and commit.exception() is None for commit in commits)
    assert store.failure is None
    await store.open()
    assert await store.offline.count(ROMEO) == 300
