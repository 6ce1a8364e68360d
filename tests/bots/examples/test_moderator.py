"""The moderator."""

from __future__ import annotations

from tests.bots.conftest import EXAMPLES
from xmpp_bot import Config
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "moderator.py"
ROMEO = "romeo@example.org"
CONFIG = Config(jid="bot@example.org", options={"words": ["poison"]})


async def test_bad_words_and_links_of_strangers_are_taken_back() -> None:
    async with Stage(load_bot(BOT), config=CONFIG) as stage:
        room = stage.room()
        romeo = room.occupant("Romeo")
        assert await romeo.says("good morrow") == []
        assert await romeo.says("buy POISON!", "m1") == ["Romeo: that word is not for here."]
        assert await romeo.says("see https://example.org", "m2") == ["Romeo: links are for members."]
        assert stage.wire.kicked == []
        assert await romeo.says("poison", "m3") == []
        assert stage.wire.kicked == [(room.jid, "Romeo", "that word is not for here")]
        taken = [(ident, reason) for _, ident, reason in stage.wire.retracted]
        assert [ident for ident, _ in taken] == ["sid-m1", "sid-m2", "sid-m3"]


async def test_members_are_free() -> None:
    async with Stage(load_bot(BOT), config=CONFIG) as stage:
        juliet = stage.room().occupant("Juliet", affiliation="member")
        for _ in range(10):
            assert await juliet.says("poison https://example.org") == []
        assert stage.wire.retracted == []


async def test_floods() -> None:
    async with Stage(load_bot(BOT), config=CONFIG) as stage:
        romeo = stage.room().occupant("Romeo")
        for _ in range(5):
            assert await romeo.says("hey") == []
        assert await romeo.says("hey") == ["Romeo: slower, please."]
        await stage.passes("11s")
        assert await romeo.says("hey") == []


async def test_another_nick_is_no_way_to_flood() -> None:
    async with Stage(load_bot(BOT), config=CONFIG) as stage:
        room = stage.room()
        for number in range(5):
            assert await room.occupant(f"Romeo{number}", user=ROMEO).says("hey") == []
        assert await room.occupant("Tybalt", user=ROMEO).says("hey") == ["Tybalt: slower, please."]


async def test_admins_set_words_and_pardon() -> None:
    async with Stage(load_bot(BOT), config=CONFIG) as stage:
        room = stage.room()
        romeo, nurse = room.occupant("Romeo"), room.occupant("Nurse", affiliation="admin")
        assert await romeo.says("!ban-word rose") == ["Only for admins."]
        assert await nurse.says("!ban-word rose") == ["It is on the list."]
        assert await romeo.says("a rose") == ["Romeo: that word is not for here."]
        assert await nurse.says("!strikes") == [f"{room.jid}/Romeo: 1"]
        assert await nurse.says("!pardon Romeo") == ["Done."]
        assert await nurse.says("!strikes") == ["Nobody has any."]
