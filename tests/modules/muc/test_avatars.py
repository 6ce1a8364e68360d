"""XEP-0486: avatars of rooms."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, Coven, codes, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, VCARD, VCARD_UPDATE

GET = "<vCard xmlns='vcard-temp'/>"


def card(*pictures: bytes) -> str:
    photos = "".join(
        f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{base64.encodebytes(one).decode()}</BINVAL></PHOTO>" for one in pictures
    )
    return f"<vCard xmlns='vcard-temp'>{photos}<FN>The Garden</FN></vCard>"


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def advertised(coven: Coven, to: str = ROOM) -> tuple[str, ...]:
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>", to)
    query = answer.find("query", DISCO_INFO)
    assert query is not None
    assert VCARD in [one.get("var") for one in query.findall("feature", DISCO_INFO)]
    form = Form.of(query)
    return () if form is None else form.values("muc#roominfo_avatarhash")


def photo(presence: Element) -> str:
    x = presence.find("x", VCARD_UPDATE)
    assert x is not None, presence
    [one] = x.elements()
    return one.text


def card_of(coven: Coven) -> list[str]:
    """What is in the room's card."""
    found = coven.asks(HAG, "get", GET).find("vCard", VCARD)
    assert found is not None
    return [child.name for child in found.elements()]


@pytest.fixture
def coven(coven: Coven) -> Coven:
    coven.founded()
    return coven


def test_published(coven: Coven) -> None:
    # §3.2, §3.3, §4.1
    assert advertised(coven, SERVICE) == ()
    assert advertised(coven) == ()
    assert card_of(coven) == []
    assert coven.asks(CRONE, "set", card(b"one", b"two")).get("type") == "result"
    notice, presence = coven.rest
    assert codes(notice) == {"104"}
    assert notice.get("type") == "groupchat"
    assert (presence.get("from"), photo(presence)) == (ROOM, sha1(b"one"))
    assert advertised(coven) == (sha1(b"one"), sha1(b"two"))
    assert card_of(coven) == ["PHOTO", "PHOTO", "FN"]
    assert photo(coven.enters(HAG, "hag").hears()[-1]) == sha1(b"one")


def test_removed(coven: Coven) -> None:
    coven.asks(CRONE, "set", card(b"one"))
    assert coven.asks(CRONE, "set", GET).get("type") == "result"
    assert photo(coven.rest[1]) == ""
    assert advertised(coven) == ()
    assert card_of(coven) == []
    assert all(one.find("x", VCARD_UPDATE) is None for one in coven.enters(HAG, "hag").hears())


def test_refused(coven: Coven) -> None:
    assert condition(coven.asks(HAG, "set", card(b"one"))) == "forbidden"
    bad = "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>&lt;svg/></BINVAL></PHOTO></vCard>"
    assert condition(coven.asks(CRONE, "set", bad)) == "bad-request"
    assert condition(coven.asks(CRONE, "set", card(*[b"x"] * 9))) == "policy-violation"
    assert advertised(coven) == ()


def test_too_large() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, card_bytes=100)))
    coven.founded()
    assert condition(coven.asks(CRONE, "set", card(b"x" * 100))) == "policy-violation"


def test_survives_sleep_and_dies_with_the_room(coven: Coven) -> None:
    coven.configures(persistentroom="1")
    coven.asks(CRONE, "set", card(b"one"))
    coven.client(CRONE).says(f"<presence type='unavailable' to='{ROOM}/firstwitch'/>")
    coven.world.runtime.advance(600)
    assert coven.muc.rooms.get("coven") is None
    assert advertised(coven) == (sha1(b"one"),)
    assert card_of(coven) == ["PHOTO", "FN"]
    coven.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
    coven.founded()
    assert card_of(coven) == []
