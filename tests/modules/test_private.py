"""XEP-0049: the XEP's examples, its errors, and the quota."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.jid import JID
from xmpp_server.modules.private import PrivateConfig, PrivateStorage
from xmpp_server.storage.api import StorageFullError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PRIVATE

Played = Callable[..., World]


def query(content: str = "") -> str:
    return f"<query xmlns='{PRIVATE}'>{content}</query>"


PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, PrivateStorage))


@pytest.fixture
def hamlet(world: World) -> Client:
    return world.login("hamlet@example.org/denmark")


def content(answer: Element) -> list[Element]:
    assert answer.get("type") == "result", answer
    assert answer.first is not None
    return list(answer.first.elements())


def test_store_and_retrieve(played: Played) -> None:
    played(
        """
        hamlet@example.org/denmark connects
        macbeth@example.org/dunsinane connects
        # example 2: what is not there is an empty element
        hamlet@example.org/denmark > <iq type='get' id='1000'>
                <query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query></iq>
        hamlet@example.org/denmark < <iq type='result' id='1000' from='hamlet@example.org'
                to='hamlet@example.org/denmark'>
                <query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query></iq>
        # example 1
        hamlet@example.org/denmark > <iq type='set' id='1001'><query xmlns='jabber:iq:private'>
                <exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus></query></iq>
        hamlet@example.org/denmark < <iq type='result' id='1001' from='hamlet@example.org'
                to='hamlet@example.org/denmark'/>
        hamlet@example.org/denmark > <iq type='get' id='1002'>
                <query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query></iq>
        hamlet@example.org/denmark < <iq type='result' id='1002' from='hamlet@example.org'
                to='hamlet@example.org/denmark'><query xmlns='jabber:iq:private'>
                <exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus></query></iq>
        # example 3: somebody else's
        macbeth@example.org/dunsinane > <iq type='set' to='hamlet@example.org' id='1003'>
                <query xmlns='jabber:iq:private'>
                <exodus xmlns='exodus:prefs'><defaultnick>Macbeth</defaultnick></exodus></query></iq>
        macbeth@example.org/dunsinane < <iq type='error' from='hamlet@example.org'
                to='macbeth@example.org/dunsinane' id='1003'><query xmlns='jabber:iq:private'>
                <exodus xmlns='exodus:prefs'><defaultnick>Macbeth</defaultnick></exodus></query>
                <error type='cancel' code='503'>
                <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        """,
        PrivateStorage,
    )


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("get", query(), "not-acceptable"),  # example 4
        ("set", query(), "not-acceptable"),
        ("set", query("text"), "not-acceptable"),
        ("set", query("<own/>"), "not-acceptable"),
        ("set", query("<vCard xmlns='vcard-temp'><FN>Hamlet</FN></vCard>"), "not-acceptable"),  # example 5
        ("get", query("<vCard xmlns='vcard-temp'/>"), "not-acceptable"),
        ("get", query("<a xmlns='a'/><b xmlns='b'/>"), "bad-request"),
    ],
)
def test_errors(hamlet: Client, kind: str, payload: str, expected: str) -> None:
    assert condition(hamlet.asks(kind, payload)) == expected


def test_elements_of_one_name_stay_together(hamlet: Client) -> None:
    hamlet.asks("set", query("<a xmlns='x'>1</a><b xmlns='x'/><a xmlns='x'>2</a>"))
    assert [element.text for element in content(hamlet.asks("get", query("<a xmlns='x'/>")))] == ["1", "2"]
    hamlet.asks("set", query("<a xmlns='x'>3</a>"))
    assert [element.text for element in content(hamlet.asks("get", query("<a xmlns='x'/>")))] == ["3"]


def test_the_delimiter_of_gajim(hamlet: Client) -> None:
    # two names in one namespace do not get in each other's way
    hamlet.asks("set", query("<roster xmlns='roster:delimiter'>::</roster>"))
    assert [element.text for element in content(hamlet.asks("get", query("<storage xmlns='roster:delimiter'/>")))] == [
        ""
    ]
    assert [element.text for element in content(hamlet.asks("get", query("<roster xmlns='roster:delimiter'/>")))] == [
        "::"
    ]


def test_the_quota() -> None:
    world = World("example.org", modules=(*IM, lambda: PrivateStorage(PrivateConfig(account_bytes=500))))
    hamlet = world.login("hamlet@example.org/denmark")
    assert content(hamlet.asks("get", query("<a xmlns='a'/>")))
    assert hamlet.asks("set", query(f"<a xmlns='a'>{'x' * 300}</a>")).get("type") == "result"
    assert condition(hamlet.asks("set", query(f"<b xmlns='b'>{'x' * 300}</b>"))) == "resource-constraint"
    assert hamlet.asks("set", query(f"<a xmlns='a'>{'y' * 301}</a>")).get("type") == "result"


def test_anonymous_accounts_store_nothing(world: World) -> None:
    jid = JID.parse("ghost@example.org")
    world.host.accounts.add_anonymous(jid)
    ghost = world.login("ghost@example.org/hall")
    assert condition(ghost.asks("set", query(PREFS))) == "not-allowed"


async def test_the_answer_waits_for_the_commit(world: World, hamlet: Client) -> None:
    world.storage.hold()
    hamlet.says(f"<iq type='set' id='1'>{query(PREFS)}</iq>")
    assert not hamlet.hears()
    world.release(StorageFullError("disk full"))
    [answer] = hamlet.hears()
    assert condition(answer) == "resource-constraint"


names = st.sampled_from(["a", "b", "storage"])
spaces = st.sampled_from(["x", "storage:bookmarks", "urn:y", "jabber:iq:roster", ""])
elements = st.builds(
    lambda name, ns, text: f"<{name} xmlns='{ns}'>{text}</{name}>", names, spaces, st.sampled_from("12")
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["get", "set"]), st.lists(elements, max_size=3))
def test_every_request_is_answered(kind: str, children: list[str]) -> None:
    hamlet = World(modules=(*IM, PrivateStorage)).login("hamlet@example.org/denmark")
    assert hamlet.asks(kind, query("".join(children))).get("type") in ("result", "error")
