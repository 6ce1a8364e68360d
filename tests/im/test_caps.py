"""XEP-0115: who is asked, when, and what is believed."""

import pytest

from tests.world import Client, World
from xmpp_server.im.caps import CACHE, CACHED_BYTES, QUESTIONS, TIMEOUT_S, Caps, CapsChange
from xmpp_server.im.caps_hash import Capabilities
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CAPS, DISCO_INFO

VER = "QgayPKawpkPSDYmwT/WM94uAlu0="
EXODUS = (
    "<identity category='client' name='Exodus 0.9.1' type='pc'/>"
    "<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>"
)
MUC = "http://jabber.org/protocol/muc"


@pytest.fixture
def world() -> World:
    return World(modules=(Delivery, Roster, Presence, Caps))


@pytest.fixture
def caps(world: World) -> Caps:
    return world.module(Caps)


def presence(ver: str = VER, node: str = "http://exodus.test", hashed: str = "hash='sha-1'", more: str = "") -> str:
    return f"<presence>{more}<c xmlns='{CAPS}' {hashed} node='{node}' ver='{ver}'/></presence>"


def questions(client: Client) -> list[Element]:
    return [element for element in client.hears() if element.name == "iq" and element.get("type") == "get"]


def answer(client: Client, question: Element, content: str = EXODUS) -> None:
    ident = question.get("id")
    client.says(f"<iq type='result' id='{ident}'><query xmlns='{DISCO_INFO}'>{content}</query></iq>")


def test_a_client_is_asked_in_the_name_of_its_account(world: World, caps: Caps) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(presence())
    [question] = questions(romeo)
    assert (question.get("from"), question.get("to")) == ("romeo@example.org", "romeo@example.org/home")
    assert question.first == Element("query", DISCO_INFO, {"node": f"http://exodus.test#{VER}"})
    assert caps.of(romeo.session) is None
    answer(romeo, question)
    found = caps.of(romeo.session)
    assert found is not None
    assert MUC in found
    romeo.says(presence(more="<show>away</show>"))
    assert questions(romeo) == []


def test_who_announces_ever_new_hashes_is_asked_a_few_times(world: World, caps: Caps) -> None:
    """Each open question takes memory until it is answered, or for half a minute."""
    romeo = world.login("romeo@example.org/home")
    for number in range(QUESTIONS):
        romeo.says(presence(ver=f"{number}"))
    asked = questions(romeo)
    assert len(asked) == QUESTIONS
    romeo.says(presence())
    assert questions(romeo) == []
    answer(romeo, asked[0])
    romeo.says(presence(node="http://other.test"))
    [question] = questions(romeo)
    answer(romeo, question)
    assert caps.of(romeo.session) is not None


def test_one_question_for_each_hash(world: World, caps: Caps) -> None:
    clients = [world.login(f"user{number}@example.org/home") for number in range(3)]
    for client in clients:
        client.says(presence(node=f"http://{client.jid.localpart}.test"))
    asked = {client.jid: questions(client) for client in clients}
    assert [len(found) for found in asked.values()] == [1, 0, 0]
    answer(clients[0], asked[clients[0].jid][0])
    assert all(caps.of(client.session) is not None for client in clients)
    late = world.login("late@example.org/home")
    late.says(presence())
    assert questions(late) == []
    assert caps.of(late.session) == caps.of(clients[0].session)


def test_a_wrong_hash_is_believed_of_its_sender_alone(world: World, caps: Caps) -> None:
    liar, honest = world.login("liar@example.org/home"), world.login("honest@example.org/home")
    liar.says(presence())
    honest.says(presence())
    [question] = questions(liar)
    answer(liar, question, "<feature var='urn:evil+notify'/>")
    assert caps.of(liar.session) == Capabilities((), frozenset(["urn:evil+notify"]))
    assert caps.of(honest.session) is None
    [question] = questions(honest)
    answer(honest, question)
    found = caps.of(honest.session)
    assert found is not None
    assert MUC in found
    assert "urn:evil+notify" not in found


@pytest.mark.parametrize("hashed", ["", "hash='md5'", "hash=''"])
def test_without_a_proof_everybody_is_asked(world: World, caps: Caps, hashed: str) -> None:
    for name in ("one", "two"):
        client = world.login(f"{name}@example.org/home")
        client.says(presence(hashed=hashed))
        [question] = questions(client)
        answer(client, question)
        assert caps.of(client.session) is not None
        client.says(presence(hashed=hashed, more="<show>dnd</show>"))
        assert questions(client) == []


def test_who_does_not_answer_is_passed_over(world: World, caps: Caps) -> None:
    deaf, gone, other = (world.login(f"{name}@example.org/home") for name in ("deaf", "gone", "other"))
    for client in (deaf, gone, other):
        client.says(presence())
    gone.leaves()
    assert len(questions(deaf)) == 1
    world.passes(TIMEOUT_S + 1)
    [question] = questions(other)
    other.says(f"<iq type='error' id='{question.get('id')}'><error type='cancel'/></iq>")
    assert caps.of(other.session) is None
    latest = world.login("latest@example.org/home")
    latest.says(presence())
    [question] = questions(latest)
    answer(latest, question)
    assert caps.of(latest.session) is not None


def test_answers_to_what_is_not_announced_any_more_are_dropped(world: World, caps: Caps) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(presence())
    [question] = questions(romeo)
    romeo.says("<presence/>")
    answer(romeo, question)
    assert caps.of(romeo.session) is None
    romeo.says(presence())
    assert questions(romeo) == []  # but the answer was proven
    assert caps.of(romeo.session) is not None


def test_changes_are_told(world: World, caps: Caps) -> None:
    told: list[tuple[bool, bool]] = []

    def note(change: CapsChange) -> None:
        told.append((change.old is not None, change.new is not None))

    caps.changed.add(note)
    romeo = world.login("romeo@example.org/home")
    romeo.says(presence())
    assert told == []
    answer(romeo, questions(romeo)[0])
    romeo.says(presence(), presence(more="<status>http://jabber.org/protocol/caps</status>"))
    assert told == [(False, True)]
    romeo.says("<presence type='unavailable'/>")
    assert told == [(False, True), (True, False)]
    romeo.says(presence())
    romeo.says(presence(ver="b3RoZXI="))
    assert told == [(False, True), (True, False), (False, True), (True, False)]
    romeo.leaves()
    assert len(told) == 4


@pytest.mark.parametrize("broken", ["", "node='n'", "ver='v'", "node='' ver=''"])
def test_incomplete_announcements_are_none(world: World, caps: Caps, broken: str) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(f"<presence><c xmlns='{CAPS}' {broken}/></presence>")
    assert questions(romeo) == []
    assert caps.of(romeo.session) is None


def test_what_is_remembered_is_bounded(world: World, caps: Caps) -> None:
    from xmpp_server.im import caps_hash

    romeo = world.login("romeo@example.org/home")

    def learn(feature: str) -> None:
        content = f"<feature var='{feature}'/>"
        digest = caps_hash.HASHES["sha-1"](f"{feature}<".encode())
        ver = caps_hash.b64encode(digest).decode()
        romeo.says(presence(ver=ver))
        for question in questions(romeo):
            answer(romeo, question, content)
        found = caps.of(romeo.session)
        assert found is not None
        assert feature in found

    learn("x" * CACHED_BYTES)
    for number in range(CACHE + 10):
        learn(f"f{number}")
    assert len(caps._known) == CACHE


def test_a_session_of_before_the_restart_is_asked_when_it_is_back(world: World, caps: Caps) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(presence())
    romeo.hears()
    romeo.session.state.clear()
    world.module(Caps)._waiting.clear()
    romeo.session.host.hooks.session_resumed.fire(romeo.session)
    [question] = questions(romeo)
    answer(romeo, question)
    assert caps.of(romeo.session) is not None
    romeo.session.host.hooks.session_resumed.fire(romeo.session)
    assert questions(romeo) == []
