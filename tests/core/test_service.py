"""A domain beside a host's own: who answers there, and how errors look."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM, condition
from tests.world import World
from xmpp_server.core.hooks import Disco, Wait
from xmpp_server.core.iq import IqRequest, To
from xmpp_server.core.service import Service
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.iq import IqType
from xmpp_server.storage.api import StorageBusyError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DISCO_INFO
from xmpp_server.xml.stanza import Stanza

DOMAIN = "nodes.example.org"
ROMEO = "romeo@example.org/orchard"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=IM)


@pytest.fixture
def service(world: World) -> Service:
    return Service(world.host, DOMAIN, "Nodes")


async def later(error: Exception | None = None) -> Element | None:
    if error is not None:
        raise error
    return Element("answer", "urn:x")


def test_requests_find_their_handlers(world: World, service: Service) -> None:
    service.on_iq(IqType.GET, To.SERVER, "urn:x here", lambda request: Element("domain", "urn:x"))
    service.on_iq(IqType.GET, To.ACCOUNT, "urn:x here", lambda request: Element("node", "urn:x"))
    romeo = world.login(ROMEO)
    for to, name in ((DOMAIN, "domain"), (f"one@{DOMAIN}", "node")):
        answer = romeo.asks("get", "<here xmlns='urn:x'/>", to)
        assert answer.get("from") == to
        assert answer.first == Element(name, "urn:x")
    assert condition(romeo.asks("set", "<here xmlns='urn:x'/>", DOMAIN)) == "service-unavailable"
    assert condition(romeo.asks("get", "<here xmlns='urn:x'/>", f"one@{DOMAIN}/two")) == "service-unavailable"
    assert romeo.asks("get", "<ping xmlns='urn:xmpp:ping'/>", DOMAIN).get("type") == "result"


def test_answers_may_take_their_time(world: World, service: Service) -> None:
    service.on_iq(IqType.GET, To.SERVER, "urn:x here", lambda request: later())
    answer = world.login(ROMEO).asks("get", "<here xmlns='urn:x'/>", DOMAIN)
    assert answer.first == Element("answer", "urn:x")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StanzaError(Condition.CONFLICT), "conflict"),
        (StorageBusyError("locked"), "resource-constraint"),
        (RuntimeError("bug"), "internal-server-error"),
    ],
)
def test_errors(world: World, service: Service, error: Exception, reason: str) -> None:
    def fail(request: IqRequest) -> Element:
        raise error

    service.on_iq(IqType.GET, To.ACCOUNT, "urn:x now", fail)
    service.on_iq(IqType.GET, To.ACCOUNT, "urn:x later", lambda request: later(error))
    romeo = world.login(ROMEO)
    if not isinstance(error, StorageBusyError):
        assert condition(romeo.asks("get", "<now xmlns='urn:x'/>", f"one@{DOMAIN}")) == reason
    assert condition(romeo.asks("get", "<later xmlns='urn:x'/>", f"one@{DOMAIN}")) == reason


def test_an_error_says_who_refused(world: World, service: Service) -> None:
    def fail(stanza: Stanza, to: JID) -> Wait:
        raise StanzaError(Condition.NOT_ACCEPTABLE)

    service.message = fail
    romeo = world.login(ROMEO)
    romeo.says(f"<message to='one@{DOMAIN}/two'/>", f"<message to='one@{DOMAIN}/two' type='error'/>")
    [answer] = romeo.hears()
    error = answer.find("error", CLIENT)
    assert error is not None
    assert (answer.get("from"), error.get("by")) == (f"one@{DOMAIN}/two", f"one@{DOMAIN}")


def test_what_nobody_takes(world: World, service: Service) -> None:
    romeo = world.login(ROMEO)
    romeo.says(f"<presence to='{DOMAIN}'/>", f"<iq type='result' id='x' to='{DOMAIN}'/>")
    assert not romeo.hears()
    romeo.says(f"<message to='{DOMAIN}'/>")
    assert condition(romeo.hears()[0]) == "service-unavailable"


def test_what_comes_right_behind_the_answer(world: World, service: Service) -> None:
    romeo = world.login(ROMEO)

    def handle(request: IqRequest) -> None:
        service.after_answer(lambda: service.send(Stanza.build(Element("message", CLIENT), service.jid, romeo.jid)))

    service.on_iq(IqType.SET, To.SERVER, "urn:x do", handle)
    romeo.says(f"<iq type='set' id='1' to='{DOMAIN}'><do xmlns='urn:x'/></iq>")
    assert [one.name for one in romeo.hears()] == ["iq", "message"]


def test_discovery(world: World, service: Service) -> None:
    service.disco.add(lambda disco: disco.identities.append(("pubsub", "service", "Nodes")))
    answer = world.login(ROMEO).asks("get", f"<query xmlns='{DISCO_INFO}'/>", DOMAIN)
    query = answer.first
    assert query is not None
    assert [one.get("category") for one in query.findall("identity", DISCO_INFO)] == ["pubsub"]
    disco = world.host.hooks.server_disco.gather(Disco(world.host.jid, None, "", None))
    assert disco.items == [(DOMAIN, "", "Nodes")]


def test_sessions_are_found_on_all_hosts() -> None:
    world = World("example.org", "example.net")
    service = Service(world.host, DOMAIN, "Nodes")
    for jid in (ROMEO, "juliet@example.net/balcony"):
        assert service.find_session(JID.parse(jid)) is None
        client = world.login(jid)
        assert service.find_session(JID.parse(jid)) is client.session
    for jid in (DOMAIN, "romeo@example.org/other", "x@elsewhere.example/y", "example.org"):
        assert service.find_session(JID.parse(jid)) is None
