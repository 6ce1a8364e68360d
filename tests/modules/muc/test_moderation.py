"""XEP-0424 and XEP-0425: what was said is taken back, by its author or by a moderator."""

from __future__ import annotations

import msgspec
import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven
from tests.world import Client
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DISCO_INFO, OCCUPANT_ID, SID
from xmpp_server.xml.writer import serialize

RETRACT, MODERATE = "urn:xmpp:message-retract:1", "urn:xmpp:message-moderate:1"


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def said(client: Client, body: str = "DM me for free magic potions!", inside: str = "") -> str:
    """Say something and return the room's id of it."""
    client.says(f"<message to='{ROOM}' type='groupchat' id='inappropriate-1'><body>{body}</body>{inside}</message>")
    [message] = client.hears()
    return stable_id(message)


def stable_id(message: Element) -> str:
    [one] = message.findall("stanza-id", SID)
    return one.get("id") or ""


def history(coven: Coven) -> list[Element]:
    """What a newcomer gets to hear, less the subject."""
    heard = [one for one in coven.enters(WICCA, "secondwitch").hears() if one.name == "message"]
    return heard[:-1]


def moderate(ident: str, reason: str = "<reason>Spam</reason>") -> str:
    return f"<moderate xmlns='{MODERATE}' id='{ident}'><retract xmlns='{RETRACT}'/>{reason}</moderate>"


def test_announced(coven: Coven, hag: Client) -> None:
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>")
    query = answer.find("query", DISCO_INFO)
    assert query is not None
    found = {one.get("var") for one in query.findall("feature", DISCO_INFO)}
    assert found >= {MODERATE, "urn:xmpp:message-moderate:0", RETRACT, f"{RETRACT}#tombstone"}


def test_moderated(coven: Coven, hag: Client) -> None:
    # XEP-0425 §4.1
    ident = said(hag)
    coven.quiet()
    assert coven.asks(CRONE, "set", moderate(ident)).get("type") == "result"
    assert coven.answered_first
    for message in (*coven.rest, *hag.hears()):
        assert (message.get("from"), message.get("type")) == (ROOM, "groupchat")
        retract = message.find("retract", RETRACT)
        assert retract is not None
        assert retract.get("id") == ident
        moderated, reason = retract.elements()
        assert (moderated.name, moderated.ns, moderated.get("by")) == ("moderated", MODERATE, f"{ROOM}/firstwitch")
        assert moderated.find("occupant-id", OCCUPANT_ID) is not None
        assert reason.text == "Spam"
        old = message.find("apply-to", "urn:xmpp:fasten:0")
        assert old is not None
        assert old.get("id") == ident
    tombstone, retraction = history(coven)
    assert [child.name for child in tombstone.elements()] == ["occupant-id", "stanza-id", "retracted", "delay"]
    retracted = tombstone.find("retracted", RETRACT)
    assert retracted is not None
    assert retracted.find("moderated", MODERATE) is not None
    assert retracted.get("id") == retraction.get("id")
    assert retracted.get("stamp")
    assert stable_id(tombstone) == ident
    assert tombstone.get("from") == f"{ROOM}/thirdwitch"


def test_moderated_by_old_clients(coven: Coven, hag: Client) -> None:
    ident = said(hag)
    payload = (
        f"<apply-to xmlns='urn:xmpp:fasten:0' id='{ident}'><moderate xmlns='urn:xmpp:message-moderate:0'>"
        "<retract xmlns='urn:xmpp:message-retract:0'/></moderate></apply-to>"
    )
    assert coven.asks(CRONE, "set", payload).get("type") == "result"
    tombstone, _ = history(coven)
    assert tombstone.find("body", CLIENT) is None


def test_moderation_refused(coven: Coven, hag: Client) -> None:
    ident = said(hag)
    assert condition(coven.asks(HAG, "set", moderate(ident))) == "forbidden"
    assert condition(coven.asks("stranger@example.org/x", "set", moderate(ident))) == "forbidden"
    assert condition(coven.asks(CRONE, "set", moderate(""))) == "bad-request"
    assert condition(coven.asks(CRONE, "set", f"<moderate xmlns='{MODERATE}' id='x'/>")) == "feature-not-implemented"
    assert condition(coven.asks(CRONE, "set", "<apply-to xmlns='urn:xmpp:fasten:0' id='x'/>")) == "bad-request"
    [message] = history(coven)
    assert message.find("body", CLIENT) is not None


def test_what_the_history_has_forgotten_is_moderated_too(coven: Coven, hag: Client) -> None:
    assert coven.asks(CRONE, "set", moderate("from-the-archive", "")).get("type") == "result"
    [message] = hag.hears()
    assert message.find("retract", RETRACT) is not None
    assert history(coven) == []


def test_retracted_by_its_author(coven: Coven, hag: Client) -> None:
    ident = said(hag)
    coven.quiet()
    hag.says(f"<message to='{ROOM}' type='groupchat' id='r'><retract xmlns='{RETRACT}' id='{ident}'/></message>")
    [message] = coven.client(CRONE).hears()
    assert message.find("retract", RETRACT) is not None
    tombstone, retraction = history(coven)
    assert tombstone.find("body", CLIENT) is None
    retracted = tombstone.find("retracted", RETRACT)
    assert retracted is not None
    assert retracted.get("id") == "r" == retraction.get("id")


@pytest.mark.parametrize("ident", ["e", "", "<", "'"])
def test_who_guesses_ids_makes_nobody_read_the_history(coven: Coven, hag: Client, ident: str) -> None:
    said(hag, inside="<e/>" * 9000)
    line = coven.open().room.history.lines[0]
    broken = msgspec.structs.replace(line, tail=b"<broken")  # it would fail if it was read
    coven.open().room.history.lines[0] = broken
    element = Element("retract", RETRACT, {"id": ident})
    hag.says(f"<message to='{ROOM}' type='groupchat'>{serialize(element).decode()}</message>")
    [message] = hag.hears()
    assert message.get("type") == "groupchat"
    assert coven.open().room.history.lines[0] is broken


def test_retracted_after_the_room_has_slept(coven: Coven, hag: Client) -> None:
    coven.configures(persistentroom="1")
    coven.quiet()
    ident = said(hag)
    for jid in (HAG, CRONE):
        coven.client(jid).says(f"<presence to='{ROOM}/x' type='unavailable'/>")
    coven.world.runtime.advance(300)
    assert coven.muc.rooms.get(ROOM.split("@")[0]) is None
    coven.enters(HAG, "thirdwitch")
    coven.quiet()
    hag.says(f"<message to='{ROOM}' type='groupchat' id='r'><retract xmlns='{RETRACT}' id='{ident}'/></message>")
    tombstone, _ = history(coven)
    assert tombstone.find("retracted", RETRACT) is not None


def test_others_do_not_retract(coven: Coven, hag: Client) -> None:
    ident = said(coven.client(CRONE))
    hag.says(f"<message to='{ROOM}' type='groupchat'><retract xmlns='{RETRACT}' id='{ident}'/></message>")
    [message] = history(coven)
    assert message.find("body", CLIENT) is not None


def test_an_id_inside_a_message_is_not_its_id(coven: Coven, hag: Client) -> None:
    victim = said(coven.client(CRONE), "Harmless")
    forged = f"<x xmlns='urn:x'><stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{victim}'/></x>"
    hag.hears()
    said(hag, inside=forged)
    hag.says(f"<message to='{ROOM}' type='groupchat'><retract xmlns='{RETRACT}' id='{victim}'/></message>")
    assert all(one.find("body", CLIENT) is not None for one in history(coven))
