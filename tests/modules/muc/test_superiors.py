"""The admins of the server may do what owners may, if the configuration says so."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, Coven, item, make_world
from tests.modules.muc.test_register import filled
from xmpp_server.modules.muc import MucConfig
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC_OWNER

ADMIN = "admin@example.org/x"


def destroyed(coven: Coven) -> Element:
    return coven.asks(ADMIN, "set", f"<query xmlns='{MUC_OWNER}'><destroy/></query>")


def test_from_outside(coven: Coven) -> None:
    coven.founded(membersonly="1")
    assert coven.configures(jid=ADMIN, roomname="Quiet").get("type") == "result"
    assert coven.open().room.config.name == "Quiet"
    assert destroyed(coven).get("type") == "result"


def test_inside(coven: Coven) -> None:
    coven.founded(roomsecret="x", membersonly="1")
    answer = coven.enters(ADMIN, "admin", "<password>x</password>").hears()[1]
    assert (item(answer).get("affiliation"), item(answer).get("role")) == ("owner", "moderator")
    # nobody takes that away
    coven.administers(CRONE, "<item affiliation='none' jid='admin@example.org'/>")
    assert coven.open().room.occupants.of(coven.client(ADMIN).account.jid)[0].affiliation.text == "owner"
    assert [str(one) for one in coven.open().room.owners()] == ["crone1@example.org"]


@pytest.mark.parametrize("jid", ["admin@example.org", "example.org"])
def test_no_ban_puts_them_out(coven: Coven, jid: str) -> None:
    coven.founded()
    coven.enters(ADMIN, "admin")
    coven.enters(HAG, "hag")
    coven.administers(CRONE, f"<item affiliation='outcast' jid='{jid}'/>")
    nicks = [occupant.nick for occupant in coven.open().room.occupants]
    assert nicks == (["firstwitch", "admin"] if jid == "example.org" else ["firstwitch", "admin", "hag"])


def test_by_registering_they_do_not_become_owners_for_good(coven: Coven) -> None:
    coven.founded()
    assert coven.asks(ADMIN, "set", filled("boss")).get("type") == "result"
    assert coven.open().room.owners() == ["crone1@example.org"]
    assert coven.asks(ADMIN, "set", "<query xmlns='jabber:iq:register'><remove/></query>").get("type") == "result"
    assert list(coven.open().room.affiliates) == ["crone1@example.org"]


def test_not_unless_configured() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, admins_own_rooms=False)))
    coven.founded()
    assert condition(destroyed(coven)) == "forbidden"
    assert coven.muc.rooms.get(ROOM.split("@")[0]) is not None
