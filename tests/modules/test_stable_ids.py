"""XEP-0359: ids that can be relied on."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import SID

JULIET = "juliet@example.org"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, StableIds))


@pytest.fixture
def juliet(world: World) -> Client:
    return world.online(f"{JULIET}/balcony")


def ids(element: Element) -> list[tuple[str | None, str | None]]:
    return [(one.get("by"), one.get("id")) for one in element.findall("stanza-id", SID)]


def hears(world: World, juliet: Client, content: str, kind: str = "chat") -> Element:
    world.remote("example.net").says(f"<message from='a@example.net' to='{JULIET}' type='{kind}'>{content}</message>")
    [heard] = juliet.hears()
    return heard


def test_nothing_grows_by_what_is_removed_from_it(world: World, juliet: Client) -> None:
    forged = f"<stanza-id xmlns='{SID}' by='{JULIET}' id='x'/>"
    grows = f"<y xmlns:p='urn:{'n' * 200}'>{'<p:a/>' * 2000}</y>"
    peer = world.remote("example.net")
    peer.says(f"<message from='a@example.net' to='{JULIET}' type='chat'><body>hi</body>{forged}{grows}</message>")
    assert [condition(one) for one in peer.hears()] == ["policy-violation"]
    assert not juliet.hears()


def test_a_message_gets_an_id(world: World, juliet: Client) -> None:
    one, two = (ids(hears(world, juliet, "<body>hi</body>")) for _ in range(2))
    assert [by for by, _ in one + two] == [JULIET, JULIET]
    assert one < two


def test_what_passes_gets_none(world: World, juliet: Client) -> None:
    assert not ids(hears(world, juliet, "<composing xmlns='http://jabber.org/protocol/chatstates'/>"))
    assert not ids(hears(world, juliet, "<body>news</body>", "headline"))


@pytest.mark.parametrize("content", ["<body>hi</body>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"])
def test_a_forged_id_goes_others_stay(world: World, juliet: Client, content: str) -> None:
    # §6: only the entity itself says what is `by` it
    forged = f"<stanza-id xmlns='{SID}' by='{JULIET}' id='forged'/>"
    room = f"<stanza-id xmlns='{SID}' by='room@example.net' id='5'/>"
    found = ids(hears(world, juliet, content + forged + room))
    assert ("room@example.net", "5") in found
    assert (JULIET, "forged") not in found


@pytest.mark.parametrize("by", [JULIET.upper(), "", "@", JULIET.replace("example.org", "EXAMPLE.org")])
def test_a_forged_id_goes_in_every_spelling(world: World, juliet: Client, by: str) -> None:
    heard = hears(world, juliet, f"<body>hi</body><stanza-id xmlns='{SID}' by='{by}' id='forged'/>")
    assert "forged" not in [ident for _, ident in ids(heard)]
