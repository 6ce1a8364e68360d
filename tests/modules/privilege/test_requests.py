"""XEP-0356 §6: requests in the name of accounts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import condition
from tests.modules.privilege.conftest import COMPONENT, Scene
from tests.plugged import PluggedLine
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, FORWARD, PRIVILEGE

JULIET = "juliet@capulet.lit"
PUBSUB = "http://jabber.org/protocol/pubsub"
INNER = f"<iq xmlns='{CLIENT}' type='set' to='romeo@montague.lit' id='sub_1'><pubsub xmlns='{PUBSUB}'/></iq>"


def privileged(inner: str, to: str = JULIET, sender: str = COMPONENT) -> str:
    return (
        f"<iq from='{sender}' to='{to}' type='set' id='priv_1'>"
        f"<privileged_iq xmlns='{PRIVILEGE}'>{inner}</privileged_iq></iq>"
    )


def inside(answer: Element) -> Element:
    privilege = answer.find("privilege", PRIVILEGE)
    assert privilege is not None, answer
    forwarded = privilege.find("forwarded", FORWARD)
    assert forwarded is not None
    assert forwarded.first is not None
    return forwarded.first


@pytest.fixture
def stage(scene: Callable[..., Scene]) -> Scene:
    stage = scene(f"iq:{PUBSUB}=set", "iq:jabber:iq:roster=both")
    stage.world.create(JULIET)
    return stage


@pytest.fixture
def line(stage: Scene) -> PluggedLine:
    line = stage.component.connects()
    line.hears()
    return line


@pytest.mark.parametrize("kind", ["result", "error"])
def test_there_and_back(stage: Scene, line: PluggedLine, kind: str) -> None:
    montague = stage.world.remote("montague.lit")
    line.says(privileged(INNER))
    [asked] = montague.hears()
    assert (asked.get("from"), asked.get("to"), asked.get("type")) == (JULIET, "romeo@montague.lit", "set")
    assert asked.find("pubsub", PUBSUB) is not None
    montague.says(f"<iq from='romeo@montague.lit' to='{JULIET}' type='{kind}' id='{asked.get('id')}'/>")
    [answer] = line.hears()
    assert (answer.get("type"), answer.get("from"), answer.get("id")) == ("result", JULIET, "priv_1")
    inner = inside(answer)
    assert (inner.ns, inner.get("type"), inner.get("id")) == (CLIENT, kind, "sub_1")
    assert (inner.get("from"), inner.get("to")) == ("romeo@montague.lit", JULIET)


def test_for_the_account_itself(stage: Scene, line: PluggedLine) -> None:
    line.says(privileged(f"<iq xmlns='{CLIENT}' type='set' id='r'><query xmlns='jabber:iq:roster'/></iq>"))
    assert inside(line.hears()[0]).get("type") == "error"  # a set without an item
    asks = privileged(f"<iq xmlns='{CLIENT}' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    line.says(asks.replace("type='set'", "type='get'"))
    assert inside(line.hears()[0]).get("type") == "result"


def test_who_does_not_answer(stage: Scene, line: PluggedLine) -> None:
    stage.world.remote("montague.lit")
    line.says(privileged(INNER))
    world = stage.world
    world.passes(121)
    assert condition(line.hears()[0]) == "remote-server-timeout"


def test_an_answer_cannot_be_forged(stage: Scene, line: PluggedLine) -> None:
    stage.world.remote("montague.lit")
    evil = stage.world.remote("evil.lit")
    line.says(privileged(INNER))
    [asked] = stage.world.remotes["montague.lit"].hears()
    evil.says(f"<iq from='evil.lit' to='{JULIET}' type='result' id='{asked.get('id')}'/>")
    assert line.hears() == []


@pytest.mark.parametrize(
    "inner",
    [
        INNER.replace(PUBSUB, "urn:other"),
        INNER.replace("type='set'", "type='get'"),
        INNER.replace(CLIENT, "jabber:server"),
        INNER.replace("<iq ", "<iq from='romeo@capulet.lit' "),
        INNER.replace("<iq ", f"<iq from='{JULIET}/balcony' "),
        INNER.replace("<iq ", "<iq from='@@' "),
        f"<message xmlns='{CLIENT}'/>",
        f"<iq xmlns='{CLIENT}' type='set' id='1'/>",
        "",
        INNER + INNER,
    ],
)
def test_forbidden_if_any_condition_is_not_met(line: PluggedLine, inner: str) -> None:
    line.says(privileged(inner))
    assert condition(line.hears()[0]) == "forbidden"


@pytest.mark.parametrize("to", ["capulet.lit", "nobody@capulet.lit"])
def test_forbidden_for_what_is_no_account(line: PluggedLine, to: str) -> None:
    line.says(privileged(INNER, to))
    assert condition(line.hears()[0]) == "forbidden"


def test_a_malformed_recipient(line: PluggedLine) -> None:
    line.says(privileged(INNER.replace("romeo@montague.lit", "@@")))
    assert condition(line.hears()[0]) == "jid-malformed"


def test_forbidden_without_the_privilege(stage: Scene) -> None:
    other = stage.other.connects()
    other.says(privileged(INNER, sender="other.capulet.lit"))
    assert condition(other.hears()[0]) == "forbidden"
    romeo = stage.world.login("romeo@capulet.lit/x")
    romeo.says(privileged(INNER, sender=romeo.jid))
    assert condition(romeo.hears()[0]) == "forbidden"
