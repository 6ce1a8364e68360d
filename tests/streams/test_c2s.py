"""RFC 6120: the client-to-server stream, rule by rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.streams.conftest import BIND, END, HEADER, PLAIN, STARTTLS, Driver
from xmpp_server.errors import Condition, StanzaError, StreamCondition
from xmpp_server.jid import JID
from xmpp_server.streams.events import (
    BindRequest,
    StartTls,
)
from xmpp_server.streams.policy import StreamLimits

MakeDriver = Callable[..., Driver]

SASL_NS = b"urn:ietf:params:xml:ns:xmpp-sasl"


def header(**attrs: str) -> bytes:
    """Write a client's header with other attributes."""
    settings = {"to": "im.example.com", "version": "1.0", "xmlns": "jabber:client"} | attrs
    written = " ".join(f"{name.replace('_', ':')}='{value}'" for name, value in settings.items() if value)
    return f"<stream:stream {written} xmlns:stream='http://etherx.jabber.org/streams'>".encode()


def auth(mechanism: str, text: str = "") -> bytes:
    return b"<auth xmlns='%b' mechanism='%b'>%b</auth>" % (SASL_NS, mechanism.encode(), text.encode())


class TestHeader:
    """RFC 6120 §4.7."""

    def test_to_repeats_from(self, driver: Driver) -> None:
        assert b" to='juliet@im.example.com' " in driver.send(header(**{"from": "Juliet@im.example.com"}))

    def test_no_to_without_from(self, driver: Driver) -> None:
        assert b" to=" not in driver.send(header())

    def test_malformed_from_is_not_repeated(self, driver: Driver) -> None:
        assert b" to=" not in driver.send(header(**{"from": "@@"}))
        assert not driver.over

    def test_domain_is_prepared(self, driver: Driver) -> None:
        assert b" from='im.example.com' " in driver.send(header(to="IM.Example.COM"))
        assert not driver.over

    @pytest.mark.parametrize("to", ["", "example.net", "juliet@im.example.com", "im.example.com/x", "@", "a b"])
    def test_other_to_is_host_unknown(self, driver: Driver, to: str) -> None:
        assert b" from='im.example.com' " in driver.send(header(to=to))
        driver.assert_ended(StreamCondition.HOST_UNKNOWN)

    @pytest.mark.parametrize("version", ["1.0", "01.00", "1.1", "2.0", "11.5"])
    def test_version_is_answered_with_ours(self, driver: Driver, version: str) -> None:
        assert b" version='1.0' " in driver.send(header(version=version))
        assert not driver.over

    @pytest.mark.parametrize("version", ["", "0.9", "1", "banana", "-1.0", "1." + "0" * 999])
    def test_old_version_is_unsupported(self, driver: Driver, version: str) -> None:
        driver.send(header(version=version))
        driver.assert_ended(StreamCondition.UNSUPPORTED_VERSION)

    @pytest.mark.parametrize("ns", ["jabber:server", "", "urn:x"])
    def test_other_content_is_invalid(self, driver: Driver, ns: str) -> None:
        assert driver.send(header(xmlns=ns)).startswith(b"<?xml version='1.0'?><stream:stream ")
        driver.assert_ended(StreamCondition.INVALID_NAMESPACE)

    @pytest.mark.parametrize(("lang", "kept"), [("de", "de"), ("pt-BR", "pt-BR"), ("x" * 99, None), ("'", None)])
    def test_language_is_kept_if_it_may_be_one(self, driver: Driver, lang: str, kept: str | None) -> None:
        driver.send(header(xml_lang=lang.replace("'", "&apos;")))
        assert driver.stream.lang == kept
        assert b" xml:lang='en'>" in driver.wire

    def test_each_stream_has_its_own_id(self, driver: Driver) -> None:
        driver.to_bound()
        assert [f"id='id{n}'" in driver.wire.decode() for n in (1, 2, 3, 4)] == [True, True, True, False]

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", StreamCondition.NOT_WELL_FORMED),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", StreamCondition.NOT_WELL_FORMED),
            (b"<stream xmlns='jabber:client'>", StreamCondition.INVALID_NAMESPACE),
            (b"<!DOCTYPE a><a/>", StreamCondition.RESTRICTED_XML),
        ],
    )
    def test_error_before_the_header_comes_with_one(
        self, driver: Driver, data: bytes, condition: StreamCondition
    ) -> None:
        assert driver.send(data).startswith(b"<?xml version='1.0'?><stream:stream ")
        driver.assert_ended(condition)


class TestTls:
    """RFC 6120 §5."""

    def test_nothing_else_is_offered_while_required(self, driver: Driver) -> None:
        answer = driver.send(HEADER)
        assert b"<required/>" in answer
        assert b"mechanism" not in answer

    def test_optional_beside_mechanisms(self, make_driver: MakeDriver) -> None:
        answer = make_driver(tls_required=False).send(HEADER)
        assert b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" in answer
        assert b"<mechanism>SCRAM-SHA-1</mechanism>" in answer
        assert b"PLAIN" not in answer
        assert b"channel-binding" not in answer

    def test_not_offered_without_certificate(self, make_driver: MakeDriver) -> None:
        driver = make_driver(tls_required=False, tls_available=False)
        assert b"starttls" not in driver.send(HEADER)
        assert driver.send(STARTTLS).startswith(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert driver.over

    def test_a_line_feed_behind_starttls_is_dropped(self, driver: Driver) -> None:
        driver.answering = False
        driver.send(HEADER)
        driver.send(STARTTLS + b"\n")
        assert StartTls() in driver.events
        assert driver.wire.endswith(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")

    @pytest.mark.parametrize("behind", [HEADER, b"\n" + HEADER, b"\x16"])
    def test_bytes_behind_starttls_end_the_connection(self, driver: Driver, behind: bytes) -> None:
        driver.send(HEADER)
        driver.send(STARTTLS + behind)
        assert StartTls() not in driver.events
        assert b"<proceed" not in driver.wire
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    def test_bytes_in_clear_after_proceed_end_it_silently(self, driver: Driver) -> None:
        driver.answering = False
        driver.send(HEADER, STARTTLS)
        written = driver.wire
        driver.send(HEADER)
        assert driver.over
        assert driver.wire == written

    def test_twice_is_a_failure(self, driver: Driver) -> None:
        driver.to_tls()
        assert driver.send(STARTTLS) == b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + END
        assert driver.over

    def test_the_language_and_host_in_clear_are_forgotten(self, driver: Driver) -> None:
        driver.send(header(xml_lang="de"))
        driver.send(STARTTLS)
        assert driver.stream.host is None
        driver.send(header())
        assert driver.stream.lang is None

    def test_direct(self, driver: Driver) -> None:
        driver.handshake()
        answer = driver.send(HEADER)
        assert b"starttls" not in answer
        assert b"<mechanism>PLAIN</mechanism>" in answer

    def test_establishing_too_late_changes_nothing(self, driver: Driver) -> None:
        driver.send(HEADER)
        driver.handshake()
        assert not driver.stream.channel.secure

    def test_channel_bindings_are_announced(self, driver: Driver) -> None:
        driver.to_tls()
        assert (
            b"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>"
            b"<channel-binding type='tls-server-end-point'/></sasl-channel-binding>"
        ) in driver.wire

    def test_external_with_a_certificate_only(self, driver: Driver) -> None:
        assert b"EXTERNAL" not in driver.to_tls().wire
        other = Driver()
        other.certificate_of = "juliet"
        assert b"EXTERNAL" in other.to_tls().wire
        other.send(auth("EXTERNAL", "="))
        assert other.stream.username == "juliet"


class TestRestart:
    """RFC 6120 §4.3.3, §4.7.1."""

    @pytest.mark.parametrize("sender", ["juliet@im.example.com", "JULIET@im.example.com/x", "im.example.com", "@"])
    def test_from_may_name_the_account(self, driver: Driver, sender: str) -> None:
        driver.to_tls().send(PLAIN, header(**{"from": sender}))
        assert not driver.over

    @pytest.mark.parametrize("sender", ["romeo@im.example.com", "juliet@example.net"])
    def test_from_may_not_name_another(self, driver: Driver, sender: str) -> None:
        driver.to_tls().send(PLAIN, header(**{"from": sender}))
        driver.assert_ended(StreamCondition.INVALID_FROM)

    def test_host_may_not_change_after_authentication(self, driver: Driver) -> None:
        driver.policy.hosts["other.example"] = type(driver.policy.hosts["im.example.com"])("other.example")
        driver.to_tls().send(PLAIN, header(to="other.example"))
        driver.assert_ended(StreamCondition.HOST_UNKNOWN)

    def test_host_may_change_before(self, driver: Driver) -> None:
        driver.policy.hosts["other.example"] = type(driver.policy.hosts["im.example.com"])("other.example")
        driver.to_tls()
        other = Driver(driver.policy)
        other.send(header(to="other.example"), STARTTLS, HEADER)
        assert other.stream.host is driver.stream.host

    @pytest.mark.parametrize("way", ["to_tls", "to_authenticated", "to_bound"])
    def test_only_after_tls_and_sasl(self, driver: Driver, way: str) -> None:
        getattr(driver, way)().send(header() * 1000)
        driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)
        assert driver.policy.ids <= 3

    def test_features_after_authentication(self, driver: Driver) -> None:
        driver.to_tls().send(PLAIN)
        answer = driver.send(HEADER)
        assert b"mechanism" not in answer
        assert b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" in answer
        assert b"<max-bytes>262144</max-bytes>" in answer

    def test_idle_time_is_announced(self, make_driver: MakeDriver) -> None:
        driver = make_driver(StreamLimits(idle_s=1800)).to_authenticated()
        assert driver.wire.count(b"<idle-seconds>1800</idle-seconds>") == 1

    def test_larger_elements_only_after_authentication(self, driver: Driver) -> None:
        large = b"<message to='romeo@example.net'><body>%b</body></message>" % (b"x" * 12_000)
        driver.to_bound().send(large)
        assert len(driver.stanzas) == 1
        other = Driver().to_tls()
        other.send(large)
        other.assert_ended(StreamCondition.POLICY_VIOLATION)


class TestBinding:
    """RFC 6120 §7."""

    @pytest.mark.parametrize("text", [b"", b"<resource/>"])
    def test_resource_of_the_servers_choice(self, driver: Driver, text: bytes) -> None:
        driver.to_authenticated().send(BIND.replace(b"xmpp-bind'/>", b"xmpp-bind'>" + text + b"</bind>"))
        assert driver.events[-1] == BindRequest(None)

    def test_resource_is_passed_as_written(self, driver: Driver) -> None:
        driver.answering = False
        driver.stream.tls_established({}, False)
        driver.answering = True
        driver.send(HEADER, PLAIN, HEADER)
        resource = b"<resource> a&amp;b\xc3\xa9</resource></bind>"
        driver.send(BIND.replace(b"xmpp-bind'/>", b"xmpp-bind'>" + resource))
        assert driver.events[-1] == BindRequest(" a&b\u00e9")
        assert b"<jid>juliet@im.example.com/ a&amp;b\xc3\xa9</jid>" in driver.wire

    @pytest.mark.parametrize(
        "iq",
        [
            b"<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            b"<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><x xmlns='y'/></iq>",
        ],
    )
    def test_malformed_requests_can_be_tried_again(self, driver: Driver, iq: bytes) -> None:
        assert b"<bad-request " in driver.to_authenticated().send(iq)
        driver.send(BIND)
        assert driver.stream.jid is not None

    def test_conflicts_are_limited(self, driver: Driver) -> None:
        taken = BIND.replace(b"xmpp-bind'/>", b"xmpp-bind'><resource>taken</resource></bind>")
        driver.to_authenticated().send(taken * 4)
        assert not driver.over
        driver.send(taken)
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    @pytest.mark.parametrize(
        "stanza",
        [
            b"<message/>",
            b"<presence/>",
            b"<iq type='get' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            b"<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
        ],
    )
    @pytest.mark.parametrize("state", ["in clear", "before", "after"])
    def test_stanza_before_binding_is_not_authorized(self, driver: Driver, stanza: bytes, state: str) -> None:
        {"in clear": lambda: driver.send(HEADER), "before": driver.to_tls, "after": driver.to_authenticated}[state]()
        driver.send(stanza)
        assert driver.stanzas == []
        driver.assert_ended(StreamCondition.NOT_AUTHORIZED)

    def test_what_was_sent_behind_the_request_follows_it(self, driver: Driver) -> None:
        driver.to_authenticated()
        driver.answering = False
        driver.send(BIND + b"<presence/><mess")
        driver.send(b"age/><iq")
        assert driver.stream.waiting
        driver.take(driver.stream.bound(JID.parse("juliet@im.example.com/balcony")))
        driver.send(b"/>")
        assert [stanza.name for stanza in driver.stanzas] == ["presence", "message", "iq"]
        assert not driver.stream.waiting

    def test_answers_nobody_asked_for_change_nothing(self, driver: Driver) -> None:
        jid = JID.parse("juliet@im.example.com/x")
        driver.to_tls()
        stream, now = driver.stream, driver.now
        assert stream.bound(jid) == stream.resumed(1, jid) == stream.auth_answer(True, now) == []
        assert stream.bind_failed(StanzaError(Condition.CONFLICT), now) == []
        assert stream.resume_failed(Condition.ITEM_NOT_FOUND, None, now) == []
        assert stream.outgoing() == b""
        assert stream.jid is None


class TestBound:
    def test_the_scanners_own_list_is_passed_on(self, driver: Driver) -> None:
        driver.to_bound()
        events = driver.stream.receive(b"<message/><presence/> <iq/>", driver.now)
        assert [stanza.name for stanza in events] == ["message", "presence", "iq"]  # type: ignore[union-attr]

    @pytest.mark.parametrize("nonza", ["r", "a", "enable"])
    def test_stream_management_is_passed_on(self, driver: Driver, nonza: str) -> None:
        driver.to_bound().send(f"<{nonza} xmlns='urn:xmpp:sm:3'/>".encode())
        assert [stanza.name for stanza in driver.stanzas] == [nonza]

    @pytest.mark.parametrize(
        "element",
        [
            b"<x xmlns='urn:x'/>",
            b"<stream:features/>",
            b"<messages/>",
            b"<message xmlns='urn:x'/>",
            b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ],
    )
    def test_unknown_element(self, driver: Driver, element: bytes) -> None:
        driver.to_bound().send(b"<presence/>" + element + b"<message/>")
        assert [stanza.name for stanza in driver.stanzas] == ["presence"]
        driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)

    @pytest.mark.parametrize(
        ("data", "condition"),
        [
            (b"<!-- x -->", StreamCondition.RESTRICTED_XML),
            (b"<message></iq>", StreamCondition.NOT_WELL_FORMED),
            (b"text", StreamCondition.BAD_FORMAT),
            (b"<message>\xff</message>", StreamCondition.UNSUPPORTED_ENCODING),
        ],
    )
    def test_broken_xml_ends_the_stream_behind_what_was_whole(
        self, driver: Driver, data: bytes, condition: StreamCondition
    ) -> None:
        driver.to_bound().send(b"<presence/>" + data)
        assert len(driver.stanzas) == 1
        driver.assert_ended(condition)

    def test_starttls(self, driver: Driver) -> None:
        assert driver.to_bound().send(STARTTLS).startswith(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert driver.over

    def test_white_space_keeps_alive(self, driver: Driver) -> None:
        assert driver.to_bound().send(b" ", b"\n", b"<presence/>", b" ") == b""
        assert len(driver.stanzas) == 1

    def test_no_deadline(self, driver: Driver) -> None:
        driver.to_bound().wait(1e9)
        assert driver.stream.deadline is None
        assert not driver.over
