"""docs/message-route.md: the functions are there, and a message passes them in the order that is written down."""

from __future__ import annotations

import importlib
import re
import sys
from types import FrameType

import pytest

from tests.docs.names import DOCS
from tests.world import World
from xmpp_server.app.modules import MODULES

_ROW = re.compile(r"^\| (\d+) \| `(\w+)\.(\w+)` \| `([\w/]+)\.py` \|$", re.MULTILINE)
TEXT = (DOCS / "message-route.md").read_text(encoding="utf-8")
#: (class, function, module), in their order.
ROUTE = [(match[2], match[3], "xmpp_server." + match[4].replace("/", ".")) for match in _ROW.finditer(TEXT)]
#: The part of the way that has no sockets.
CORE = [f"{kind}.{function}" for kind, function, module in ROUTE if ".net." not in module]


def test_the_way_is_short_and_each_station_has_its_section() -> None:
    assert 5 < len(ROUTE) < 10
    headings = re.findall(r"^## \d\. .*`(\w+)\.(\w+)`$", TEXT, re.MULTILINE)
    assert headings == [(kind, function) for kind, function, _ in ROUTE]


@pytest.mark.parametrize(("kind", "function", "module"), ROUTE)
def test_each_function_exists(kind: str, function: str, module: str) -> None:
    assert callable(getattr(getattr(importlib.import_module(module), kind), function))


def test_a_message_passes_them_in_this_order_and_nothing_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(modules=[module for module in MODULES if module.enabled_by_default])
    romeo = world.online("romeo@example.org/orchard")
    juliet = world.online("juliet@example.org/balcony")

    def put_off(*_: object) -> None:
        raise AssertionError("something was put off")

    monkeypatch.setattr(world.runtime, "spawn", put_off)
    monkeypatch.setattr(world.runtime, "soon", put_off)
    monkeypatch.setattr(world.runtime, "schedule", put_off)
    passed: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_qualname in CORE:
            passed.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        romeo.says(f"<message to='{juliet.jid}' type='chat'><body>Art thou not Romeo?</body></message>")
    finally:
        sys.setprofile(None)
    assert passed == CORE
    assert [element.find("body", "jabber:client").text for element in juliet.hears()] == ["Art thou not Romeo?"]
