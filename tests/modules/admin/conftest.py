"""An administrator with a client, and the forms of the commands."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.modules.admin import Admin
from xmpp_server.modules.admin.forms import ADMIN
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.stanzas.forms import Form, FormType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, COMMANDS

HOST = "example.org"
JULIET = "juliet@example.org"
Values = str | list[str]
#: Kinds of users that the commands count and list.
KINDS = ("registered", "disabled", "online", "active", "idle")


@pytest.fixture
def world() -> World:
    world = World(HOST, modules=(*IM, ServiceDiscovery, Commands, Admin), admins=["admin@example.org"])
    world.host.provisioning.iterations = 1
    return world


@pytest.fixture
def admin(world: World) -> Client:
    return world.login("admin@example.org/desk")


def execute(client: Client, name: str, attrs: str = "", content: str = "") -> Element:
    command = f"<command xmlns='{COMMANDS}' node='{ADMIN}#{name}' {attrs}>{content}</command>"
    client.says(f"<iq type='set' id='{name}' to='{HOST}'>{command}</iq>")
    [answer] = [element for element in client.hears() if element.name == "iq" and element.get("id") == name]
    return answer


def fill(client: Client, name: str, **values: Values) -> Element:
    """Ask for the form, fill it in, and return the answer."""
    first = execute(client, name)
    assert first.get("type") == "result", first
    assert first.first is not None
    assert first.first.get("status") == "executing"
    assert form(first).form_type == ADMIN
    return execute(client, name, f"sessionid='{first.first.get('sessionid')}'", submission(values))


def submission(values: Mapping[str, Values]) -> str:
    fields = f"<field type='hidden' var='FORM_TYPE'><value>{ADMIN}</value></field>"
    for var, value in values.items():
        lines = [value] if isinstance(value, str) else value
        name = var.replace("_verify", "-verify")
        fields += f"<field var='{name}'>" + "".join(f"<value>{line}</value>" for line in lines) + "</field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"


def form(answer: Element) -> Form:
    assert answer.first is not None
    found = Form.of(answer.first)
    assert found is not None, answer
    return found


def done(answer: Element) -> Element:
    assert answer.first is not None
    assert answer.first.get("status") == "completed", answer
    return answer


def app_condition(answer: Element) -> str | None:
    error = answer.find("error", CLIENT)
    assert error is not None
    return next((child.name for child in error.elements() if child.ns == COMMANDS), None)


def flaw(answer: Element) -> str:
    """What was wrong with the form: told with the same stage again."""
    assert answer.first is not None
    assert answer.first.get("status") == "executing", answer
    assert form(answer).type is FormType.FORM
    note = answer.first.find("note", COMMANDS)
    assert note is not None
    assert note.get("type") == "error"
    return note.text


def bodies(client: Client) -> list[str]:
    return [body.text for element in client.hears() if (body := element.find("body", CLIENT)) is not None]
