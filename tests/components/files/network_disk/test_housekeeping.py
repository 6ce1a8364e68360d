"""What is left by crashes and by time goes away, and its space is free."""

from __future__ import annotations

import time

from components.xmpp_files.network_disk import changes
from components.xmpp_files.network_disk.housekeeping import Housekeeping
from components.xmpp_files.network_disk.rooms import RoomError, Rooms
from components.xmpp_files.network_disk.stores import Right
from tests.components.files.network_disk.conftest import JULIET, ROMEO, ROOM


def keeping(server, *destroyed: str) -> Housekeeping:
    async def ask(room: str, _affiliation: str) -> list[str]:
        if room in destroyed:
            raise RoomError("gone")
        return []

    return Housekeeping(server.disk, Rooms(ask, "upload.montague.test", time.monotonic))


async def test_a_crash_while_a_form_is_stored_leaves_nothing(server):
    """Before the rename, and after it: the row is there, the name is not."""
    now = int(time.time())
    for is_stored in (False, True):
        file = await server.disk.reserve(ROMEO, ROMEO, 0, 500, "text/plain", now, now, None)
        if is_stored:
            upload = await server.disk.storage.begin(file.id, 500)
            await upload.write(b"x")
            await upload.seal()
            await upload.commit()
    assert await keeping(server).reconcile(now) == 2
    await server.purge()
    assert (await server.used(), server.files()) == (0, [])


async def test_a_crash_while_something_is_deleted_loses_only_that(server):
    kept = await server.stored("kept")
    gone = await server.stored("gone")
    entry = await server.disk.entry(ROMEO, gone)
    await server.disk.index.change(lambda database: changes.remove(database, entry, int(time.time())))
    assert len(server.files()) == 2  # here it crashed
    await keeping(server).reconcile(int(time.time()))
    await server.purge()
    assert len(server.files()) == 1
    assert (await server.disk.entry(ROMEO, kept)).name == "kept"


async def test_a_slot_that_was_open_in_the_crash_can_still_be_used(server):
    url = await server.disk.slot(ROMEO, ROMEO, 0, "x.txt", 4, "", int(time.time()))
    assert await keeping(server).reconcile(int(time.time())) == 0
    await server.put(url.split("/")[3], b"data")
    folder = await server.disk.folder(ROMEO, ROMEO, 0)
    assert [entry.name for entry in folder.page.entries] == ["x.txt"]


async def test_files_of_a_destroyed_room_go_and_those_of_others_stay(server):
    other = ROOM.replace("balcony", "garden")
    server.rooms.rights.update({(ROOM, ROMEO): Right.OWNER, (other, ROMEO): Right.OWNER})
    for store in (ROOM, other, ROMEO):
        await server.stored("x", store=store, who=ROMEO)
    await keeping(server, ROOM, ROMEO).once(int(time.time()))
    await server.purge()
    assert len(server.files()) == 2
    assert await server.used(ROOM) == 0
    assert await server.used(other) == 4


async def test_old_shares_and_sessions_are_forgotten(server, juliet):
    entry = await server.stored("x", store=JULIET)
    share = await server.disk.share(JULIET, entry, "", 1, 1)
    await keeping(server).once(int(time.time()))
    assert share.expires == 2
    assert await server.disk.index.read(lambda d: d.execute("SELECT count(*) FROM shares").fetchone()) == (0,)
    await keeping(server).once(int(time.time()) + 10**6)
    assert (await juliet.get("/disk/")).status == 403
