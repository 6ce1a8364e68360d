"""What rooms say is remembered for seconds, and asked by all lists; silence is no."""

from __future__ import annotations

import asyncio

import pytest

from components.xmpp_files.access import Access
from components.xmpp_files.network_disk.errors import DiskError
from components.xmpp_files.network_disk.rooms import KEEP_S, RoomError, Rooms
from components.xmpp_files.network_disk.stores import Right, Stores
from tests.components.files.network_disk.conftest import JULIET, ROMEO, ROOM


class Lists:
    """A room's lists."""

    def __init__(self, lists: dict[str, list[str]]) -> None:
        self.lists = lists
        self.fails = ""
        self.asked = 0

    async def __call__(self, _room: str, affiliation: str) -> list[str]:
        self.asked += 1
        if self.fails:
            raise RoomError(self.fails)
        return self.lists.get(affiliation, [])


@pytest.fixture
def lists():
    return Lists({"owner": ["capulet@a.test"], "admin": [ROMEO], "member": [JULIET]})


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def rooms(lists, clock):
    return Rooms(lists, "upload.montague.test", lambda: clock[0])


async def test_owners_and_admins_own_the_files_and_members_use_them(rooms):
    assert await rooms.right(ROOM, "capulet@a.test") is Right.OWNER
    assert await rooms.right(ROOM, ROMEO) is Right.OWNER
    assert await rooms.right(ROOM, JULIET) is Right.MEMBER
    assert await rooms.right(ROOM, "mallory@evil.test") is Right.NONE


async def test_answers_are_kept_for_seconds(rooms, lists, clock):
    await rooms.right(ROOM, ROMEO)
    lists.lists["member"] = []
    assert await rooms.right(ROOM, JULIET) is Right.MEMBER
    assert lists.asked == 3
    clock[0] += KEEP_S
    assert await rooms.right(ROOM, JULIET) is Right.NONE


async def test_a_room_that_does_not_tell_gives_nothing_and_is_not_asked_all_the_time(rooms, lists, clock):
    lists.fails = "forbidden"
    for _ in range(3):
        with pytest.raises(DiskError, match=r"makes upload\.montague\.test one of its admins"):
            await rooms.right(ROOM, ROMEO)
    assert lists.asked <= 3
    lists.fails = ""
    clock[0] += KEEP_S
    assert await rooms.right(ROOM, ROMEO) is Right.OWNER


@pytest.mark.parametrize(
    ("condition", "destroyed"),
    [("", False), ("gone", True), ("item-not-found", True), ("forbidden", False), ("timeout", False),
     ("remote-server-not-found", False), ("service-unavailable", False)],
)  # fmt: skip
async def test_only_a_room_that_is_gone_is_destroyed(rooms, lists, condition, destroyed):
    lists.fails = condition
    assert await rooms.is_destroyed(ROOM) is destroyed


async def test_what_is_remembered_is_bounded(rooms):
    await asyncio.gather(*(rooms.right(f"r{number}@c.test", ROMEO) for number in range(1100)))
    assert len(rooms._known) == 1000


class TestStores:
    @pytest.fixture
    def stores(self, rooms):
        return Stores(Access((), "upload.montague.test"), frozenset({"conference.montague.test"}), rooms.right)

    async def test_everybody_owns_their_own(self, stores):
        assert await stores.right(ROMEO, ROMEO) is Right.OWNER
        assert await stores.right(JULIET, ROOM) is Right.MEMBER

    @pytest.mark.parametrize(
        ("who", "store"),
        [
            (ROMEO, JULIET),
            ("mallory@evil.test", "mallory@evil.test"),
            ("mallory@evil.test", ROOM),
            (ROMEO, "room@conference.evil.test"),
            (ROMEO, "conference.montague.test"),
            (ROMEO, ""),
            (ROOM, ROOM),
        ],
    )
    async def test_nobody_gets_at_the_files_of_others(self, stores, who, store):
        with pytest.raises(DiskError):
            await stores.right(who, store)
