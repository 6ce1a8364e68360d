"""Tests of xmpp_server.modules.muc.ghosts: who is put out by errors, and who is not."""

from __future__ import annotations

import pytest

from tests.modules.muc.conftest import ENTRY, HAG, ROOM, Coven, codes
from tests.world import Client, Remote, World
from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.ghosts import TRUSTED_S
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, PING
from xmpp_server.xml.stanza import Stanza

#: More than a call stack could hold, if each ghost that is put out found the next.
CROWD = 300


class Elsewhere:
    """The route to another server, until it dies."""

    def __init__(self) -> None:
        self.dead = False
        self.refused = 0

    def route(self, stanza: Stanza) -> Wait:
        if self.dead:
            self.refused += 1
            raise StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
        return None


def crowded(world: World) -> Elsewhere:
    """Let a crowd from elsewhere enter."""
    elsewhere = Elsewhere()
    world.router.default = elsewhere
    for number in range(CROWD):
        presence = Element("presence", CLIENT)
        presence.add("x", "http://jabber.org/protocol/muc")
        sender, to = JID.parse(f"u{number}@example.net/x"), JID.parse(f"{ROOM}/u{number}")
        world.route(Stanza.build(presence, sender, to))
    return elsewhere


def test_a_server_that_dies_takes_all_its_occupants_with_it(coven: Coven) -> None:
    owner = coven.founded()
    elsewhere = crowded(coven.world)
    assert len(coven.open().room.occupants) == CROWD + 1
    owner.hears()
    elsewhere.dead = True
    owner.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>Anybody there?</body></message>")
    heard = owner.hears()
    assert [one.name for one in heard] == ["message"] + ["presence"] * CROWD
    assert all(one.get("type") == "unavailable" and codes(one) == {"333"} for one in heard[1:])
    assert len(coven.open().room.occupants) == 1


def test_those_who_are_gone_are_not_told_of_one_another(coven: Coven) -> None:
    owner = coven.founded()
    elsewhere = crowded(coven.world)
    elsewhere.dead = True
    owner.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>Anybody there?</body></message>")
    assert elsewhere.refused == 2 * CROWD  # the message, and that they were put out


def test_an_error_from_a_client_that_is_here_does_not_put_it_out(coven: Coven) -> None:
    """One who blocks an occupant answers its private messages so (XEP-0191 §3.3): that must not be a way to kick."""
    owner = coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    owner.says(f"<message to='{ROOM}/thirdwitch' type='chat' id='p'><body>psst</body></message>")
    coven.quiet()
    hag.says(
        f"<message to='{ROOM}/firstwitch' type='error' id='p'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    [error] = owner.hears()
    assert (error.name, error.get("type"), error.get("from")) == ("message", "error", f"{ROOM}/thirdwitch")
    assert JID.parse(HAG) in coven.open().room.occupants.seats


REFUSED = "<error type='cancel'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def doubted(coven: Coven, condition: str = "service-unavailable") -> tuple[Client, Remote]:
    """Let somebody from elsewhere, who is in the room as hag, refuse what is said to all."""
    owner, elsewhere = coven.founded(), coven.world.remote("example.net")
    elsewhere.says(f"<presence from='hag@example.net/x' to='{ROOM}/hag'>{ENTRY}</presence>")
    owner.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>hi</body></message>")
    owner.hears()
    elsewhere.hears()
    error = REFUSED.format(condition)
    elsewhere.says(f"<message type='error' id='m' from='hag@example.net/x' to='{ROOM}/firstwitch'>{error}</message>")
    return owner, elsewhere


def answered(elsewhere: Remote, kind: str, inside: str = "") -> None:
    [ping] = elsewhere.hears()
    assert [ping.get(name) for name in ("type", "from", "to")] == ["get", ROOM, "hag@example.net/x"]
    assert ping.find("ping", PING) is not None
    elsewhere.says(f"<iq type='{kind}' id='{ping.get('id')}' from='hag@example.net/x' to='{ROOM}'>{inside}</iq>")


def test_somebody_elsewhere_who_blocks_an_occupant_stays(coven: Coven) -> None:
    """The answer is the same as of a client that is gone: the room asks (XEP-0191 §3.3, XEP-0045 §18.1.2)."""
    owner, elsewhere = doubted(coven)
    answered(elsewhere, "result")
    assert owner.hears() == []
    assert JID.parse("hag@example.net/x") in coven.open().room.occupants.seats
    error = REFUSED.format("service-unavailable")
    again = f"<message type='error' id='m2' from='hag@example.net/x' to='{ROOM}/firstwitch'>{error}</message>"
    elsewhere.says(again)
    assert elsewhere.hears() == []  # it was asked lately
    coven.world.passes(TRUSTED_S)
    elsewhere.says(again)
    answered(elsewhere, "error", REFUSED.format("feature-not-implemented"))  # that is an answer, too
    assert owner.hears() == []


@pytest.mark.parametrize("condition", ["service-unavailable", "item-not-found"])
def test_somebody_elsewhere_who_is_gone_goes(coven: Coven, condition: str) -> None:
    owner, elsewhere = doubted(coven)
    answered(elsewhere, "error", REFUSED.format(condition))
    assert codes(owner.hears()[0]) == {"333"}


def test_somebody_elsewhere_who_is_gone_for_certain_is_not_asked(coven: Coven) -> None:
    owner, elsewhere = doubted(coven, "recipient-unavailable")
    assert codes(owner.hears()[0]) == {"333"}
    assert [one.name for one in elsewhere.hears()] == ["presence"]


def test_answers_of_others_do_not_count(coven: Coven) -> None:
    owner, elsewhere = doubted(coven)
    [ping] = elsewhere.hears()
    error = REFUSED.format("item-not-found")
    for sender, ident in ("mallory@example.net/x", ping.get("id")), ("hag@example.net/x", "guess"):
        elsewhere.says(f"<iq type='error' id='{ident}' from='{sender}' to='{ROOM}'>{error}</iq>")
    assert owner.hears() == []


def test_a_client_that_refuses_presence_is_put_out(coven: Coven) -> None:
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    hag.says(
        f"<presence to='{ROOM}/thirdwitch' type='error'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
    )
    assert JID.parse(HAG) not in coven.open().room.occupants.seats


def test_who_refuses_its_own_presence_goes(coven: Coven) -> None:
    owner = coven.founded()
    hag = coven.enters(HAG, "hag")
    coven.quiet()
    refusal = "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    hag.says(f"<presence type='error' to='{ROOM}/firstwitch'>{refusal}</presence>")
    assert owner.hears() == []
    hag.says(f"<presence type='error' to='{ROOM}/hag'>{refusal}</presence>")
    [presence] = owner.hears()
    assert codes(presence) == {"333"}
    assert codes(hag.hears()[0]) == {"110", "333"}
