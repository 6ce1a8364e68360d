"""XEP-0050: stages, sessions, and each error of §4.4."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.conftest import IM, condition
from tests.transcript import play
from tests.world import Client, World
from xmpp_server.core.host import Host
from xmpp_server.core.module import Module
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.commands import Ask, Command, Commands, CommandsConfig, Done, Stage, Values
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, Option
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, COMMANDS

SERVICES = tuple(Option(name) for name in ("httpd", "jabberd"))
CHOICE = Form(FormType.FORM, (Field("service", (), FieldType.LIST_SINGLE, required=True, options=SERVICES),))
STATE = Form(FormType.FORM, (Field("state", (), FieldType.TEXT_SINGLE),))


class Services(Module):
    """The commands of the specification's examples."""

    name = "services"
    needs = (Commands,)

    def register(self, host: Host) -> None:
        self.configured: list[str] = []
        engine = host.module(Commands)
        engine.add(Command("list", "List Service Configurations", lambda requester: True, self.show))
        engine.add(Command("config", "Configure Service", self.is_romeo, self.configure))
        engine.add(Command("fail", "Fail", lambda requester: True, self.fail, listed=False))

    @staticmethod
    def is_romeo(requester: JID) -> bool:
        return requester.localpart == "romeo"

    async def show(self, requester: JID) -> Stage:
        row = (Field("service", ("httpd",)), Field("runlevel-1", ("off",)))
        return Done(Form(FormType.RESULT, reported=(Field("service"), Field("runlevel-1")), items=(row,)))

    async def configure(self, requester: JID) -> Stage:
        return Ask(CHOICE, self.choose, last=False)

    async def choose(self, requester: JID, values: Values) -> Stage:
        [service] = values["service"]

        async def finish(requester: JID, values: Values) -> Stage:
            if values.get("state") == ("broken",):
                raise StanzaError(Condition.CONFLICT)
            self.configured.append(service)
            return Done(note=f"Service '{service}' has been configured.")

        return Ask(STATE, finish)

    async def fail(self, requester: JID) -> Stage:
        raise StanzaError(Condition.NOT_ALLOWED)


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, ServiceDiscovery, Commands, Services))


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login("romeo@example.org/orchard")


def command(client: Client, attrs: str = "", content: str = "", node: str = "config") -> Element:
    xml = f"<command xmlns='{COMMANDS}' node='{node}' {attrs}>{content}</command>"
    return client.asks("set", xml, to="example.org")


def submit(**values: str) -> str:
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"


def session(answer: Element) -> str:
    assert answer.first is not None, answer
    return f"sessionid='{answer.first.get('sessionid')}'"


def status(answer: Element) -> str | None:
    assert answer.first is not None, answer
    return answer.first.get("status")


def actions(answer: Element) -> tuple[str | None, list[str]]:
    assert answer.first is not None
    element = answer.first.find("actions", COMMANDS)
    assert element is not None
    return element.get("execute"), [child.name for child in element.elements()]


def app_condition(answer: Element) -> tuple[str, str]:
    error = answer.find("error", CLIENT)
    assert error is not None
    return condition(answer), next((child.name for child in error.elements() if child.ns == COMMANDS), "")


def test_a_command_without_a_form(world: World) -> None:
    play(
        world,
        """
        # §3.2, example 7 and 8
        romeo@example.org/orchard connects
        romeo@example.org/orchard > <iq type='set' to='example.org' id='exec1'>
                <command xmlns='http://jabber.org/protocol/commands' node='list' action='execute'/></iq>
        romeo@example.org/orchard < <iq type='result' from='example.org' to='romeo@example.org/orchard' id='exec1'>
                <command xmlns='http://jabber.org/protocol/commands' sessionid='*' node='list' status='completed'
                xml:lang='en'><x xmlns='jabber:x:data' type='result'>
                <reported><field var='service'/><field var='runlevel-1'/></reported>
                <item><field var='service'><value>httpd</value></field>
                <field var='runlevel-1'><value>off</value></field></item></x></command></iq>
        """,
    )


def test_stages(world: World, romeo: Client) -> None:
    # §3.3, examples 9 to 14
    first = command(romeo)
    assert (status(first), actions(first)) == ("executing", ("next", ["next"]))
    second = command(romeo, session(first), submit(service="httpd"))
    assert (status(second), actions(second)) == ("executing", ("complete", ["prev", "complete"]))
    assert session(second) == session(first)
    third = command(romeo, session(first), submit(state="on"))
    assert status(third) == "completed"
    assert third.first is not None
    note = third.first.find("note", COMMANDS)
    assert note == Element("note", COMMANDS, {"type": "info"}, "Service 'httpd' has been configured.")
    assert world.module(Services).configured == ["httpd"]


def test_back_to_the_stage_before(world: World, romeo: Client) -> None:
    # §3.3, examples 15 and 16
    first = command(romeo)
    command(romeo, session(first) + " action='next'", submit(service="httpd"))
    again = command(romeo, session(first) + " action='prev'")
    assert (status(again), actions(again)) == ("executing", ("next", ["next"]))
    assert app_condition(command(romeo, session(first) + " action='prev'")) == ("bad-request", "bad-action")
    command(romeo, session(first), submit(service="jabberd"))
    assert status(command(romeo, session(first) + " action='complete'", submit(state="on"))) == "completed"
    assert world.module(Services).configured == ["jabberd"]


def test_cancel(romeo: Client) -> None:
    # §3.4, examples 17 and 18
    first = command(romeo)
    assert status(command(romeo, session(first) + " action='cancel'")) == "canceled"
    assert app_condition(command(romeo, session(first))) == ("not-allowed", "session-expired")


def test_a_session_that_is_over_is_over(romeo: Client) -> None:
    done = command(romeo, node="list")
    assert app_condition(command(romeo, session(done), node="list")) == ("not-allowed", "session-expired")


def test_a_session_expires(world: World, romeo: Client) -> None:
    first = command(romeo)
    world.passes(800)
    command(romeo, session(first), submit(service="httpd"))
    world.passes(800)
    assert status(command(romeo, session(first) + " action='prev'")) == "executing"
    world.passes(901)
    assert app_condition(command(romeo, session(first))) == ("not-allowed", "session-expired")


@pytest.mark.parametrize(
    ("attrs", "content", "expected"),
    [
        ("action='fly'", "", ("bad-request", "malformed-action")),
        ("action='next'", "", ("bad-request", "bad-action")),
        ("action='cancel'", "", ("bad-request", "bad-action")),
        ("sessionid='none'", "", ("bad-request", "bad-sessionid")),
        ("sessionid=''", "", ("bad-request", "bad-sessionid")),
        ("xml:lang='fr_ca!'", "", ("bad-request", "bad-locale")),
    ],
)
def test_errors(romeo: Client, attrs: str, content: str, expected: tuple[str, str]) -> None:
    assert app_condition(command(romeo, attrs, content)) == expected


def test_another_language_is_answered_in_english(romeo: Client) -> None:
    answer = command(romeo, "xml:lang='fr-CA'")
    assert answer.first is not None
    assert answer.first.get("xml:lang") == "en"


def flaw(answer: Element) -> str:
    assert answer.first is not None, answer
    note = answer.first.find("note", COMMANDS)
    assert note is not None
    assert note.get("type") == "error"
    return note.text


@pytest.mark.parametrize(("service", "expected"), [("", "Required: service"), ("x", "Not one of the options: service")])
def test_a_wrong_value_is_told_by_a_note_with_the_same_stage(romeo: Client, service: str, expected: str) -> None:
    first = command(romeo)
    answer = command(romeo, session(first), submit(service=service))
    assert (status(answer), actions(answer), session(answer)) == ("executing", actions(first), session(first))
    assert flaw(answer) == expected
    assert answer.first is not None
    assert Form.of(answer.first) == CHOICE
    assert status(command(romeo, session(first), submit(service="httpd"))) == "executing"


@pytest.mark.parametrize(
    "content",
    [
        "",
        submit(),
        "<x xmlns='jabber:x:data' type='nonsense'/>",
        "<x xmlns='jabber:x:data' type='submit'><field type='text-single'><value>x</value></field></x>",
    ],
)
def test_a_bad_payload_can_be_mended(romeo: Client, content: str) -> None:
    first = command(romeo)
    assert app_condition(command(romeo, session(first), content)) == ("bad-request", "bad-payload")
    assert status(command(romeo, session(first), submit(service="httpd"))) == "executing"


def test_a_cancelled_form_counts_as_submitted(romeo: Client) -> None:
    first = command(romeo)
    form = submit(service="httpd").replace("'submit'", "'cancel'")  # §3.5.1
    assert status(command(romeo, session(first), form)) == "executing"


def test_a_command_that_refuses_leaves_the_stage_as_it_was(romeo: Client) -> None:
    first = command(romeo)
    command(romeo, session(first), submit(service="httpd"))
    answer = command(romeo, session(first), submit(state="broken"))
    assert (status(answer), actions(answer)) == ("executing", ("complete", ["prev", "complete"]))
    assert flaw(answer) == "conflict"
    assert status(command(romeo, session(first), submit(state="on"))) == "completed"
    assert condition(command(romeo, node="fail")) == "not-allowed"


def test_the_last_stage_has_no_next_and_the_first_no_complete(romeo: Client) -> None:
    first = command(romeo)
    answer = command(romeo, session(first) + " action='complete'", submit(service="httpd"))
    assert app_condition(answer) == ("bad-request", "bad-action")
    command(romeo, session(first), submit(service="httpd"))
    answer = command(romeo, session(first) + " action='next'", submit(state="on"))
    assert app_condition(answer) == ("bad-request", "bad-action")


def test_a_session_is_its_requesters_alone(world: World, romeo: Client) -> None:
    first = command(romeo)
    other = world.login("romeo@example.org/tomb")
    assert app_condition(command(other, session(first))) == ("bad-request", "bad-sessionid")
    assert app_condition(command(romeo, session(first), node="list")) == ("bad-request", "bad-sessionid")
    juliet = world.login("juliet@example.org/balcony")
    assert condition(command(juliet)) == "forbidden"
    assert condition(command(juliet, node="nonesuch")) == "item-not-found"


def test_a_requester_has_so_many_sessions() -> None:
    config = CommandsConfig(sessions_per_requester=2, sessions=3)
    world = World("example.org", modules=(*IM, lambda: Commands(config), Services))
    romeo, twin = world.login("romeo@example.org/a"), world.login("romeo@example.org/b")
    sessions = [session(command(romeo)) for _ in range(3)]
    assert app_condition(command(romeo, sessions[0])) == ("not-allowed", "session-expired")
    assert status(command(romeo, sessions[1], submit(service="httpd"))) == "executing"
    command(twin)
    assert app_condition(command(romeo, sessions[1])) == ("not-allowed", "session-expired")


def items(client: Client, node: str) -> list[str | None]:
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>"
    answer = client.asks("get", query, to="example.org").first
    assert answer is not None
    return [item.get("node") for item in answer.elements()]


def info(client: Client, node: str) -> Element:
    return client.asks("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>", to="example.org")


def test_discovery(world: World, romeo: Client) -> None:
    # §2.2: everybody sees what they may use
    juliet = world.login("juliet@example.org/balcony")
    assert items(romeo, COMMANDS) == ["list", "config"]
    assert items(juliet, COMMANDS) == ["list"]
    described = info(romeo, "config").first
    assert described is not None
    assert [(child.get("type"), child.get("var")) for child in described.elements()] == [
        ("command-node", None),
        (None, COMMANDS),
        (None, "jabber:x:data"),
    ]
    assert condition(info(juliet, "config")) == "forbidden"
    assert condition(info(juliet, "nonesuch")) == "item-not-found"
    commands = info(juliet, COMMANDS).first
    assert commands is not None
    identity = commands.find("identity", commands.ns)
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("automation", "command-list")


def test_ones_own_account_answers_for_the_server(world: World, romeo: Client) -> None:
    """Tools of administrators take the admin's bare JID for the server's."""
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
    listed = romeo.asks("get", query, to="romeo@example.org").first
    assert listed is not None
    assert [(item.get("jid"), item.get("node")) for item in listed.elements()] == [
        ("romeo@example.org", "list"),
        ("romeo@example.org", "config"),
    ]
    described = romeo.asks(
        "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to="romeo@example.org"
    ).first
    assert described is not None
    assert COMMANDS in [child.get("var") for child in described.elements()]
    command = f"<command xmlns='{COMMANDS}' node='list' action='execute'/>"
    answer = romeo.asks("set", command, to="romeo@example.org")
    assert (answer.get("type"), status(answer)) == ("result", "completed")
    juliet = world.login("juliet@example.org/balcony")
    assert condition(juliet.asks("set", command, to="romeo@example.org")) == "service-unavailable"


def test_a_node_is_given_once(world: World) -> None:
    with pytest.raises(ValueError, match="two commands list"):
        world.module(Commands).add(Command("list", "", lambda requester: True, world.module(Services).show))


steps = st.tuples(
    st.sampled_from(["execute", "next", "prev", "complete", "cancel", "?"]),
    st.sampled_from(["", submit(service="httpd"), submit(state="on"), "<x xmlns='jabber:x:data'/>", "<note/>"]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=8))
def test_every_step_is_answered(script: list[tuple[str, str, bool]]) -> None:
    world = World("example.org", modules=(*IM, Commands, Services))
    romeo = world.login("romeo@example.org/orchard")
    ident = ""
    for action, content, fresh in script:
        answer = command(romeo, ("" if fresh else ident) + f" action='{action}'", content)
        assert answer.get("type") in ("result", "error")
        if answer.get("type") == "error":
            assert condition(answer) in ("bad-request", "not-allowed")
        elif status(answer) == "executing":
            ident = session(answer)
