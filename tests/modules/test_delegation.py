"""XEP-0355: requests in delegated namespaces, their answers, and what disco says of them."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.plugged import Plugged, PluggedLine, plug
from tests.world import Client, World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.roster import Roster
from xmpp_server.modules.delegation import Delegation
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELEGATION, DISCO_INFO, FORWARD

PUBSUB = "http://jabber.org/protocol/pubsub"
MAM = "urn:xmpp:mam:2"
MANAGER = "pubsub.capulet.lit"
PUBLISH = f"<pubsub xmlns='{PUBSUB}'><publish node='mood'/></pubsub>"
BALCONY = "juliet@capulet.lit/balcony"


class Scene:
    """capulet.lit, where pubsub.capulet.lit manages some namespaces, and Juliet."""

    def __init__(self, *delegate: str) -> None:
        self.world = World("capulet.lit", modules=(Delivery,))
        self.manager: Plugged = plug(self.world, MANAGER, delegate=delegate)
        for make in (Roster, ServiceDiscovery, Delegation):
            self.world.host.add_module(make())
        self.juliet: Client = self.world.login(BALCONY)

    def connects(self) -> PluggedLine:
        """Connect the manager; what it is told and asked at first is left aside."""
        line = self.manager.connects()
        line.hears()
        return line


def forwarded(element: Element) -> Element:
    """The stanza inside a delegation."""
    delegation = element.find("delegation", DELEGATION)
    assert delegation is not None, element
    inner = delegation.find("forwarded", FORWARD)
    assert inner is not None
    assert inner.first is not None
    return inner.first


def reply(request: Element, inner: str) -> str:
    """The manager's answer to a delegated request, with a stanza inside."""
    return (
        f"<iq from='{MANAGER}' to='capulet.lit' id='{request.get('id')}' type='result'>"
        f"<delegation xmlns='{DELEGATION}'><forwarded xmlns='{FORWARD}'>{inner}</forwarded></delegation></iq>"
    )


@pytest.fixture
def scene() -> Scene:
    return Scene(PUBSUB, f"{MAM} @node")


def test_the_manager_is_told_what_is_delegated_and_asked_what_it_can(scene: Scene) -> None:
    message, *queries = scene.manager.connects().hears()
    delegation = message.find("delegation", DELEGATION)
    assert (message.get("from"), message.get("to")) == ("capulet.lit", MANAGER)
    assert delegation is not None
    assert [one.get("namespace") for one in delegation.elements()] == [PUBSUB, MAM]
    assert [[a.get("name") for a in one.elements()] for one in delegation.elements()] == [[], ["node"]]
    nodes = [query.first.get("node") for query in queries if query.first is not None]
    assert nodes == [
        f"{DELEGATION}::{PUBSUB}",
        f"{DELEGATION}:bare:{PUBSUB}",
        f"{DELEGATION}::{MAM}",
        f"{DELEGATION}:bare:{MAM}",
    ]


class TestRequests:
    """§4.3."""

    @pytest.mark.parametrize("to", [None, "juliet@capulet.lit", "capulet.lit"])
    def test_a_request_and_its_answer(self, scene: Scene, to: str | None) -> None:
        line = scene.connects()
        address = f" to='{to}'" if to else ""
        scene.juliet.says(f"<iq id='pep1' type='set'{address}>{PUBLISH}</iq>")
        [request] = line.hears()
        assert (request.get("type"), request.get("from"), request.get("to")) == ("set", "capulet.lit", MANAGER)
        inner = forwarded(request)
        assert (inner.ns, inner.get("from"), inner.get("to"), inner.get("id")) == (CLIENT, BALCONY, to, "pep1")
        assert scene.juliet.hears() == []
        line.says(
            reply(request, f"<iq xmlns='{CLIENT}' to='{BALCONY}' id='pep1' type='result'><x xmlns='urn:x'/></iq>")
        )
        [answer] = scene.juliet.hears()
        assert (answer.get("type"), answer.get("id")) == ("result", "pep1")
        assert answer.get("from") == (to or "juliet@capulet.lit")
        assert answer.find("x", "urn:x") is not None

    def test_others_ask_an_account(self, scene: Scene) -> None:
        line = scene.connects()
        romeo = scene.world.remote("montague.lit")
        romeo.says(f"<iq from='romeo@montague.lit/o' to='juliet@capulet.lit' id='1' type='get'>{PUBLISH}</iq>")
        [request] = line.hears()
        assert forwarded(request).get("from") == "romeo@montague.lit/o"
        line.says(reply(request, f"<iq xmlns='{CLIENT}' to='romeo@montague.lit/o' id='1' type='result'/>"))
        assert [answer.get("from") for answer in romeo.hears()] == ["juliet@capulet.lit"]

    def test_errors_inside_are_passed_on(self, scene: Scene) -> None:
        line = scene.connects()
        scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
        error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        line.says(reply(line.hears()[0], f"<iq xmlns='{CLIENT}' to='{BALCONY}' id='1' type='error'>{error}</iq>"))
        assert condition(scene.juliet.hears()[0]) == "forbidden"

    @pytest.mark.parametrize(
        "inner",
        [
            f"<iq xmlns='{CLIENT}' to='romeo@capulet.lit' id='1' type='result'/>",
            f"<iq xmlns='{CLIENT}' id='1' type='result'/>",
            f"<iq xmlns='{CLIENT}' to='{BALCONY}' id='2' type='result'/>",
            f"<iq xmlns='{CLIENT}' to='{BALCONY}' id='1' type='set'/>",
            f"<iq xmlns='{CLIENT}' from='romeo@capulet.lit' to='{BALCONY}' id='1' type='result'/>",
            f"<iq xmlns='{CLIENT}' from='@@' to='{BALCONY}' id='1' type='result'/>",
            f"<message xmlns='{CLIENT}' to='{BALCONY}' id='1' type='result'/>",
            "<x xmlns='urn:x'/>",
            "",
        ],
    )
    def test_an_answer_that_does_not_fit_is_not_believed(self, scene: Scene, inner: str) -> None:
        line = scene.connects()
        scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
        line.says(reply(line.hears()[0], inner))
        assert condition(scene.juliet.hears()[0]) == "service-unavailable"

    def test_what_a_library_writes_in_the_components_namespace(self, scene: Scene) -> None:
        line = scene.connects()
        scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
        ns = "jabber:component:accept"
        line.says(reply(line.hears()[0], f"<iq xmlns='{ns}' to='{BALCONY}' id='1' type='result'/>"))
        assert [answer.get("type") for answer in scene.juliet.hears()] == ["result"]

    def test_an_error_of_the_manager_is_a_service_that_is_unavailable(self, scene: Scene) -> None:
        line = scene.connects()
        scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
        line.says(f"<iq from='{MANAGER}' to='capulet.lit' id='{line.hears()[0].get('id')}' type='error'/>")
        assert condition(scene.juliet.hears()[0]) == "service-unavailable"

    @pytest.mark.parametrize("connected", [True, False])
    def test_a_manager_that_is_away_or_dies(self, scene: Scene, connected: bool) -> None:
        if connected:
            line = scene.connects()
            scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
            line.drops()
        else:
            scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>")
        assert condition(scene.juliet.hears()[0]) == "service-unavailable"

    def test_requests_do_not_wait_for_one_another(self, scene: Scene) -> None:
        scene.connects()
        scene.juliet.says(f"<iq id='1' type='set'>{PUBLISH}</iq>", "<message to='juliet@capulet.lit/balcony'/>")
        assert [element.name for element in scene.juliet.hears()] == ["message"]

    def test_without_the_attribute_nothing_is_delegated(self, scene: Scene) -> None:
        line = scene.connects()
        assert condition(scene.juliet.asks("set", f"<query xmlns='{MAM}'/>")) == "service-unavailable"
        assert line.hears() == []
        scene.juliet.says(f"<iq id='1' type='set'><query xmlns='{MAM}' node='x'/></iq>")
        assert len(line.hears()) == 1

    @pytest.mark.parametrize("to", ["nobody@capulet.lit", "juliet@capulet.lit/balcony", "capulet.lit/x"])
    def test_only_accounts_and_the_host_are_delegated(self, scene: Scene, to: str) -> None:
        line = scene.connects()
        romeo = scene.world.remote("montague.lit")
        romeo.says(f"<iq from='romeo@montague.lit/o' to='{to}' id='1' type='get'>{PUBLISH}</iq>")
        assert line.hears() == []

    def test_what_the_manager_asks_is_not_delegated(self) -> None:
        scene = Scene("jabber:iq:roster")
        line = scene.connects()
        line.says(
            f"<iq from='{MANAGER}' to='juliet@capulet.lit' id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>"
        )
        assert condition(line.hears()[0]) == "forbidden"  # by the roster

    def test_a_namespace_with_a_handler_of_its_own_is_delegated_all_the_same(self) -> None:
        scene = Scene("jabber:iq:roster")
        line = scene.connects()
        scene.juliet.says("<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>")
        assert forwarded(line.hears()[0]).get("id") == "1"


class TestDisco:
    """§7.2."""

    def test_what_the_manager_says_takes_the_place_of_what_the_host_does(self, scene: Scene) -> None:
        scene.world.host.hooks.server_disco.handlers.insert(
            0, lambda disco: disco.features.update({PUBSUB, f"{PUBSUB}#auto-create"})
        )
        before = scene.world.module(ServiceDiscovery).version()
        assert f"{PUBSUB}#auto-create" in self.features(scene, "capulet.lit")
        changes: list[str] = []
        scene.world.host.hooks.disco_changed.add(changes.append)
        line = scene.manager.connects()
        self.tell(line, f"{DELEGATION}::{PUBSUB}", f"<feature var='{PUBSUB}'/><feature var='{PUBSUB}#publish'/>")
        features = self.features(scene, "capulet.lit")
        assert {PUBSUB, f"{PUBSUB}#publish", DELEGATION} <= features
        assert f"{PUBSUB}#auto-create" not in features
        assert changes == ["capulet.lit"]
        assert scene.world.module(ServiceDiscovery).version() != before

    def test_accounts_have_what_it_says_of_accounts(self, scene: Scene) -> None:
        line = scene.manager.connects()
        field = "<field var='FORM_TYPE' type='hidden'><value>urn:f</value></field>"
        form = f"<x xmlns='jabber:x:data' type='result'>{field}</x>"
        self.tell(line, f"{DELEGATION}:bare:{PUBSUB}", f"<identity category='pubsub' type='pep'/>{form}")
        answer = scene.juliet.asks("get", f"<query xmlns='{DISCO_INFO}'/>", "juliet@capulet.lit")
        query = answer.first
        assert query is not None
        assert ("pubsub", "pep") in {
            (one.get("category"), one.get("type")) for one in query.findall("identity", DISCO_INFO)
        }
        assert query.find("x", "jabber:x:data") is not None
        assert "pep" not in str(self.features(scene, "capulet.lit"))

    def test_a_manager_that_says_nothing_changes_nothing(self, scene: Scene) -> None:
        before = self.features(scene, "capulet.lit")
        line = scene.manager.connects()
        for query in line.hears()[1:]:
            line.says(f"<iq from='{MANAGER}' to='capulet.lit' id='{query.get('id')}' type='error'/>")
        assert self.features(scene, "capulet.lit") == before

    def test_unknown_nodes_and_items_of_accounts(self) -> None:
        scene = Scene(f"{DELEGATION}:bare:disco#info:*", f"{DELEGATION}:bare:disco#items:*")
        line = scene.manager.connects()
        assert [one.name for one in line.hears()] == ["message"]  # nothing is asked of these
        items = "http://jabber.org/protocol/disco#items"
        to = "to='juliet@capulet.lit' type='get'"
        scene.juliet.says(
            f"<iq id='1' {to}><query xmlns='{DISCO_INFO}' node='urn:xmpp:microblog:0'/></iq>",
            f"<iq id='2' {to}><query xmlns='{items}'/></iq>",
            f"<iq id='3' {to}><query xmlns='{items}' node='urn:xmpp:microblog:0'/></iq>",
            f"<iq id='4' {to}><query xmlns='{DISCO_INFO}'/></iq>",
        )
        assert [forwarded(one).get("id") for one in line.hears()] == ["1", "2", "3"]
        assert [one.get("id") for one in scene.juliet.hears()] == ["4"]

    @staticmethod
    def features(scene: Scene, to: str) -> set[str | None]:
        answer = scene.juliet.asks("get", f"<query xmlns='{DISCO_INFO}'/>", to)
        assert answer.first is not None
        return {feature.get("var") for feature in answer.first.findall("feature", DISCO_INFO)}

    @staticmethod
    def tell(line: PluggedLine, node: str, content: str) -> None:
        """Let the manager answer one of the questions that it is asked at first."""
        [query] = [one for one in line.hears() if one.first is not None and one.first.get("node") == node]
        line.says(
            f"<iq from='{MANAGER}' to='capulet.lit' id='{query.get('id')}' type='result'>"
            f"<query xmlns='{DISCO_INFO}' node='{node}'>{content}</query></iq>"
        )
