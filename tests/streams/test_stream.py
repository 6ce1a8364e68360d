"""RFC 6120 §4.4, §4.6, §4.9: how a stream ends, and when."""

from __future__ import annotations

import pytest

from tests.streams.conftest import BIND, END, HEADER, PLAIN, STARTTLS, Driver
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams.events import Ended


class TestEnd:
    """RFC 6120 §4.4, §4.6, §4.9."""

    @pytest.mark.parametrize("state", ["to_tls", "to_authenticated", "to_bound"])
    def test_closing_tag_is_answered(self, driver: Driver, state: str) -> None:
        getattr(driver, state)()
        assert driver.send(END) == END
        assert driver.events[-1] == Ended(None)
        assert driver.send(HEADER) == b""

    def test_close_waits_for_the_client(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
        assert driver.wire.endswith(
            b"<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            b"</stream:error></stream:stream>"
        )
        assert not driver.over
        assert driver.send(b"<message/>", b"<x/>", END) == b""
        assert driver.stanzas == []
        driver.assert_ended(StreamCondition.SYSTEM_SHUTDOWN)

    def test_close_without_error_passes_on_what_is_under_way(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close()
        driver.send(b"<message/><x xmlns='y'/>" + STARTTLS + END)
        assert len(driver.stanzas) == 1
        assert driver.events[-1] == Ended(None)
        assert driver.wire.count(END) == 1

    def test_close_does_not_wait_for_ever(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close(StreamError(StreamCondition.CONFLICT))
        driver.wait(4.9)
        assert not driver.over
        driver.wait(0.1)
        driver.assert_ended(StreamCondition.CONFLICT)

    def test_close_when_already_closing(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close()
        driver.close(StreamError(StreamCondition.CONFLICT))
        driver.send(END)
        driver.close()
        assert driver.error is None
        assert driver.wire.count(END) == 1

    def test_close_before_the_header(self, driver: Driver) -> None:
        driver.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
        assert driver.wire.startswith(b"<?xml version='1.0'?><stream:stream ")
        driver.send(HEADER + END)
        driver.assert_ended(StreamCondition.SYSTEM_SHUTDOWN)

    def test_close_during_the_handshake_writes_nothing(self, driver: Driver) -> None:
        driver.answering = False
        driver.send(HEADER, STARTTLS)
        written = driver.wire
        driver.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
        assert driver.over
        assert driver.wire == written

    def test_close_while_a_question_is_open_sees_the_closing_tag_behind_it(self, driver: Driver) -> None:
        driver.to_authenticated()
        driver.answering = False
        driver.send(BIND, END)
        driver.close()
        assert driver.events[-1] == Ended(None)

    def test_broken_xml_while_closing(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close()
        driver.send(b"<<>")
        assert driver.events[-1] == Ended(None)

    def test_see_other_host_names_it(self, driver: Driver) -> None:
        driver.to_bound()
        driver.close(StreamError(StreamCondition.SEE_OTHER_HOST, "[2001:db8::1]:5222"))
        assert b">[2001:db8::1]:5222</see-other-host></stream:error>" in driver.wire

    def test_error_with_text_and_application_condition(self, driver: Driver) -> None:
        driver.to_bound()
        error = StreamError(StreamCondition.UNDEFINED_CONDITION, "<9 & 8>", app_xml=b"<x xmlns='urn:x'/>")
        driver.close(error)
        assert driver.wire.endswith(
            b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>&lt;9 &amp; 8&gt;</text>"
            b"<x xmlns='urn:x'/></stream:error></stream:stream>"
        )


class TestDeadline:
    """Negotiation takes a bounded time, whatever arrives."""

    def test_silence(self, driver: Driver) -> None:
        driver.wait(59.9)
        assert not driver.over
        driver.wait(0.1)
        driver.assert_ended(StreamCondition.CONNECTION_TIMEOUT)
        assert driver.wire.startswith(b"<?xml version='1.0'?><stream:stream ")

    def test_bytes_do_not_prolong_it(self, driver: Driver) -> None:
        driver.to_authenticated()
        for _ in range(59):
            driver.wait(1)
            driver.send(b" ", b"<active xmlns='urn:xmpp:csi:0'/>")
        driver.now += 1
        driver.send(b" ")
        driver.assert_ended(StreamCondition.CONNECTION_TIMEOUT)

    def test_open_question(self, driver: Driver) -> None:
        driver.to_tls()
        driver.answering = False
        driver.send(PLAIN)
        driver.wait(60)
        driver.assert_ended(StreamCondition.CONNECTION_TIMEOUT)
        assert driver.stream.auth_answer(True, driver.now) == []
        assert driver.stream.username is None

    def test_handshake_ends_silently(self, driver: Driver) -> None:
        driver.answering = False
        driver.send(HEADER, STARTTLS)
        written = driver.wire
        driver.wait(60)
        assert driver.over
        assert driver.wire == written
        driver.handshake()
        assert driver.stream.closed
