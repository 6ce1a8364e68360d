"""XEP-0437: room activity indicators."""

from __future__ import annotations

import pytest

from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, WICCA, Coven
from tests.world import Client
from xmpp_server.modules.muc.activity import RAI
from xmpp_server.xml.namespaces import DISCO_INFO


def subscribes(client: Client) -> list[list[str]]:
    client.says(f"<presence to='{SERVICE}'><rai xmlns='{RAI}'/></presence>")
    return told(client)


def told(client: Client) -> list[list[str]]:
    """The rooms of each notification."""
    found = [one.find("rai", RAI) for one in client.hears() if one.get("from") == SERVICE]
    return [[activity.text for activity in one.elements()] for one in found if one is not None]


def speaks(coven: Coven, inside: str = "<body>x</body>") -> None:
    coven.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'>{inside}</message>")


@pytest.fixture
def hag(coven: Coven) -> Client:
    """A member who is not there."""
    coven.founded(persistentroom="1")
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    coven.quiet()
    return coven.client(HAG)


def test_once_for_each_room(coven: Coven, hag: Client) -> None:
    # §4.1, §5
    assert subscribes(hag) == []
    speaks(coven, "<active xmlns='http://jabber.org/protocol/chatstates'/>")
    assert told(hag) == []
    speaks(coven)
    speaks(coven)
    assert told(hag) == [[ROOM]]


def test_what_was_missed(coven: Coven, hag: Client) -> None:
    speaks(coven)
    assert subscribes(hag) == [[ROOM]]
    speaks(coven)
    assert told(hag) == []


def test_who_is_there_is_not_told(coven: Coven, hag: Client) -> None:
    subscribes(hag)
    coven.enters(HAG, "hag")
    speaks(coven)
    assert told(hag) == []
    coven.world.runtime.advance(1)
    hag.says(f"<presence type='unavailable' to='{ROOM}/hag'/>")
    assert subscribes(hag) == []
    speaks(coven)
    assert told(hag) == [[ROOM]]


def test_members_alone(coven: Coven, hag: Client) -> None:
    wicca = coven.client(WICCA)
    subscribes(wicca)
    speaks(coven)
    assert told(wicca) == []
    assert subscribes(wicca) == []


def test_unsubscribed(coven: Coven, hag: Client) -> None:
    # §4.2
    subscribes(hag)
    hag.says(f"<presence type='unavailable' to='{SERVICE}'/>")
    speaks(coven)
    assert told(hag) == []


def test_who_goes_offline_is_not_told(coven: Coven, hag: Client) -> None:
    subscribes(hag)
    hag.leaves()
    speaks(coven)
    hag = coven.world.online(HAG)
    assert told(hag) == []


def test_rooms_that_sleep(coven: Coven, hag: Client) -> None:
    speaks(coven)
    coven.client(CRONE).says(f"<presence type='unavailable' to='{ROOM}/firstwitch'/>")
    coven.world.runtime.advance(600)
    assert coven.muc.rooms.get("coven") is None
    assert subscribes(hag) == [[ROOM]]


def test_discovered(coven: Coven) -> None:
    assert RAI in str(coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>", SERVICE))
