"""XEP-0317: hats."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven, codes
from tests.world import Client
from xmpp_server.jid import JID
from xmpp_server.modules.muc.hat_commands import FORM
from xmpp_server.modules.muc.hats import HATS
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMMANDS, DISCO_INFO, DISCO_ITEMS

TEACHER = "http://tech.example.edu/hats#Teacher"
BARE = "hag66@example.org"


def command(coven: Coven, node: str, jid: str = CRONE, /, **fields: str) -> Element:
    form = "".join(f"<field var='hats#{var}'><value>{value}</value></field>" for var, value in fields.items())
    x = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>" if fields else ""
    return coven.asks(jid, "set", f"<command xmlns='{COMMANDS}' node='{FORM}:{node}'>{x}</command>")


def form_of(answer: Element, status: str) -> Form:
    found = answer.find("command", COMMANDS)
    assert found is not None, answer
    assert found.get("status") == status
    form = Form.of(found)
    assert form is not None
    return form


def rows(coven: Coven, node: str, jid: str = CRONE) -> list[tuple[str | None, ...]]:
    return [tuple(field.value for field in item) for item in form_of(command(coven, node, jid), "completed").items]


def hats(presence: Element) -> list[tuple[str | None, ...]]:
    found = presence.findall("hats", HATS)
    return [(hat.get("title"), hat.get("uri"), hat.get("hue")) for one in found for hat in one.elements()]


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded(persistentroom="1")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def made(coven: Coven) -> None:
    assert command(coven, "create", title="Teacher", uri=TEACHER, hue="327.25").get("type") == "result"
    assert command(coven, "assign", jid=f"{BARE}/x", uri=TEACHER).get("type") == "result"


def test_made_and_worn(coven: Coven, hag: Client) -> None:
    # §3.2, §3.5
    assert [field.var for field in form_of(command(coven, "create"), "executing").fields][1:] == [
        "hats#title",
        "hats#uri",
        "hats#hue",
    ]
    assert command(coven, "create", title="Teacher", uri=TEACHER, hue="327.25").get("type") == "result"
    [notice] = hag.hears()
    assert codes(notice) == {"104"}
    form = form_of(command(coven, "assign"), "executing")
    chosen = form.field("hats#uri")
    assert chosen is not None
    assert [(option.value, option.label) for option in chosen.options] == [(TEACHER, "Teacher")]
    assert command(coven, "assign", jid=BARE, uri=TEACHER).get("type") == "result"
    for presence in (*coven.rest, *hag.hears()):
        assert presence.get("from") == f"{ROOM}/thirdwitch"
        assert hats(presence) == [("Teacher", TEACHER, "327.25")]
    # newcomers see it
    assert ("Teacher", TEACHER, "327.25") in [
        hat for one in coven.enters(WICCA, "secondwitch").hears() for hat in hats(one)
    ]


def test_changed(coven: Coven, hag: Client) -> None:
    made(coven)
    hag.hears()
    command(coven, "create", title="Professor", uri=TEACHER)
    presence, notice = hag.hears()
    assert hats(presence) == [("Professor", TEACHER, None)]
    assert codes(notice) == {"104"}


def test_lists(coven: Coven, hag: Client) -> None:
    # §3.4, §3.7
    made(coven)
    assert rows(coven, "list", HAG) == [("Teacher", TEACHER, "327.25")]
    assert rows(coven, "list-assigned") == [(BARE, TEACHER, "Teacher", "327.25")]
    assert condition(command(coven, "list-assigned", HAG)) == "forbidden"
    assert condition(command(coven, "list", "stranger@example.org/x")) == "forbidden"


def test_taken_off(coven: Coven, hag: Client) -> None:
    # §3.6
    made(coven)
    hag.hears()
    assert command(coven, "unassign", jid=BARE, uri=TEACHER).get("type") == "result"
    assert [hats(one) for one in hag.hears()] == [[]]
    assert condition(command(coven, "unassign", jid=BARE, uri=TEACHER)) == "item-not-found"


def test_destroyed(coven: Coven, hag: Client) -> None:
    # §3.3
    made(coven)
    hag.hears()
    assert command(coven, "destroy", uri=TEACHER).get("type") == "result"
    presence, notice = hag.hears()
    assert hats(presence) == []
    assert codes(notice) == {"104"}
    assert rows(coven, "list") == rows(coven, "list-assigned") == []


def test_refused(coven: Coven, hag: Client) -> None:
    for node in ("create", "destroy", "assign", "unassign"):
        assert condition(command(coven, node, HAG)) == "forbidden"
    assert condition(command(coven, "nonsense")) == "item-not-found"
    for fields in ({"uri": "a b"}, {"uri": "a" * 1025}, {"title": "x" * 257}, {"hue": "red"}, {"hue": "361"}):
        assert condition(command(coven, "create", **{"title": "T", "uri": "u", **fields})) == "not-acceptable"
    assert condition(command(coven, "assign", jid=BARE, uri="none")) == "not-acceptable"
    made(coven)
    assert condition(command(coven, "assign", jid="example.org", uri=TEACHER)) == "not-acceptable"
    answer = coven.asks(CRONE, "set", f"<command xmlns='{COMMANDS}' node='{FORM}:create' action='cancel'/>")
    found = answer.find("command", COMMANDS)
    assert found is not None
    assert found.get("status") == "canceled"


def test_not_forged(coven: Coven, hag: Client) -> None:
    hag.says(f"<presence to='{ROOM}/thirdwitch'><hats xmlns='{HATS}'><hat title='King' uri='k'/></hats></presence>")
    assert [hats(one) for one in coven.client(CRONE).hears()] == [[]]


def test_discovered(coven: Coven, hag: Client) -> None:
    def info(node: str = "") -> str:
        return str(coven.asks(CRONE, "get", f"<query xmlns='{DISCO_INFO}'{node}/>"))

    assert HATS in info()
    assert "hats#hash" not in info()
    made(coven)
    assert "hats#hash" in info()
    assert "command-node" in info(f" node='{FORM}:create'")
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_ITEMS}' node='{COMMANDS}'/>")
    query = answer.find("query", DISCO_ITEMS)
    assert query is not None
    assert [one.get("node") for one in query.elements()] == [f"{FORM}:list"]


def test_kept_and_forgotten(coven: Coven, hag: Client) -> None:
    made(coven)
    coven.world.host.hooks.account_deleted.fire(JID.parse(BARE))
    assert rows(coven, "list-assigned") == []
    assert rows(coven, "list") == [("Teacher", TEACHER, "327.25")]
