"""XEP-0198 on clients' streams: when it may be asked for, and what is answered."""

from __future__ import annotations

import pytest

from tests.streams.conftest import BIND, Driver
from xmpp_server.errors import StreamCondition
from xmpp_server.jid import JID
from xmpp_server.streams.events import (
    ResumeRequest,
)


class TestStreamManagement:
    """XEP-0198."""

    @pytest.mark.parametrize(
        "element", [b"<enable xmlns='urn:xmpp:sm:3'/>", b"<resume xmlns='urn:xmpp:sm:3' previd='p' h='1'/>"]
    )
    def test_before_authentication(self, driver: Driver, element: bytes) -> None:
        assert b"<unexpected-request " in driver.to_tls().send(element)
        assert ResumeRequest("p", 1) not in driver.events
        driver.send(element * 4)
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    @pytest.mark.parametrize("element", [b"<enable xmlns='urn:xmpp:sm:3'/>", b"<r xmlns='urn:xmpp:sm:3'/>"])
    def test_before_binding(self, driver: Driver, element: bytes) -> None:
        assert b"<unexpected-request " in driver.to_authenticated().send(element)
        driver.send(BIND)
        assert driver.stream.jid is not None

    @pytest.mark.parametrize(
        "element",
        [
            b"<a xmlns='urn:xmpp:sm:3' h='1'/>",
            b"<active xmlns='urn:xmpp:csi:0'/>",
            b"<inactive xmlns='urn:xmpp:csi:0'/>",
        ],
    )
    def test_ignored_before_binding(self, driver: Driver, element: bytes) -> None:
        assert driver.to_authenticated().send(element) == b""
        assert driver.stanzas == []

    @pytest.mark.parametrize(
        "attrs", [b"previd='p'", b"previd='p' h='-1'", b"previd='p' h='1x'", b"h='1'", b"previd='' h='1'"]
    )
    def test_malformed_resumption(self, driver: Driver, attrs: bytes) -> None:
        assert b"<bad-request " in driver.to_authenticated().send(b"<resume xmlns='urn:xmpp:sm:3' %b/>" % attrs)
        driver.send(BIND)
        assert driver.stream.jid is not None

    def test_resumption_after_binding(self, driver: Driver) -> None:
        driver.to_bound()
        answer = driver.send(b"<resume xmlns='urn:xmpp:sm:3' previd='p' h='1'/><r xmlns='urn:xmpp:sm:3'/>")
        assert b"<unexpected-request " in answer
        assert [stanza.name for stanza in driver.stanzas] == ["r"]

    def test_what_follows_the_request_belongs_to_the_session(self, driver: Driver) -> None:
        driver.to_authenticated().send(b"<resume xmlns='urn:xmpp:sm:3' previd='p' h='1'/><message/>")
        assert [stanza.name for stanza in driver.stanzas] == ["message"]
        assert driver.stream.jid == JID.parse("juliet@im.example.com/balcony")
