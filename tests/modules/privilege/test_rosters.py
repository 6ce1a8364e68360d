"""XEP-0356 §4: rosters, and pushes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import condition
from tests.modules.privilege.conftest import COMPONENT, Scene
from xmpp_server.xml.namespaces import ROSTER

JULIET = "juliet@capulet.lit"
GET = f"<query xmlns='{ROSTER}'/>"
SET = f"<query xmlns='{ROSTER}'><item jid='nurse@capulet.lit' name='Nurse'/></query>"


def ask(kind: str, payload: str, to: str = JULIET, sender: str = COMPONENT) -> str:
    return f"<iq from='{sender}' to='{to}' type='{kind}' id='r'>{payload}</iq>"


def test_get_and_set_as_the_owner_would(scene: Callable[..., Scene]) -> None:
    stage = scene("roster=both")
    stage.world.create(JULIET)
    line = stage.component.connects()
    line.hears()
    line.says(ask("set", SET), ask("get", GET))
    push, done, roster = line.hears()
    assert (push.get("type"), push.get("from"), push.get("to")) == ("set", JULIET, COMPONENT)
    assert (done.get("type"), done.get("from"), done.get("to")) == ("result", JULIET, COMPONENT)
    query = roster.find("query", ROSTER)
    assert query is not None
    assert [item.get("name") for item in query.elements()] == ["Nurse"]


@pytest.mark.parametrize(("grant", "allowed"), [("get", {"get"}), ("set", {"set"}), ("both", {"get", "set"})])
def test_no_more_than_is_granted(scene: Callable[..., Scene], grant: str, allowed: set[str]) -> None:
    stage = scene(f"roster={grant}")
    stage.world.create(JULIET)
    line = stage.component.connects()
    line.hears()
    for kind, payload in (("get", GET), ("set", SET)):
        line.says(ask(kind, payload))
        [answer] = [one for one in line.hears() if one.get("id") == "r"]
        if kind in allowed:
            assert answer.get("type") == "result"
        else:
            assert condition(answer) == "forbidden"


@pytest.mark.parametrize("grants", [(), ("message=outgoing",)])
def test_forbidden_without_the_privilege(scene: Callable[..., Scene], grants: tuple[str, ...]) -> None:
    stage = scene(*grants)
    stage.world.create(JULIET)
    line = stage.component.connects()
    line.hears()
    line.says(ask("get", GET))
    assert condition(line.hears()[0]) == "forbidden"


def test_forbidden_for_who_has_no_account(scene: Callable[..., Scene]) -> None:
    line = scene("roster=both").component.connects()
    line.hears()
    line.says(ask("get", GET, "nobody@capulet.lit"))
    assert condition(line.hears()[0]) == "forbidden"


def test_pushes_of_what_clients_change(scene: Callable[..., Scene]) -> None:
    stage = scene("roster=get")
    line = stage.component.connects()
    other = stage.other.connects()
    line.hears()
    juliet = stage.world.login(f"{JULIET}/balcony")
    juliet.asks("set", SET)
    juliet.asks("set", SET)  # changes nothing
    juliet.asks("set", SET.replace("name='Nurse'", "subscription='remove'"))
    items = [item for push in line.hears() if push.first for item in push.first.elements()]
    assert [item.get("subscription") for item in items] == ["none", "remove"]
    assert other.hears() == []


def test_who_may_only_set_gets_no_pushes_nor_who_is_away(scene: Callable[..., Scene]) -> None:
    stage = scene("roster=set")
    line = stage.component.connects()
    line.hears()
    stage.world.login(f"{JULIET}/balcony").asks("set", SET)
    assert line.hears() == []
    away = scene("roster=get")
    away.component.connects().drops()
    away.world.login(f"{JULIET}/balcony").asks("set", SET)
    assert away.component.component.queued == 0


def test_a_component_that_does_not_keep_up_is_not_told(scene: Callable[..., Scene]) -> None:
    stage = scene("roster=get")
    line = stage.component.connects()
    line.hears()
    line.link.buffered = 1 << 30
    assert stage.world.login(f"{JULIET}/balcony").asks("set", SET).get("type") == "result"
    assert line.hears() == []
