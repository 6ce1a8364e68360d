"""External components as routes: addresses, several connections, absence, hanging, dying, answering twice."""

from __future__ import annotations

import contextlib

import pytest

from tests.modules.conftest import condition
from tests.plugged import Plugged, plug
from tests.world import RecordingTransport, World
from xmpp_server.core.component_limits import ComponentLimits
from xmpp_server.errors import StanzaError, StreamCondition, StreamError
from xmpp_server.im.delivery import Delivery
from xmpp_server.jid import JID
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element

FILES, PROXY = "files.example.org", "proxy.example.org"
PING = Element("ping", "urn:xmpp:ping")
LIMITS = ComponentLimits(
    connections=3, queued_stanzas=3, queued_bytes=1000, away_s=30, open_requests=3, answer_s=60, stalled_s=10
)


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(Delivery, StreamManagementModule))


@pytest.fixture
def files(world: World) -> Plugged:
    return plug(world, FILES, PROXY, limits=LIMITS)


class TestAddresses:
    """XEP-0114 §3."""

    def test_both_ways(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        line = files.connects()
        romeo.says(f"<message to='u@{FILES}/x' id='1'><body>hi</body></message>")
        [heard] = line.hears()
        assert (heard.get("from"), heard.get("to"), heard.get("id")) == (romeo.jid, f"u@{FILES}/x", "1")
        line.says(f"<message from='u@{FILES}/x' to='{romeo.jid}'><body>ho</body></message>")
        [heard] = romeo.hears()
        assert heard.get("from") == f"u@{FILES}/x"
        assert (files.component.sent, files.component.received) == (1, 1)

    def test_an_explicit_content_namespace_becomes_that_of_clients(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        xml = f"<message xmlns='jabber:component:accept' from='{FILES}' to='{romeo.jid}'><body>ho</body></message>"
        files.connects().says(xml)
        [heard] = romeo.hears()
        assert heard.find("body", "jabber:client") is not None

    def test_every_domain_of_the_component_is_its_own(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        files.connects().says(f"<message from='{PROXY}' to='{romeo.jid}'/>")
        assert len(romeo.hears()) == 1

    @pytest.mark.parametrize(
        ("addresses", "expected"),
        [
            ("to='romeo@example.org'", StreamCondition.IMPROPER_ADDRESSING),
            (f"from='{FILES}'", StreamCondition.IMPROPER_ADDRESSING),
            ("from='example.org' to='romeo@example.org'", StreamCondition.INVALID_FROM),
            (f"from='x.{FILES}' to='romeo@example.org'", StreamCondition.INVALID_FROM),
            ("from='juliet@example.org/x' to='romeo@example.org'", StreamCondition.INVALID_FROM),
            ("from='@' to='romeo@example.org'", StreamCondition.INVALID_FROM),
        ],
    )
    def test_missing_and_foreign_addresses_end_the_stream(
        self, world: World, files: Plugged, addresses: str, expected: StreamCondition
    ) -> None:
        romeo = world.login("romeo@example.org/home")
        line = files.connects()
        line.says(f"<message {addresses}><body>spoofed</body></message>")
        assert line.error is not None
        assert line.error.condition is expected
        assert romeo.hears() == []

    def test_a_malformed_recipient_costs_the_stanza_alone(self, files: Plugged) -> None:
        line = files.connects()
        line.says(f"<message from='{FILES}' to='@@'><body>hi</body></message>")
        [answer] = line.hears()
        assert condition(answer) == "jid-malformed"
        assert line.error is None

    def test_what_cannot_be_delivered_comes_back(self, files: Plugged) -> None:
        line = files.connects()
        line.says(f"<iq from='{FILES}' to='elsewhere.example' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert condition(line.hears()[0]) == "remote-server-not-found"

    def test_an_iq_of_no_type_is_refused(self, files: Plugged) -> None:
        line = files.connects()
        line.says(f"<iq from='{FILES}' to='example.org' type='ask' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert condition(line.hears()[0]) == "bad-request"


class TestSeveralConnections:
    """One component, more than one connection."""

    def test_each_domain_has_its_connection(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        one, other = files.connects(FILES), files.connects(PROXY)
        romeo.says(f"<message to='{FILES}'/>", f"<message to='{PROXY}'/>")
        assert [element.get("to") for element in one.hears()] == [FILES]
        assert [element.get("to") for element in other.hears()] == [PROXY]

    def test_a_domain_without_a_connection_is_served_by_another(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        one, other = files.connects(FILES), files.connects(FILES)
        romeo.says(f"<message to='{PROXY}'/>")
        assert len(one.hears()) + len(other.hears()) == 1

    def test_a_connection_can_bind_more_domains(self, world: World, files: Plugged) -> None:
        """XEP-0225 §4."""
        romeo = world.login("romeo@example.org/home")
        one, other = files.connects(FILES), files.connects(PROXY)
        bind = f"<bind xmlns='urn:xmpp:component:0'><hostname>{PROXY}</hostname></bind>"
        one.says(f"<iq type='set' id='b'>{bind}</iq>")
        [answer] = one.hears()
        assert (answer.get("type"), answer.get("id")) == ("result", "b")
        other.says(f"<iq type='set' id='u'>{bind.replace('bind', 'unbind')}</iq>")
        assert [answer.get("type") for answer in other.hears()] == ["result"]
        romeo.says(f"<message to='{PROXY}'/>")
        assert [element.name for element in one.hears()] == ["message"]
        assert other.hears() == []

    @pytest.mark.parametrize("content", ["<hostname>example.org</hostname>", "<hostname/>", ""])
    def test_a_connection_cannot_bind_others(self, files: Plugged, content: str) -> None:
        line = files.connects()
        line.says(f"<iq type='set' id='b'><bind xmlns='urn:xmpp:component:0'>{content}</bind></iq>")
        assert condition(line.hears()[0]) == "not-allowed"
        assert line.error is None

    def test_they_share_the_load_and_each_sender_keeps_to_one(self, world: World, files: Plugged) -> None:
        lines = [files.connects(), files.connects()]
        for number in range(24):
            client = world.login(f"user{number}@example.org/home")
            client.says(*(f"<message to='{FILES}' id='{turn}'/>" for turn in range(3)))
        heard = [line.hears() for line in lines]
        assert all(heard)
        for elements in heard:
            by_sender: dict[str | None, list[str | None]] = {}
            for element in elements:
                by_sender.setdefault(element.get("from"), []).append(element.get("id"))
            assert all(ids == ["0", "1", "2"] for ids in by_sender.values())

    def test_an_answer_goes_to_the_connection_that_has_asked(self, world: World, files: Plugged) -> None:
        lines = [files.connects(), files.connects()]
        for number in range(8):
            client = world.login(f"user{number}@example.org/home")
            for line in lines:
                line.says(f"<iq from='{FILES}' to='{client.jid}' type='get' id='q'><x xmlns='urn:x'/></iq>")
                assert client.hears()[0].get("id") == "q"
                client.says(f"<iq to='{FILES}' type='result' id='q'/>")
                assert [element.get("id") for element in line.hears()] == ["q"]

    def test_there_are_not_too_many(self, files: Plugged) -> None:
        for _ in range(3):
            files.connects()
        with pytest.raises(StreamError) as refused:
            files.connects()
        assert refused.value.condition is StreamCondition.CONFLICT

    def test_the_rest_goes_on_when_one_is_lost(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        one, other = files.connects(), files.connects()
        one.drops()
        one.drops()  # for the second time: nothing
        romeo.says(f"<message to='{FILES}'/>")
        assert len(other.hears()) == 1


class TestAway:
    """Nobody is connected."""

    def test_who_was_never_there_is_unavailable_at_once(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        romeo.says(f"<message to='{FILES}'><body>hi</body></message>")
        assert condition(romeo.hears()[0]) == "service-unavailable"
        assert not files.component.is_expected

    def test_what_waits_comes_in_order_before_anything_else(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        files.connects().drops()
        romeo.says(f"<message to='{FILES}' id='1'/>", f"<message to='{PROXY}' id='2'/>")
        assert files.component.queued == 2
        line = files.connects()
        romeo.says(f"<message to='{FILES}' id='3'/>")
        assert [element.get("id") for element in line.hears()] == ["1", "2", "3"]
        assert files.component.queued == 0
        assert romeo.hears() == []

    def test_who_was_started_is_waited_for(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        files.component.expect()
        romeo.says(f"<message to='{FILES}' id='1'/>")
        assert len(files.connects().hears()) == 1

    def test_after_a_while_senders_hear_of_it(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        files.connects().drops()
        romeo.says(f"<iq to='{FILES}' type='get' id='1'><x xmlns='urn:x'/></iq>", f"<message to='{FILES}' id='2'/>")
        world.passes(29)
        assert romeo.hears() == []
        world.passes(3)
        assert [condition(element) for element in romeo.hears()] == ["remote-server-timeout"] * 2
        romeo.says(f"<message to='{FILES}' id='3'/>")
        assert condition(romeo.hears()[0]) == "service-unavailable"
        assert files.connects().hears() == []

    @pytest.mark.parametrize("size", [1, 600])
    def test_the_queue_is_bounded(self, world: World, files: Plugged, size: int) -> None:
        romeo = world.login("romeo@example.org/home")
        files.connects().drops()
        for _ in range(4):
            romeo.says(f"<message to='{FILES}'><body>{'x' * size}</body></message>")
        kept = 3 if size == 1 else 1
        assert [condition(element) for element in romeo.hears()] == ["resource-constraint"] * (4 - kept)
        assert len(files.connects().hears()) == kept

    def test_what_waits_is_not_acknowledged(self, world: World, files: Plugged) -> None:
        """XEP-0198 §4: only what the server has taken responsibility for, and a queue in memory is not that."""
        romeo = world.login("romeo@example.org/home")
        romeo.says("<enable xmlns='urn:xmpp:sm:3'/>")
        romeo.hears()
        files.connects().drops()
        romeo.says(f"<message to='{FILES}'/><r xmlns='urn:xmpp:sm:3'/>")
        assert [element.name for element in romeo.hears()] == []
        files.connects()
        assert [element.get("h") for element in romeo.hears() if element.name == "a"] == ["1"]


class TestRequests:
    """What a component is asked."""

    def ask(self, world: World, name: str = "romeo", count: int = 1) -> None:
        client = world.clients.get(f"{name}@example.org/home") or world.login(f"{name}@example.org/home")
        for number in range(count):
            client.says(f"<iq to='{FILES}' type='get' id='{number}'><x xmlns='urn:x'/></iq>")

    def test_an_answer_arrives_once(self, world: World, files: Plugged) -> None:
        line = files.connects()
        self.ask(world)
        romeo = world.clients["romeo@example.org/home"]
        assert files.component.open_requests == 1
        answer = f"<iq from='{FILES}' to='{romeo.jid}' type='result' id='0'/>"
        line.says(answer, answer)
        assert [element.get("type") for element in romeo.hears()] == ["result"]
        assert files.component.open_requests == 0
        assert line.error is None

    def test_an_answer_that_nobody_asked_for_is_dropped(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        files.connects().says(f"<iq from='{FILES}' to='{romeo.jid}' type='result' id='9'/>")
        assert romeo.hears() == []

    def test_none_hangs_when_the_component_dies(self, world: World, files: Plugged) -> None:
        one, other = files.connects(), files.connects()
        for number in range(3):
            self.ask(world, f"user{number}")
        one.drops()
        other.drops()
        for number in range(3):
            client = world.clients[f"user{number}@example.org/home"]
            [answer] = client.hears()
            assert (answer.get("id"), answer.get("from")) == ("0", FILES)
            assert condition(answer) == "remote-server-timeout"

    def test_none_hangs_when_the_component_does(self, world: World, files: Plugged) -> None:
        line = files.connects()
        self.ask(world)
        romeo = world.clients["romeo@example.org/home"]
        world.passes(59)
        assert romeo.hears() == []
        world.passes(2)
        assert condition(romeo.hears()[0]) == "remote-server-timeout"
        line.says(f"<iq from='{FILES}' to='{romeo.jid}' type='result' id='0'/>")  # too late
        assert romeo.hears() == []

    def test_open_requests_are_bounded(self, world: World, files: Plugged) -> None:
        line = files.connects()
        self.ask(world, count=4)
        assert condition(world.clients["romeo@example.org/home"].hears()[0]) == "resource-constraint"
        assert len(line.hears()) == 3

    def test_nobody_has_all_of_them(self, world: World) -> None:
        """One who asks what is never answered is not in the way of the others; nor is one server's people."""
        component = plug(world, FILES, limits=ComponentLimits(open_requests=80)).component
        component.attach(FILES, RecordingTransport())

        def asks(who: str, times: int) -> int:
            before = component.open_requests
            for number in range(times):
                ping = iqs.request(IqType.GET, JID.parse(who.format(number)), JID.parse(FILES), f"{number}", PING)
                with contextlib.suppress(StanzaError):
                    component.route(ping)
            return component.open_requests - before

        assert asks("romeo@example.org/home", 30) == 20
        assert asks("u{}@evil.test/x", 30) == 20
        assert asks("juliet@example.org/home", 5) == 5
        assert asks("example.org", 40) == 35, "a host asks for all its accounts"
        world.passes(121)
        assert (component.open_requests, component._shares) == (0, {})
        assert asks("romeo@example.org/home", 30) == 20

    def test_a_request_needs_an_id(self, world: World, files: Plugged) -> None:
        files.connects()
        romeo = world.login("romeo@example.org/home")
        romeo.says(f"<iq to='{FILES}' type='get'><x xmlns='urn:x'/></iq>")
        assert condition(romeo.hears()[0]) == "bad-request"


class TestHanging:
    """The component does not read."""

    def test_senders_hear_of_it_and_the_rest_of_the_server_does_not(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        line = files.connects()
        line.link.buffered = LIMITS.outbox_bytes + 1
        romeo.says(f"<message to='{FILES}'/>", f"<message to='{romeo.jid}' id='me'/>")
        refused, own = romeo.hears()
        assert condition(refused) == "resource-constraint"
        assert own.get("id") == "me"
        line.link.buffered = 0
        romeo.says(f"<message to='{FILES}'/>")
        assert len(line.hears()) == 1

    def test_in_the_end_it_is_cut_off(self, world: World, files: Plugged) -> None:
        romeo = world.login("romeo@example.org/home")
        line = files.connects()
        line.link.buffered = LIMITS.outbox_bytes + 1
        romeo.says(f"<message to='{FILES}'/>")
        world.passes(11)
        assert not line.link.closed
        romeo.says(f"<message to='{FILES}'/>")
        assert line.link.closed
        assert line.link.error is not None
        assert line.link.error.condition is StreamCondition.RESOURCE_CONSTRAINT


def test_components_are_found_by_domain(world: World, files: Plugged) -> None:
    components = world.router.components
    assert components.find(PROXY) is files.component
    assert components.find("example.org") is None
    assert components.all == [files.component]
