"""XEP-0356 §4.2, §5.2, §6.2, §7.3: components are told what they may do."""

from __future__ import annotations

from collections.abc import Callable

from tests.modules.privilege.conftest import COMPONENT, Scene
from xmpp_server.xml.namespaces import PRIVILEGE


def test_all_privileges_are_told(scene: Callable[..., Scene]) -> None:
    stage = scene("roster=both", "message=outgoing", "iq:urn:x=set", "iq=get", "presence=roster")
    [message] = stage.component.connects().hears()
    assert (message.name, message.get("from"), message.get("to")) == ("message", "capulet.lit", COMPONENT)
    privilege = message.find("privilege", PRIVILEGE)
    assert privilege is not None
    perms = {one.get("access"): one for one in privilege.elements()}
    assert {name: one.get("type") for name, one in perms.items()} == {
        "roster": "both",
        "message": "outgoing",
        "iq": None,
        "presence": "roster",
    }
    assert [(one.get("ns"), one.get("type")) for one in perms["iq"].elements()] == [("urn:x", "set"), ("*", "get")]


def test_who_has_none_is_told_nothing(scene: Callable[..., Scene]) -> None:
    stage = scene("message=outgoing")
    assert stage.other.connects().hears() == []
    [message] = stage.component.connects().hears()
    assert message.first is not None
    assert [one.get("access") for one in message.first.elements()] == ["message"]


def test_each_connection_is_told(scene: Callable[..., Scene]) -> None:
    stage = scene("message=outgoing")
    assert [len(stage.component.connects().hears()) for _ in range(2)] == [1, 1]
