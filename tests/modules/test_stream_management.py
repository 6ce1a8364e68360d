"""XEP-0198: the elements of an established stream."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.errors import StreamCondition
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import SM, STANZA_ERRORS


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, StreamManagementModule))


@pytest.fixture
def juliet(world: World) -> Client:
    return world.login("juliet@example.org/balcony")


def enable(client: Client, attrs: str = "") -> Element:
    client.says(f"<enable xmlns='{SM}' {attrs}/>")
    [answer] = client.hears()
    return answer


def test_without_resumption_there_is_no_id(juliet: Client) -> None:
    assert enable(juliet) == Element("enabled", SM)


@pytest.mark.parametrize(
    ("attrs", "expected"), [("", "600"), ("max='60'", "60"), ("max='-1'", "600"), ("max='x'", "600")]
)
def test_resumption(juliet: Client, attrs: str, expected: str) -> None:
    enabled = enable(juliet, f"resume='true' {attrs}")
    assert enabled.get("resume") in ("true", "1")
    assert enabled.get("id")
    assert enabled.get("max") == expected


def test_a_second_time_is_refused(juliet: Client) -> None:
    enable(juliet)
    failed = enable(juliet)
    assert failed.name == "failed"
    assert failed.find("unexpected-request", STANZA_ERRORS) is not None


def test_what_was_handled_is_counted(juliet: Client) -> None:
    enable(juliet)
    juliet.says("<presence/>", "<message to='nobody@example.net'/>", f"<r xmlns='{SM}'/>")
    answer = juliet.hears()[-1]
    assert (answer.name, answer.get("h")) == ("a", "2")


@pytest.mark.parametrize("h", ["h='x'", "", "h='-1'", "h='4294967296'"])
def test_a_malformed_acknowledgement_ends_the_stream(juliet: Client, h: str) -> None:
    enable(juliet)
    juliet.says(f"<a xmlns='{SM}' {h}/>")
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.POLICY_VIOLATION


def test_what_was_never_sent_cannot_be_acknowledged(juliet: Client) -> None:
    enable(juliet)
    juliet.says(f"<a xmlns='{SM}' h='100'/>")
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.UNDEFINED_CONDITION
    assert b"handled-count-too-high" in juliet.error.app_xml


@pytest.mark.parametrize("element", ["<r xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='0'/>"])
def test_nothing_counts_before_it_is_enabled(juliet: Client, element: str) -> None:
    juliet.says(element)
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


def test_the_feature(world: World) -> None:
    features: list[Element] = []
    world.host.hooks.stream_features.gather(features)
    assert "urn:xmpp:sm:3 sm" in [feature.tag for feature in features]
