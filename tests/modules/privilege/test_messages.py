"""XEP-0356 §5: messages in the name of the host and of accounts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import condition
from tests.modules.privilege.conftest import COMPONENT, Scene
from tests.plugged import PluggedLine
from xmpp_server.xml.namespaces import CLIENT, FORWARD, PRIVILEGE

INNER = (
    f"<message xmlns='{CLIENT}' from='juliet@capulet.lit' id='foo' to='romeo@montague.lit/o'><body>hi</body></message>"
)


def notify(inner: str, sender: str = COMPONENT) -> str:
    return (
        f"<message from='{sender}' to='capulet.lit' id='n1'><privilege xmlns='{PRIVILEGE}'>"
        f"<forwarded xmlns='{FORWARD}'>{inner}</forwarded></privilege></message>"
    )


@pytest.fixture
def stage(scene: Callable[..., Scene]) -> Scene:
    return scene("message=outgoing")


@pytest.fixture
def line(stage: Scene) -> PluggedLine:
    line = stage.component.connects()
    line.hears()
    return line


@pytest.mark.parametrize("sender", ["juliet@capulet.lit", "capulet.lit"])
def test_it_is_sent_as_if_the_host_had(stage: Scene, line: PluggedLine, sender: str) -> None:
    romeo = stage.world.remote("montague.lit")
    line.says(notify(INNER.replace("juliet@capulet.lit", sender)))
    [message] = romeo.hears()
    assert (message.get("from"), message.get("to"), message.get("id")) == (sender, "romeo@montague.lit/o", "foo")
    assert message.find("body", CLIENT) is not None
    assert line.hears() == []


def test_to_accounts_that_are_not_in_memory(stage: Scene, line: PluggedLine) -> None:
    stage.world.create("nurse@capulet.lit")
    line.says(notify(INNER.replace("romeo@montague.lit/o", "nurse@capulet.lit")))
    nurse = stage.world.online("nurse@capulet.lit/x")
    assert line.hears() == []
    assert nurse.session.account.offline_count in (0, 1)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (INNER.replace("juliet@capulet.lit", "juliet@capulet.lit/balcony"), "forbidden"),
        (INNER.replace("juliet@capulet.lit", "romeo@montague.lit"), "forbidden"),
        (INNER.replace(" from='juliet@capulet.lit'", ""), "forbidden"),
        (INNER.replace(" to='romeo@montague.lit/o'", ""), "bad-request"),
        (f"<iq xmlns='{CLIENT}' from='juliet@capulet.lit' to='a@b' type='get' id='1'/>", "bad-request"),
        ("", "bad-request"),
    ],
)
def test_what_is_refused(stage: Scene, line: PluggedLine, inner: str, expected: str) -> None:
    line.says(notify(inner))
    assert condition(line.hears()[0]) == expected


def test_forbidden_without_the_privilege(stage: Scene) -> None:
    other = stage.other.connects()
    other.says(notify(INNER, "other.capulet.lit"))
    assert condition(other.hears()[0]) == "forbidden"
    romeo = stage.world.login("romeo@capulet.lit/x")
    romeo.says(notify(INNER, romeo.jid))
    assert condition(romeo.hears()[0]) == "forbidden"


def test_other_messages_to_the_host_are_refused_as_ever(stage: Scene, line: PluggedLine) -> None:
    line.says(f"<message from='{COMPONENT}' to='capulet.lit'><body>hi</body></message>")
    assert condition(line.hears()[0]) == "service-unavailable"
    line.says(notify(INNER).replace("id='n1'", "id='n1' type='error'"))
    assert line.hears() == []
