"""slixmpp's XEP-0313 against the real server with the real archive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import slixmpp
from slixmpp.exceptions import IqError

from tests.components.archive.running import ArchiveProcess, pair
from tests.interop.slix import PLUGINS, SlixClient
from tests.peers import ServerProcess

MAM_PLUGINS = (*PLUGINS, "xep_0059", "xep_0313", "xep_0359", "xep_0441")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ArchiveProcess]]:
    server, archive = pair(tmp_path_factory.mktemp("archive"))
    try:
        server.start()
        archive.start()
        server.add_users("romeo", "juliet", "nurse", "paris")
        yield server, archive
        assert server.failures() == []
        assert not archive.failed
        assert archive.stop() == 0
        assert server.stop() == 0
    finally:
        archive.kill()
        server.kill()


async def client(server: ServerProcess, user: str, resource: str = "mam") -> SlixClient:
    return await SlixClient(user, resource, plugins=MAM_PLUGINS).online(server.c2s)


def texts(results: list[slixmpp.Message]) -> list[str]:
    return [one["mam_result"]["forwarded"]["stanza"]["body"] for one in results]


async def test_history(running: tuple[ServerProcess, ArchiveProcess]) -> None:
    server, _ = running
    romeo, juliet = await client(server, "romeo"), await client(server, "juliet")
    said = [f"{number} <&> é" for number in range(73)]
    for text in said:
        romeo.say("juliet@localhost", text)
    await juliet.hears_text(said[-1])
    juliet.say("romeo@localhost", "enough")
    await romeo.hears_text("enough")
    for one in (romeo, juliet):
        mam = one.plugin["xep_0313"]
        found = [message async for message in mam.iterate(rsm={"max": 20})]
        assert texts(found) == [*said, "enough"]
        backwards = texts([message async for message in mam.iterate(reverse=True, rsm={"max": 20})])
        assert sorted(backwards) == sorted(texts(found))
        assert set(backwards[:20]) == {*said[-19:], "enough"}
        (first,) = (await mam.retrieve(rsm={"max": 1}))["mam"]["results"]
        metadata = (await mam.get_archive_metadata())["mam_metadata"]
        assert metadata["start"]["id"] == first["mam_result"]["id"]
        assert metadata["end"]["id"] == found[-1]["mam_result"]["id"]
        other = "juliet@localhost" if one is romeo else "romeo@localhost"
        assert len([one async for one in mam.iterate(with_jid=slixmpp.JID(other))]) == 74
        assert (await mam.retrieve(with_jid=slixmpp.JID("nurse@localhost")))["mam"]["results"] == []
        fields = (await mam.get_fields()).get_fields()
        assert {"with", "start", "end", "ids"} <= set(fields)
    assert juliet.texts() == said  # results are no messages
    for bad in ({"after": "x' OR 1=1 --"}, {"before": "nobody"}):
        with pytest.raises(IqError) as caught:
            await romeo.plugin["xep_0313"].retrieve(rsm=bad)
        assert caught.value.condition == "item-not-found"
    with pytest.raises(IqError) as caught:
        await romeo.plugin["xep_0313"].retrieve(jid=slixmpp.JID("juliet@localhost"))
    assert caught.value.condition == "service-unavailable"
    await romeo.offline()
    await juliet.offline()


async def test_preferences(running: tuple[ServerProcess, ArchiveProcess]) -> None:
    server, archive = running
    nurse, paris = await client(server, "nurse"), await client(server, "paris")
    prefs = nurse.plugin["xep_0441"]
    assert (await prefs.get_preferences())[0] == "always"
    answer = await prefs.set_preferences(default="always", never=[slixmpp.JID("paris@localhost")])
    assert {str(jid) for jid in answer["mam_prefs"]["never"]} == {"paris@localhost"}
    paris.say("nurse@localhost", "a word")
    await nurse.hears_text("a word")
    assert (await nurse.plugin["xep_0313"].retrieve())["mam"]["results"] == []
    assert texts((await paris.plugin["xep_0313"].retrieve())["mam"]["results"]) == ["a word"]
    assert archive.bodies("nurse@localhost") == []
    await nurse.offline()
    await paris.offline()


async def test_a_room(running: tuple[ServerProcess, ArchiveProcess]) -> None:
    server, _ = running
    nurse = await client(server, "nurse", "room")
    room = slixmpp.JID("coven@conference.localhost")
    await nurse.plugin["xep_0045"].join_muc_wait(room, "hag")
    for text in ("boil", "bubble"):
        nurse.send_message(mto=room, mbody=text, mtype="groupchat")
    await nurse.hears_text("bubble", "groupchat")
    results = (await nurse.plugin["xep_0313"].retrieve(jid=room))["mam"]["results"]
    assert texts(results) == ["boil", "bubble"]
    assert {str(one["mam_result"]["forwarded"]["stanza"]["from"]) for one in results} == {f"{room}/hag"}
    await nurse.offline()
