"""slixmpp's XEP-0313 against the real server with the real archive."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import slixmpp
from slixmpp.exceptions import IqError

from tests.components.archive.history_client import MAM_PLUGINS, opens
from tests.components.archive.running import ArchiveProcess, connected, pair
from tests.interop.aio import AioPeer
from tests.interop.slix import SlixClient
from tests.peers import ROOT, ServerProcess


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ArchiveProcess]]:
    server, archive = pair(tmp_path_factory.mktemp("archive"))
    users = ("romeo", "juliet", "nurse", "paris", "benvolio", "mercutio", "tybalt", "samson")
    with connected(server, archive, *users):
        yield server, archive
        assert server.failures() == []
        assert not archive.failed
        assert archive.stop() == 0
        assert server.stop() == 0


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


async def test_aioxmpp_reads_the_same(running: tuple[ServerProcess, ArchiveProcess]) -> None:
    server, _ = running
    benvolio = await client(server, "benvolio")
    aio = await AioPeer.online("mercutio", server.c2s)
    for number in range(7):
        benvolio.say("mercutio@localhost", str(number))
        await aio.event("message", text=str(number))
    await aio.do("say", to="benvolio@localhost", text="peace")
    await benvolio.hears_text("peace")
    said = [*map(str, range(7)), "peace"]
    assert await aio.do("history", page="3") == {"texts": said, "sizes": [3, 3, 2], "stamped": True}
    assert await aio.do("history", page="8", contact="benvolio@localhost") == {
        "texts": said,
        "sizes": [8],
        "stamped": True,
    }
    assert await aio.do("history", page="9", contact="nurse@localhost") == {"texts": [], "sizes": [0], "stamped": True}
    await aio.offline()
    await benvolio.offline()


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
    await opens(nurse, room, "hag")
    for text in ("boil", "bubble"):
        nurse.send_message(mto=room, mbody=text, mtype="groupchat")
    await nurse.hears_text("bubble", "groupchat")
    results = (await nurse.plugin["xep_0313"].retrieve(jid=room))["mam"]["results"]
    assert texts(results) == ["boil", "bubble"]
    assert {str(one["mam_result"]["forwarded"]["stanza"]["from"]) for one in results} == {f"{room}/hag"}
    await nurse.offline()


async def test_who_reads_before_being_available_has_each_message_once(
    running: tuple[ServerProcess, ArchiveProcess],
) -> None:
    server, _ = running
    tybalt = await client(server, "tybalt")
    for number in range(5):
        tybalt.say("samson@localhost", str(number))
    await tybalt.settle()
    plugins = [name for name in MAM_PLUGINS if name != "xep_0198"]  # what is written counts as read
    samson = await SlixClient("samson", "new", plugins=plugins).online(server.c2s, available=False)
    assert texts((await samson.plugin["xep_0313"].retrieve(rsm={"max": 3}))["mam"]["results"]) == ["0", "1", "2"]
    samson.send_presence()
    await samson.hears_text("4")
    assert samson.texts() == ["3", "4"]
    await samson.settle()
    await samson.offline()
    later = await SlixClient("samson", "old", plugins=MAM_PLUGINS).online(server.c2s)
    tybalt.say("samson@localhost", "new")
    await later.hears_text("new")
    assert later.texts() == ["new"]
    await later.offline()
    await tybalt.offline()


def retracting(message: slixmpp.Message, target: str) -> None:
    ET.SubElement(message.xml, "{urn:xmpp:message-retract:1}retract", {"id": target})
    message.send()


async def test_what_is_retracted(running: tuple[ServerProcess, ArchiveProcess]) -> None:
    server, _ = running
    romeo, paris = await client(server, "romeo", "sorry"), await client(server, "paris", "sorry")
    secret = romeo.make_message(mto=slixmpp.JID("paris@localhost"), mbody="juliet is alive", mtype="chat")
    secret["id"] = "secret-1"
    secret.send()
    await paris.hears_text("juliet is alive")
    retracting(paris.make_message(mto=slixmpp.JID("romeo@localhost"), mbody="not yours", mtype="chat"), "secret-1")
    await romeo.hears_text("not yours")
    with_paris = await romeo.plugin["xep_0313"].retrieve(with_jid=slixmpp.JID("paris@localhost"))
    assert "juliet is alive" in texts(with_paris["mam"]["results"])
    retracting(romeo.make_message(mto=slixmpp.JID("paris@localhost"), mbody="forget it", mtype="chat"), "secret-1")
    await paris.hears_text("forget it")
    room = slixmpp.JID("tomb@conference.localhost")
    await opens(romeo, room, "romeo")
    await paris.plugin["xep_0045"].join_muc_wait(room, "paris")
    paris.send_message(mto=room, mbody="a fight!", mtype="groupchat")
    await romeo.hears_text("a fight!", "groupchat")
    (said,) = (await romeo.plugin["xep_0313"].retrieve(jid=room))["mam"]["results"]
    iq = romeo.make_iq_set(ito=room)
    moderate = ET.SubElement(iq.xml, "{urn:xmpp:message-moderate:1}moderate", {"id": said["mam_result"]["id"]})
    ET.SubElement(moderate, "{urn:xmpp:message-retract:1}retract")
    await iq.send()
    for one, jid, gone in (
        (romeo, None, "juliet is alive"),
        (paris, None, "juliet is alive"),
        (paris, room, "a fight!"),
    ):
        results = [result async for result in one.plugin["xep_0313"].iterate(jid=jid)]
        stanzas = [result["mam_result"]["forwarded"]["stanza"] for result in results]
        assert gone not in [stanza["body"] for stanza in stanzas]
        tombs = [stanza for stanza in stanzas if stanza.xml.find("{urn:xmpp:message-retract:1}retracted") is not None]
        assert len(tombs) == 1
        assert any(stanza.xml.find("{urn:xmpp:message-retract:1}retract") is not None for stanza in stanzas)
    await romeo.offline()
    await paris.offline()


async def test_the_server_runs_it_and_search_works(tmp_path: Path) -> None:
    """`run` in the configuration is all that is needed."""
    (tmp_path / "archive.toml").write_text('data_dir = "kept"\n[search]\nenabled = true\n')
    command = [sys.executable, "-m", "components.xmpp_archive", "--config", str(tmp_path / "archive.toml")]
    server = ServerProcess(
        tmp_path,
        f'[[components]]\ndomains = ["archive.localhost"]\nrun = {json.dumps(command)}\nfolder = "{ROOT}"\n'
        "[modules.archive]\nenabled = true\nsearch = true\n",
        component=0,
    )
    with server.serving("romeo", "juliet"):
        romeo = await client(server, "romeo")
        for said in ("wherefore art thou", "good night, good night"):
            romeo.say("juliet@localhost", said)
        await romeo.settle()
        while not (tmp_path / "kept" / "archive.db").exists() or not await answers(romeo):
            await asyncio.to_thread(time.sleep, 0.1)
        info = await romeo.plugin["xep_0030"].get_info(jid=slixmpp.JID("romeo@localhost"))
        assert "urn:xmpp:fulltext:0" in info["disco_info"]["features"]
        iq = romeo.make_iq_set()
        iq["mam"]["queryid"] = "s"
        form = romeo.plugin["xep_0004"].make_form(ftype="submit")
        form.add_field(var="FORM_TYPE", ftype="hidden", value="urn:xmpp:mam:2")
        form.add_field(var="{urn:xmpp:fulltext:0}fulltext", value="night")
        iq["mam"].append(form)
        fin = await iq.send()
        assert fin["mam_fin"]["rsm"]["count"] == "1"
        await romeo.offline()


async def answers(one: SlixClient) -> bool:
    """Whether the archive is there, and has got what was kept for it."""
    try:
        return len((await one.plugin["xep_0313"].retrieve())["mam"]["results"]) == 2
    except IqError:
        return False
