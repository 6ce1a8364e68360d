"""XEP-0452: mention notifications."""

from __future__ import annotations

import pytest

from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven
from tests.world import Client
from xmpp_server.modules.muc.mentions import MENTIONS
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELAY, FORWARD, SID

BARE = "hag66@example.org"
SETTING = "muc#roomconfig_forwardmentions"


@pytest.fixture
def hag(coven: Coven) -> Client:
    """A member who is not there."""
    coven.founded(**{SETTING: "true"})
    coven.administers(CRONE, f"<item affiliation='member' jid='{BARE}' nick='thirdwitch'/>")
    hag = coven.client(HAG)
    coven.quiet()
    return hag


def mention(coven: Coven, *uris: str, kind: str = "mention") -> None:
    references = "".join(f"<reference xmlns='urn:xmpp:reference:0' type='{kind}' uri='{uri}'/>" for uri in uris)
    body = "<body>Thrice the brinded cat hath mew'd.</body>"
    coven.client(CRONE).says(f"<message to='{ROOM}' type='groupchat' id='m' xml:lang='en'>{body}{references}</message>")


def forwarded(client: Client) -> list[Element]:
    found = [(one, one.find("mentions", MENTIONS)) for one in client.hears()]
    assert all(one.get("from") == ROOM for one, _ in found)
    return [inside for _, mentions in found if mentions is not None for inside in mentions.elements()]


def test_forwarded(coven: Coven, hag: Client) -> None:
    # §4.2
    mention(coven, f"xmpp:{BARE}", f"xmpp:{BARE}")
    [one] = forwarded(hag)
    assert one.ns == FORWARD
    assert one.find("delay", DELAY) is not None
    message = one.find("message", CLIENT)
    assert message is not None
    assert (message.get("from"), message.get("to"), message.get("id")) == (f"{ROOM}/firstwitch", ROOM, "m")
    assert message.get("xml:lang") == "en"
    [ident] = message.findall("stanza-id", SID)
    [reflected] = [one for one in coven.client(CRONE).hears() if one.find("body", CLIENT)]
    assert [ident.get("id")] == [one.get("id") for one in reflected.findall("stanza-id", SID)]


def test_by_the_registered_nickname(coven: Coven, hag: Client) -> None:
    mention(coven, f"xmpp:{ROOM}/thirdwitch")
    assert len(forwarded(hag)) == 1


@pytest.mark.parametrize(
    "uri",
    ["", "xmpp:", f"mailto:{BARE}", "xmpp:@", f"xmpp:{ROOM}", f"xmpp:{ROOM}/nobody", "xmpp:wiccarocks@example.org"],
)
def test_others(coven: Coven, hag: Client, uri: str) -> None:
    mention(coven, uri)
    assert forwarded(hag) == []
    assert forwarded(coven.client(WICCA)) == []


def test_not_forwarded(coven: Coven, hag: Client) -> None:
    mention(coven, f"xmpp:{BARE}", kind="data")
    assert forwarded(hag) == []
    coven.enters(HAG, "thirdwitch")
    hag.hears()
    mention(coven, f"xmpp:{BARE}")
    assert all(one.find("mentions", MENTIONS) is None for one in hag.hears())
    hag.says(f"<presence type='unavailable' to='{ROOM}/thirdwitch'/>")
    coven.configures(**{SETTING: "0"})
    hag.hears()
    mention(coven, f"xmpp:{BARE}")
    assert forwarded(hag) == []
