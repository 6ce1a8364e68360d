"""XEP-0077 §3.1, XEP-0445: what a stream takes of a stranger, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.streams.conftest import END, HEADER, PLAIN, STARTTLS, Driver
from xmpp_server.errors import Condition, StanzaError, StreamCondition
from xmpp_server.streams import registration
from xmpp_server.streams.events import Authenticated, RegisterRequest
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, PREAUTH, REGISTER
from xmpp_server.xml.stanza import Stanza

MakeDriver = Callable[..., Driver]

GET = b"<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>"
SET = (
    b"<iq type='set' id='r2' to='im.example.com'><query xmlns='jabber:iq:register'>"
    b"<username>juliet</username><password>r0m30myr0m30</password></query></iq>"
)
FEATURE = b"<register xmlns='http://jabber.org/features/iq-register'/>"


@pytest.fixture
def stranger(driver: Driver) -> Driver:
    """A driver inside TLS that leaves questions open."""
    driver.to_tls().answering = False
    return driver


def iq(**attrs: str) -> Stanza:
    element = Element("iq", CLIENT, {"type": "get", "id": "1"} | attrs)
    return Stanza.build(element.append(Element("query", REGISTER)), None, None)


def addressed(to: str | None, **attrs: str) -> Stanza:
    stanza = iq(**attrs)
    if to is not None:
        stanza.attrs["to"] = to
    return stanza


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (None, True),
        ("example.org", True),
        ("Example.ORG", True),
        ("example.net", False),
        ("juliet@example.org", False),
        ("example.org/x", False),
        ("@", False),
    ],
)
def test_only_the_host_of_the_stream_is_asked(to: str | None, expected: bool) -> None:
    assert registration.is_request(addressed(to), "example.org") is expected


@pytest.mark.parametrize("kind", ["result", "error", "x", ""])
def test_only_requests_are(kind: str) -> None:
    assert not registration.is_request(iq(type=kind), "example.org")


@pytest.mark.parametrize(("kind", "expected"), [("set", True), ("get", False), ("result", False)])
def test_a_token_may_be_shown(kind: str, expected: bool) -> None:
    """XEP-0445 §4."""
    element = Element("iq", CLIENT, {"type": kind, "id": "1"})
    element.append(Element("preauth", PREAUTH, {"token": "x"}))
    assert registration.is_request(Stanza.build(element, None, None), "example.org") is expected


def test_a_token_in_clear_is_like_any_stanza(driver: Driver) -> None:
    driver.send(HEADER, b"<iq type='set' id='r1'><preauth xmlns='urn:xmpp:pars:0' token='x'/></iq>")
    assert not any(isinstance(event, RegisterRequest) for event in driver.events)
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_announced_where_passwords_are_taken(make_driver: MakeDriver) -> None:
    driver = make_driver(takes_strangers=True)
    assert FEATURE not in driver.send(HEADER)
    driver.send(STARTTLS)
    assert FEATURE in driver.send(HEADER)
    driver.send(PLAIN)
    assert FEATURE not in driver.send(HEADER)


def test_nothing_is_announced_where_it_is_closed(driver: Driver) -> None:
    driver.to_tls()
    assert FEATURE not in driver.wire


@pytest.mark.parametrize("request_", [GET, SET])
def test_in_clear_it_is_like_any_stanza_where_tls_is_required(driver: Driver, request_: bytes) -> None:
    driver.send(HEADER, request_)
    assert not any(isinstance(event, RegisterRequest) for event in driver.events)
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_in_clear_where_the_operator_allows_it(make_driver: MakeDriver) -> None:
    driver = make_driver(tls_required=False, takes_strangers=True)
    assert FEATURE in driver.send(HEADER)
    assert b"<iq type='result' id='r2'/>" in driver.send(SET)


def test_a_form_an_account_and_a_login_on_one_stream(driver: Driver) -> None:
    driver.to_tls()
    answer = driver.send(GET + SET + PLAIN)
    assert answer.startswith(b"<iq type='result' id='r1'><query xmlns='jabber:iq:register'><username/></query></iq>")
    assert b"<iq type='result' id='r2'/><success" in answer
    assert [type(event) for event in driver.events if isinstance(event, RegisterRequest | Authenticated)] == [
        RegisterRequest,
        RegisterRequest,
        Authenticated,
    ]


def test_what_follows_waits_for_the_answer(stranger: Driver) -> None:
    stranger.send(SET + GET)
    stranger.send(PLAIN)
    assert [event.iq.id for event in stranger.events if isinstance(event, RegisterRequest)] == ["r2"]
    assert stranger.stream.waiting
    stranger.take(stranger.stream.register_answer(None, stranger.now))
    assert [event.iq.id for event in stranger.events if isinstance(event, RegisterRequest)] == ["r2", "r1"]


def test_a_refusal_keeps_the_password_to_itself(stranger: Driver) -> None:
    stranger.send(SET)
    stranger.take(stranger.stream.register_answer(StanzaError(Condition.CONFLICT), stranger.now))
    assert b"<iq type='error' id='r2'><error type='cancel' code='409'><conflict " in stranger.wire
    assert b"r0m30" not in stranger.wire
    assert not stranger.over


def test_patience_ends(make_driver: MakeDriver) -> None:
    driver = make_driver(StreamLimits(refusals=2)).to_tls()
    driver.answering = False
    for _ in range(2):
        driver.send(SET)
        driver.take(driver.stream.register_answer(StanzaError(Condition.CONFLICT), driver.now))
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize("request_", [GET.replace(b" id='r1'", b""), GET.replace(b"</iq>", b"<x xmlns='urn:x'/></iq>")])
def test_malformed_requests(stranger: Driver, request_: bytes) -> None:
    assert b"<bad-request " in stranger.send(request_)
    assert not any(isinstance(event, RegisterRequest) for event in stranger.events)
    assert b"<iq type='error'" in stranger.wire
    assert not stranger.over


@pytest.mark.parametrize(
    "request_",
    [
        SET.replace(b"to='im.example.com'", b"to='example.net'"),
        b"<iq type='get' id='1'><x xmlns='jabber:iq:auth'/></iq>",
    ],
)
def test_other_requests_need_a_session(stranger: Driver, request_: bytes) -> None:
    stranger.send(request_)
    stranger.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_not_after_authentication(driver: Driver) -> None:
    driver.to_authenticated().send(SET)
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_an_answer_that_comes_too_late_is_dropped(stranger: Driver) -> None:
    stranger.send(SET, END)
    stranger.stream.lost()
    assert stranger.stream.register_answer(None, stranger.now) == []
    assert b"r2" not in stranger.wire + stranger.stream.outgoing()


def test_a_person_has_time_to_fill_in_the_form_but_only_once(stranger: Driver) -> None:
    for _ in range(3):
        stranger.send(GET)
        stranger.take(stranger.stream.register_answer(Element("query", REGISTER), stranger.now))
        stranger.wait(100)
    assert not stranger.over
    stranger.wait(60)
    stranger.assert_ended(StreamCondition.CONNECTION_TIMEOUT)


def test_time_is_limited_while_the_answer_is_open(stranger: Driver) -> None:
    stranger.send(SET)
    stranger.wait(60)
    stranger.assert_ended(StreamCondition.CONNECTION_TIMEOUT)
