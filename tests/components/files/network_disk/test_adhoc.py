"""Commands without memory: what clients give back is checked, whatever stands in it."""

from __future__ import annotations

import contextlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.xmpp_component.errors import RequestError
from components.xmpp_component.link import Link
from components.xmpp_component.settings import Server
from components.xmpp_files.network_disk import forms
from components.xmpp_files.network_disk.adhoc import NS, Answer, Ask, Call, Command, Commands
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.forms import Field
from components.xmpp_files.storage import FullError, StorageError

ROMEO = "romeo@montague.test/orchard"


async def echo(call: Call) -> Answer:
    """Ask for a name and a colour, one after the other."""
    for var in ("name", "colour"):
        if not call.given(var):
            raise Ask(forms.question("?", "", [Field(var, "text-single", var)]))
    return Answer(f"{call.who}: {call.one('name')} is {call.one('colour')}")


async def count(call: Call) -> Answer:
    """Three pages."""
    number = int(call.one("after", "0")) + 1
    return Answer(str(number), more={} if number == 3 else {"after": [str(number)]})


def failing(error: Exception):
    async def fail(_call: Call) -> Answer:
        raise error

    return fail


@pytest.fixture
async def commands():
    every = [
        Command("echo", "Echo", echo),
        Command("count", "Count", count),
        *[Command(reason.name, reason.name, failing(DiskError(reason, "no"))) for reason in Reason],
        Command("full", "Full", failing(FullError("full"))),
        Command("broken", "Broken", failing(StorageError("broken"))),
    ]
    return Commands(Link("upload.montague.test", Server(secret="secret")), every, lambda: 0.0)


def request(node: str, action: str = "execute", session: str = "", **values: str) -> ET.Element:
    command = ET.Element(f"{{{NS}}}command", node=node, action=action, sessionid=session)
    form = ET.SubElement(command, f"{{{forms.NS}}}x", type="submit")
    for var, value in values.items():
        field = ET.SubElement(form, f"{{{forms.NS}}}field", var=var)
        ET.SubElement(field, f"{{{forms.NS}}}value").text = value
    return command


def note(element: ET.Element) -> str:
    return element.findtext(f"{{{NS}}}note") or ""


async def test_what_was_filled_in_is_in_the_session(commands):
    first = await commands.answer(request("echo"), ROMEO)
    assert first.get("status") == "executing"
    second = await commands.answer(request("echo", "next", first.get("sessionid"), name="sky"), ROMEO)
    third = await commands.answer(request("echo", "complete", second.get("sessionid"), colour="blue"), ROMEO)
    assert (third.get("status"), note(third)) == ("completed", "romeo@montague.test: sky is blue")


async def test_all_at_once_asks_nothing(commands):
    assert note(await commands.answer(request("echo", name="sky", colour="blue"), ROMEO)).endswith("sky is blue")


async def test_another_user_cannot_take_over_anything_by_a_session(commands):
    """The session is no right: who asks is known from the stanza."""
    first = await commands.answer(request("echo", name="sky"), ROMEO)
    taken = await commands.answer(request("echo", "next", first.get("sessionid"), colour="red"), "mallory@evil.test/x")
    assert note(taken) == "mallory@evil.test: sky is red"


async def test_prev_begins_again_and_cancel_ends(commands):
    first = await commands.answer(request("echo", name="sky"), ROMEO)
    session = first.get("sessionid")
    again = await commands.answer(request("echo", "prev", session), ROMEO)
    assert again.find(f".//{{{forms.NS}}}field").get("var") == "name"
    assert (await commands.answer(request("echo", "cancel", session), ROMEO)).get("status") == "canceled"


async def test_pages_go_on_and_can_be_ended(commands):
    answer = await commands.answer(request("count"), ROMEO)
    assert (note(answer), answer.get("status")) == ("1", "executing")
    ended = await commands.answer(request("count", "complete", answer.get("sessionid")), ROMEO)
    assert ended.get("status") == "completed"
    for expected, status in (("2", "executing"), ("3", "completed")):
        answer = await commands.answer(request("count", "next", answer.get("sessionid")), ROMEO)
        assert (note(answer), answer.get("status")) == (expected, status)


async def test_a_form_does_not_say_where_a_list_goes_on(commands):
    assert note(await commands.answer(request("count", after="2"), ROMEO)) == "1"


@pytest.mark.parametrize(
    ("node", "condition"),
    [
        ("BAD", "bad-request"),
        ("MISSING", "item-not-found"),
        ("FORBIDDEN", "forbidden"),
        ("TAKEN", "not-acceptable"),
        ("FULL", "resource-constraint"),
        ("full", "resource-constraint"),
        ("broken", "internal-server-error"),
        ("unknown", "item-not-found"),
    ],
)
async def test_refusals_are_stanza_errors(commands, node, condition):
    with pytest.raises(RequestError) as refused:
        await commands.answer(request(node), ROMEO)
    assert refused.value.condition == condition


async def test_forms_are_bounded(commands):
    for values in ({f"v{number}": "x" for number in range(41)}, {"name": "x" * 4001}):
        with pytest.raises(RequestError):
            await commands.answer(request("echo", **values), ROMEO)


@given(session=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.hex())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it has no memory: that is what it is about
async def test_no_session_breaks_it(commands, session):
    with contextlib.suppress(RequestError):
        assert (await commands.answer(request("echo", "next", session), ROMEO)).get("status") == "executing"
