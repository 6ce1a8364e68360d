"""The way of a stanza through a host: addresses, IQs, errors at one place."""

import pytest

from tests.world import Client, World
from xmpp_server.core.hooks import Wait
from xmpp_server.core.host import Host
from xmpp_server.core.module import Access, IqRequest, IqType, Module, Order, Outbound, To
from xmpp_server.errors import Condition, StanzaError, StreamCondition
from xmpp_server.im.delivery import Delivery
from xmpp_server.jid import JID
from xmpp_server.storage.api import StorageError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

NS = "urn:example:probe"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class Probe(Module):
    """Handlers that do all that handlers can do."""

    name = "probe"

    def register(self, host: Host) -> None:
        self.host = host
        for whom in To:
            host.on_iq(IqType.GET, whom, f"{NS} echo", self.echo)
            host.on_iq(IqType.GET, whom, f"{NS} later", self.later)
            host.on_iq(IqType.GET, whom, f"{NS} empty", lambda request: None)
            host.on_iq(IqType.GET, whom, f"{NS} refuse", self.refuse)
            host.on_iq(IqType.GET, whom, f"{NS} fail", self.fail)
            host.on_iq(IqType.GET, whom, f"{NS} fail-later", self.fail_later)
        host.on_iq(IqType.GET, To.ACCOUNT, f"{NS} open", self.open, Access.ANYONE)
        host.hooks.message_out.add(self.break_message, Order.POLICY)

    def echo(self, request: IqRequest) -> Element:
        return Element("echo", NS, text=request.to)

    async def later(self, request: IqRequest) -> Element:
        return self.echo(request)

    def refuse(self, request: IqRequest) -> None:
        raise StanzaError(Condition.NOT_ALLOWED, "Not you")

    def fail(self, request: IqRequest) -> None:
        raise RuntimeError("a bug")

    async def fail_later(self, request: IqRequest) -> None:
        raise RuntimeError("a bug")

    def open(self, request: IqRequest) -> Element:
        return Element("open", NS, text="yes" if request.account else "no")

    def break_message(self, event: Outbound) -> None:
        if event.stanza.id == "break":
            raise RuntimeError("a bug")


@pytest.fixture
def world() -> World:
    return World(modules=(Delivery, Probe))


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login("romeo@example.org/home")


def condition(element: Element) -> str:
    error = element.find("error", "jabber:client")
    assert error is not None
    return next(child.name for child in error.elements() if child.ns == STANZAS)


@pytest.mark.parametrize(
    ("to", "addressee"),
    [(None, "romeo@example.org"), ("romeo@example.org", "romeo@example.org"), ("example.org", "example.org")],
)
@pytest.mark.parametrize("name", ["echo", "later"])
def test_handlers_answer_for_the_server_and_for_ones_account(
    romeo: Client, to: str | None, addressee: str, name: str
) -> None:
    answer = romeo.asks("get", f"<{name} xmlns='{NS}'/>", to)
    assert answer.get("type") == "result"
    assert answer.get("from") == addressee
    assert answer.first.text == addressee


def test_an_empty_result(romeo: Client) -> None:
    answer = romeo.asks("get", f"<empty xmlns='{NS}'/>")
    assert answer.get("type") == "result"
    assert answer.first is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refuse", "not-allowed"),
        ("fail", "internal-server-error"),
        ("fail-later", "internal-server-error"),
        ("unknown", "service-unavailable"),
    ],
)
def test_what_a_handler_raises_becomes_an_error(romeo: Client, name: str, expected: str) -> None:
    answer = romeo.asks("get", f"<{name} xmlns='{NS}'/>", "example.org")
    assert answer.get("type") == "error"
    assert condition(answer) == expected
    assert "bug" not in answer.text
    assert romeo.asks("get", f"<empty xmlns='{NS}'/>").get("type") == "result"  # the stream lives


def test_a_hook_that_fails_is_an_error_for_that_stanza_only(romeo: Client) -> None:
    romeo.says("<message to='juliet@example.org' id='break'/>")
    [error] = romeo.hears()
    assert condition(error) == "internal-server-error"


def test_another_account_is_asked_only_what_anybody_may_ask(world: World, romeo: Client) -> None:
    world.create("juliet@example.org")
    assert condition(romeo.asks("get", f"<echo xmlns='{NS}'/>", "juliet@example.org")) == "service-unavailable"
    assert condition(romeo.asks("get", f"<echo xmlns='{NS}'/>", "nobody@example.org")) == "service-unavailable"
    assert romeo.asks("get", f"<open xmlns='{NS}'/>", "juliet@example.org").first.text == "yes"
    assert romeo.asks("get", f"<open xmlns='{NS}'/>", "nobody@example.org").first.text == "no"


@pytest.mark.parametrize(
    "iq",
    [
        "<iq type='get'><query xmlns='urn:x'/></iq>",
        "<iq type='get' id=''><query xmlns='urn:x'/></iq>",
        "<iq type='ask' id='i'><query xmlns='urn:x'/></iq>",
        "<iq id='i'><query xmlns='urn:x'/></iq>",
        "<iq type='get' id='i'/>",
        "<iq type='set' id='i'><query xmlns='urn:x'/><query xmlns='urn:x'/></iq>",
    ],
)
def test_malformed_iqs(romeo: Client, iq: str) -> None:
    romeo.says(iq)
    [error] = romeo.hears()
    assert condition(error) == "bad-request"


@pytest.mark.parametrize("to", ["@example.org", "a@b@c", "romeo@", "", "x@" + "a" * 1100])
@pytest.mark.parametrize("name", ["message", "iq", "presence"])
def test_malformed_addresses(romeo: Client, to: str, name: str) -> None:
    romeo.says(f"<{name} to='{to}' id='i' type='get'><query xmlns='urn:x'/></{name}>")
    [error] = romeo.hears()
    assert condition(error) == "jid-malformed"


@pytest.mark.parametrize("claimed", ["juliet@example.org/balcony", "romeo@example.org/elsewhere", "not a jid@"])
def test_a_forged_from_ends_the_stream(romeo: Client, claimed: str) -> None:
    romeo.says(f"<message from='{claimed}' to='juliet@example.org'/>")
    assert romeo.error is not None
    assert romeo.error.condition is StreamCondition.INVALID_FROM


@pytest.mark.parametrize("claimed", ["romeo@example.org/home", "romeo@example.org", "ROMEO@Example.org"])
def test_ones_own_from_is_replaced_by_the_full_jid(world: World, romeo: Client, claimed: str) -> None:
    juliet = world.login("juliet@example.org/balcony")
    romeo.says(f"<message from='{claimed}' to='juliet@example.org/balcony'/>")
    [message] = juliet.hears()
    assert message.get("from") == "romeo@example.org/home"


def test_the_language_of_the_stream_is_written_into_stanzas_without_one(world: World) -> None:
    romeo = world.login("romeo@example.org/home", lang="it")
    juliet = world.login("juliet@example.org/balcony")
    romeo.says(
        "<message to='juliet@example.org/balcony'/>",
        "<message to='juliet@example.org/balcony' xml:lang='fr'/>",
    )
    assert [message.get("xml:lang") for message in juliet.hears()] == ["it", "fr"]


def test_a_domain_nobody_serves(romeo: Client) -> None:
    romeo.says("<message to='x@elsewhere.example' id='i'/>", "<message to='x@elsewhere.example' type='error'/>")
    [error] = romeo.hears()
    assert condition(error) == "remote-server-not-found"


def test_two_hosts_do_not_share_accounts(world: World) -> None:
    two = World("example.org", "example.net", modules=(Delivery,))
    romeo = two.login("romeo@example.org/home")
    other = two.login("romeo@example.net/home")
    romeo.says("<message to='romeo@example.net/home' id='m'/>")
    assert [message.get("id") for message in other.hears()] == ["m"]
    assert romeo.hears() == []


def test_a_thousand_messages_arrive_in_order(world: World, romeo: Client) -> None:
    juliet = world.login("juliet@example.org/balcony")
    romeo.says(*[f"<message to='juliet@example.org/balcony' id='{n}'/>" for n in range(1000)])
    assert [message.get("id") for message in juliet.hears()] == [str(n) for n in range(1000)]


def test_a_module_that_is_needed_must_be_there() -> None:
    class Needy(Probe):
        needs = (Probe,)

    with pytest.raises(LookupError, match="needs probe"):
        World(modules=(Needy,))


def test_the_server_asks_and_takes_only_the_right_answer(world: World, romeo: Client) -> None:
    replies: list[object] = []
    world.host.iqs.ask(romeo.session, world.host.jid, IqType.GET, Element("q", NS), replies.append, 10)
    [question] = romeo.hears()
    ident = question.get("id")
    world.login("juliet@example.org/balcony").says(f"<iq type='result' to='example.org' id='{ident}'/>")
    romeo.says("<iq type='result' to='example.org' id='other'/>")
    assert replies == []
    romeo.says(f"<iq type='result' to='example.org' id='{ident}'/>")
    assert len(replies) == 1
    world.host.iqs.ask(romeo.session, world.host.jid, IqType.GET, Element("q", NS), replies.append, 10)
    world.passes(11)
    assert replies[1] is None


async def test_an_answer_that_cannot_be_delivered_either_ends_nothing(romeo: Client) -> None:
    """The store fails under a stanza, and then under the error for its sender, who is elsewhere by now."""
    router = romeo.world.router

    async def fails() -> None:
        raise StorageError("no store")

    class Failing:
        def route(self, stanza: Stanza) -> Wait:
            return fails()

    router.routes["elsewhere.example"] = Failing()
    stanza = Stanza.build(
        Element("message", CLIENT, {"id": "m"}), JID.parse("a@elsewhere.example"), JID.parse("b@example.org")
    )
    await router.guard(stanza, fails())
