"""RFC 6121 §8.5: the delivery table, row by row."""

import pytest

from tests.world import Client, World
from xmpp_server.core.hooks import Inbound
from xmpp_server.im.delivery import Delivery, Fate, fate, message_type
from xmpp_server.im.offline import Offline
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

# RFC 6121 §8.5.4, in its order: normal, chat, groupchat, headline; then what is said of errors (§8.5.2, §8.5.3).
DELIVER, ALL, STORE, REFUSE, SILENT = Fate.DELIVER, Fate.ALL, Fate.STORE, Fate.REFUSE, Fate.SILENT
TYPES = ("normal", "chat", "groupchat", "headline", "error")
TABLE = [
    ("no resource", "bare", (STORE, STORE, REFUSE, SILENT, SILENT)),
    ("no resource", "no match", (REFUSE, STORE, REFUSE, SILENT, SILENT)),
    ("negative", "bare", (STORE, STORE, REFUSE, SILENT, SILENT)),
    ("negative", "match", (DELIVER, DELIVER, DELIVER, DELIVER, DELIVER)),
    ("negative", "no match", (REFUSE, STORE, REFUSE, SILENT, SILENT)),
    ("one", "bare", (ALL, ALL, REFUSE, ALL, SILENT)),
    ("one", "match", (DELIVER, DELIVER, DELIVER, DELIVER, DELIVER)),
    ("one", "no match", (REFUSE, ALL, REFUSE, SILENT, SILENT)),
    ("two", "bare", (ALL, ALL, REFUSE, ALL, SILENT)),
    ("two", "match", (DELIVER, DELIVER, DELIVER, DELIVER, DELIVER)),
    ("two", "no match", (REFUSE, ALL, REFUSE, SILENT, SILENT)),
]
ADDRESSES = {
    "bare": "juliet@example.org",
    "match": "juliet@example.org/balcony",
    "no match": "juliet@example.org/gone",
}
PRIORITIES = {"no resource": [], "negative": [-1], "one": [0], "two": [0, 5]}


@pytest.fixture
def world() -> World:
    return World(modules=(Delivery, Offline))


def available(world: World, jid: str, priority: int) -> Client:
    client = world.login(jid)
    element = Element("presence", CLIENT)
    client.session.set_presence(Stanza.build(element, client.jid, None), priority)
    return client


@pytest.mark.parametrize(("resources", "address", "row"), TABLE)
def test_fate(world: World, resources: str, address: str, row: tuple[Fate, ...]) -> None:
    names = ["balcony", "chamber"]
    world.create("juliet@example.org")
    for name, priority in zip(names, PRIORITIES[resources], strict=False):
        available(world, f"juliet@example.org/{name}", priority)
    account = world.run(world.host.accounts.load(JID.parse("juliet@example.org")))
    assert account is not None
    to = JID.parse(ADDRESSES[address])
    for kind, expected in zip(TYPES, row, strict=True):
        element = Element("message", CLIENT, {"type": kind})
        stanza = Stanza.build(element, JID.parse("romeo@example.org/home"), to)
        assert fate(Inbound(stanza, account, to)) is expected, kind


def test_unknown_types_count_as_normal() -> None:
    assert message_type(None) == "normal"
    assert message_type("shout") == "normal"
    assert message_type("headline") == "headline"


def test_bare_jid_reaches_every_resource_of_non_negative_priority(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    balcony = available(world, "juliet@example.org/balcony", 0)
    chamber = available(world, "juliet@example.org/chamber", 7)
    away = available(world, "juliet@example.org/away", -1)
    unavailable = world.login("juliet@example.org/silent")
    romeo.says("<message to='juliet@example.org' type='chat' id='m1'><body>hi</body></message>")
    for client in (balcony, chamber):
        [message] = client.hears()
        assert message.get("from") == "romeo@example.org/home"
        assert message.get("to") == "juliet@example.org"
    assert away.hears() == unavailable.hears() == romeo.hears() == []


def test_full_jid_reaches_that_resource_only_even_if_unavailable(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    balcony = available(world, "juliet@example.org/balcony", 0)
    silent = world.login("juliet@example.org/silent")
    romeo.says("<message to='juliet@example.org/silent' type='groupchat'><body>hi</body></message>")
    assert len(silent.hears()) == 1
    assert balcony.hears() == []


def test_groupchat_to_a_bare_jid_is_refused(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    available(world, "juliet@example.org/balcony", 0)
    romeo.says("<message to='juliet@example.org' type='groupchat' id='m'><body>hi</body></message>")
    [error] = romeo.hears()
    assert error.get("type") == "error"
    assert error.find("error", CLIENT).find("service-unavailable", "urn:ietf:params:xml:ns:xmpp-stanzas")


def test_unknown_account_and_unknown_resource_answer_iqs_alike(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    world.create("juliet@example.org")
    answers = []
    for to in ("nobody@example.org", "nobody@example.org/x", "juliet@example.org/x", "juliet@example.org"):
        answer = romeo.asks("get", "<query xmlns='urn:example'/>", to)
        answers.append([child.name for child in answer.find("error", CLIENT).elements()])
    assert answers == [["service-unavailable"]] * 4


def test_an_error_is_never_answered(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(
        "<message to='nobody@example.org' type='error'><body>x</body></message>",
        "<iq to='nobody@example.org/r' type='result' id='i'/>",
        "<iq to='nobody@example.org/r' type='error' id='i'/>",
    )
    assert romeo.hears() == []


def test_iq_between_sessions(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    juliet = world.login("juliet@example.org/balcony")
    romeo.says("<iq to='juliet@example.org/balcony' type='get' id='i'><query xmlns='urn:example'/></iq>")
    [request] = juliet.hears()
    assert request.get("from") == "romeo@example.org/home"
    juliet.says("<iq to='romeo@example.org/home' type='result' id='i'/>")
    [result] = romeo.hears()
    assert (result.get("type"), result.get("from")) == ("result", "juliet@example.org/balcony")


def test_a_message_without_to_reaches_ones_own_account(world: World) -> None:
    home = available(world, "romeo@example.org/home", 0)
    home.says("<message><body>note to self</body></message>")
    assert len(home.hears()) == 1


def test_routing_between_local_users_makes_no_task_and_no_tree(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    juliet = available(world, "juliet@example.org/balcony", 0)
    spawned: list[str] = []
    world.runtime.spawn = lambda coroutine, name: spawned.append(name)  # type: ignore[method-assign]
    text = "<message to='juliet@example.org/balcony' type='chat'><body>hi</body></message>"
    scanner = romeo._scanner
    [stanza] = scanner.feed(text.encode())
    assert isinstance(stanza, Stanza)
    assert romeo.session.receive(stanza) is None
    assert spawned == []
    assert stanza._element is None
    assert juliet.transport.take() == text.replace("<message", "<message from='romeo@example.org/home'").encode()
