"""XEP-0353: Jingle Message Initiation passes the server: to all devices, at once, and to those that come later."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.im.offline import keeping
from xmpp_server.jid import JID
from xmpp_server.modules.carbons import Carbons, eligible
from xmpp_server.modules.csi import ClientState, holding
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CARBONS, CLIENT, CSI, FORWARD
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

NS = "urn:xmpp:jingle-message:0"
ROMEO, JULIET = "romeo@example.org", "juliet@example.org"
STEPS = ("propose", "ringing", "proceed", "accept", "reject", "retract", "finish")
STORE = "<store xmlns='urn:xmpp:hints'/>"


def step(name: str, to: str, kind: str = "chat", hint: str = STORE) -> str:
    """A message of a call; §3: of type chat, with a hint to store it."""
    payload = f"<{name} xmlns='{NS}' id='ca3cf894'/>"
    return f"<message to='{to}' type='{kind}' id='{name}'>{payload}{hint}</message>"


def stamped(xml: str) -> Stanza:
    return Stanza.build(parse(xml.encode()), JID.parse(f"{ROMEO}/orchard"), JID.parse(JULIET))


def calls(client: Client) -> list[tuple[str, str]]:
    """What a client hears of calls: plain, or inside of which copy."""
    return [_call(element) for element in client.hears() if element.name == "message"]


def _call(message: Element) -> tuple[str, str]:
    for direction in ("sent", "received"):
        copy = message.find(direction, CARBONS)
        if copy is not None:
            forwarded = copy.find("forwarded", FORWARD)
            assert forwarded is not None
            inner = forwarded.find("message", CLIENT)
            assert inner is not None
            return direction, _call(inner)[1]
    return "", next(child.name for child in message.elements() if child.ns == NS)


@pytest.fixture
def world() -> World:
    world = World("example.org", modules=(*IM, Carbons, ClientState))
    world.befriend(ROMEO, JULIET)
    return world


def device(world: World, jid: str) -> Client:
    client = world.online(jid)
    client.asks("set", f"<enable xmlns='{CARBONS}'/>")
    return client


@pytest.fixture
def orchard(world: World) -> Client:
    return device(world, f"{ROMEO}/orchard")


@pytest.fixture
def phone(world: World, orchard: Client) -> Client:
    """Juliet's phone, in her pocket."""
    phone = device(world, f"{JULIET}/phone")
    phone.says(f"<inactive xmlns='{CSI}'/>")
    orchard.hears()
    return phone


@pytest.fixture
def balcony(world: World, phone: Client, orchard: Client) -> Client:
    balcony = device(world, f"{JULIET}/balcony")
    for other in (phone, orchard):
        other.hears()
    return balcony


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", ["chat", "normal"])
@pytest.mark.parametrize("hint", [STORE, ""])
def test_each_step_is_kept_copied_and_sent_at_once(name: str, kind: str, hint: str) -> None:
    stanza = stamped(step(name, JULIET, kind, hint))
    assert keeping(stanza)[0]
    assert eligible(stanza)
    assert not holding(stanza)[0]


@pytest.mark.parametrize("name", STEPS)
def test_a_hint_not_to_store_is_obeyed_and_still_nothing_waits(name: str) -> None:
    stanza = stamped(step(name, JULIET, hint="<no-store xmlns='urn:xmpp:hints'/>"))
    assert not keeping(stanza)[0]
    assert not holding(stanza)[0]


@pytest.mark.parametrize("name", STEPS)
def test_all_devices_of_the_callee_get_each_step(orchard: Client, phone: Client, balcony: Client, name: str) -> None:
    orchard.says(step(name, JULIET))
    assert calls(phone) == calls(balcony) == [("", name)]


def test_a_whole_call(world: World, orchard: Client, phone: Client, balcony: Client) -> None:
    home = device(world, f"{ROMEO}/home")
    for client in (orchard, phone, balcony, home):
        client.hears()
    # §3.1: all devices ring, one in a pocket, too; the caller's other device sees it
    orchard.says(step("propose", JULIET))
    assert calls(phone) == calls(balcony) == [("", "propose")]
    assert calls(home) == [("sent", "propose")]
    # §3.2: to the full JID, so that others learn of it by a copy
    balcony.says(step("ringing", str(orchard.jid)))
    assert calls(orchard) == [("", "ringing")]
    assert calls(home) == [("received", "ringing")]
    assert calls(phone) == [("sent", "ringing")]
    balcony.says(step("proceed", str(orchard.jid)))
    assert calls(orchard) == [("", "proceed")]
    assert calls(home) == [("received", "proceed")]
    assert calls(phone) == [("sent", "proceed")]  # it stops ringing
    orchard.says(step("finish", str(balcony.jid)))
    assert calls(balcony) == [("", "finish")]
    assert calls(phone) == [("received", "finish")]
    assert calls(home) == [("sent", "finish")]


@pytest.mark.parametrize("name", ["accept", "reject"])
def test_a_step_to_ones_own_devices(orchard: Client, phone: Client, balcony: Client, name: str) -> None:
    # as versions before 0.4 have it: to the own bare JID
    balcony.says(step(name, JULIET))
    assert calls(phone) == [("", name)]
    assert ("", name) in calls(balcony)
    assert calls(orchard) == []


def test_what_waits_for_a_device_in_a_pocket_comes_before_the_call(orchard: Client, phone: Client) -> None:
    orchard.says("<presence><show>away</show></presence>")
    assert not phone.hears()
    orchard.says(step("propose", JULIET))
    assert [element.name for element in phone.hears()] == ["presence", "message"]


def test_a_missed_call_is_there_later(world: World, orchard: Client) -> None:
    orchard.says(step("propose", JULIET), step("retract", JULIET))
    juliet = world.login(f"{JULIET}/phone")
    assert not calls(juliet)
    juliet.says("<presence/>")
    assert calls(juliet) == [("", "propose"), ("", "retract")]


def test_a_call_reaches_a_device_that_lost_its_connection(world: World, orchard: Client, phone: Client) -> None:
    world.host.sessions.manage(phone.session, resume=True, max_s=None)
    phone.drops()
    orchard.says(step("propose", JULIET))
    phone.resumes()
    assert ("", "propose") in calls(phone)
