"""The server's side of the archive: what is handed over and when, the spool, who may ask."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.modules.conftest import IM, condition
from tests.plugged import Plugged, PluggedLine, plug
from tests.world import Client, World
from xmpp_server.core.module import Module
from xmpp_server.modules.archive import Archive
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.archive.protocol import ARCHIVE
from xmpp_server.modules.archive.spool import KIND
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, MAM
from xmpp_server.xml.parser import parse

DOMAIN = "archive.example.org"
ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"
ASK = f"<iq type='set' id='q' {{to}}><query xmlns='{MAM}' queryid='f27'/></iq>"


class Scene:
    """A world with an archive that answers when the test says so."""

    def __init__(self, config: ArchiveConfig | None = None, more: Sequence[Module] = ()) -> None:
        self.plugged: Plugged | None = None
        self.world = World("example.org")
        self.plugged = plug(self.world, DOMAIN)
        host = self.world.host
        modules = [*(kind() for kind in IM), ServiceDiscovery(), StableIds(), StreamManagementModule()]
        for module in (*modules, *more, Archive(config)):
            host.add_module(module)
        self.line: PluggedLine | None = None

    def connects(self) -> PluggedLine:
        assert self.plugged is not None
        self.line = self.plugged.connects()
        return self.line

    def batches(self, *, settled: bool = True) -> list[list[Element]]:
        """What was handed over since; answered, until nothing more comes."""
        assert self.line is not None
        found = []
        while requests := [one for one in self.line.hears() if one.name == "iq"]:
            for iq in requests:
                store = iq.find("store", ARCHIVE)
                assert store is not None, iq
                found.append(list(store.elements()))
                if settled:
                    self.answers(iq)
            if not settled:
                break
        return found

    def answers(self, iq: Element, inside: str = "", kind: str = "result") -> None:
        assert self.line is not None
        self.line.says(f"<iq type='{kind}' id='{iq.get('id')}' from='{DOMAIN}' to='example.org'>{inside}</iq>")

    def entries(self) -> list[Element]:
        return [entry for batch in self.batches() for entry in batch]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def said(to: str, text: str = "hi", more: str = "") -> str:
    return f"<message to='{to}' type='chat'><body>{text}</body>{more}</message>"


def people(scene: Scene) -> tuple[Client, Client]:
    romeo, juliet = scene.world.online(ROMEO), scene.world.online(JULIET)
    romeo.hears()
    juliet.hears()
    return romeo, juliet


def bodies(entries: list[Element]) -> list[str]:
    found = []
    for entry in entries:
        body = parse(entry.text.encode()).find("body", "jabber:client")
        assert body is not None
        found.append(body.text)
    return found


def test_both_sides_keep_it(scene: Scene) -> None:
    scene.connects().hears()
    romeo, juliet = people(scene)
    romeo.says(said("juliet@example.org", "a &amp; b &lt;c&gt; ]]&gt; é"))
    sent, received = scene.entries()
    assert (sent.get("owner"), sent.get("with")) == ("romeo@example.org", "juliet@example.org")
    assert (received.get("owner"), received.get("with")) == ("juliet@example.org", ROMEO)
    assert bodies([sent, received]) == ["a & b <c> ]]> é"] * 2
    (message,) = juliet.hears()
    stamped = message.find("stanza-id", "urn:xmpp:sid:0")
    assert stamped is not None
    assert stamped.get("id") == received.get("id")
    now_ms = int((received.get("id") or "")[:12], 16)  # the protocol says so
    assert abs(now_ms - scene.world.host.utcnow().timestamp() * 1000) < 1000


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='juliet@example.org' type='headline'><body>a</body></message>",
        "<message to='juliet@example.org' type='error'><body>a</body></message>",
        said("juliet@example.org", more="<no-store xmlns='urn:xmpp:hints'/>"),
        "<message to='juliet@example.org'><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    ],
)
def test_what_is_not_kept(scene: Scene, stanza: str) -> None:
    scene.connects().hears()
    romeo, _ = people(scene)
    romeo.says(stanza)
    assert scene.entries() == []


def test_to_oneself_once(scene: Scene) -> None:
    scene.connects().hears()
    romeo, _ = people(scene)
    romeo.says(said("romeo@example.org"))
    assert len(scene.entries()) == 1


def test_an_acknowledgement_waits_for_the_archive(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, juliet = people(scene)
    romeo.says("<enable xmlns='urn:xmpp:sm:3'/>", said("juliet@example.org"))
    romeo.hears()
    (request,) = line.hears()
    assert juliet.hears()  # the message itself does not wait
    romeo.says("<r xmlns='urn:xmpp:sm:3'/>")
    assert romeo.hears() == []
    scene.answers(request)
    (answer,) = romeo.hears()
    assert (answer.name, answer.get("h")) == ("a", "1")


def store_of(request: Element) -> list[Element]:
    store = request.find("store", ARCHIVE)
    assert store is not None
    return list(store.elements())


def test_what_comes_meanwhile_is_one_batch(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org"))
    (request,) = line.hears()
    romeo.says(*(said("juliet@example.org", str(number)) for number in range(5)))
    assert line.hears() == []
    scene.answers(request)
    (batch,) = scene.batches()
    assert bodies(batch) == [str(number) for number in range(5) for _ in range(2)]


def test_away_and_back(scene: Scene) -> None:
    romeo, _ = people(scene)
    romeo.says("<enable xmlns='urn:xmpp:sm:3'/>")
    for number in range(3):
        romeo.says(said("juliet@example.org", str(number)))
    romeo.hears()
    romeo.says("<r xmlns='urn:xmpp:sm:3'/>")
    assert [one.get("h") for one in romeo.hears()] == ["3"]  # in the spool they are safe
    scene.connects()
    assert bodies(scene.entries()) == ["0", "0", "1", "1", "2", "2"]
    romeo.says(said("juliet@example.org", "live"))
    assert bodies(scene.entries()) == ["live", "live"]
    host = scene.world.host
    assert scene.world.run(host.storage.documents.all(host.jid, KIND)) == {}


def test_the_archive_dies_with_a_batch_in_hands(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org", "first"))
    assert len(line.hears()) == 1
    line.drops()
    romeo.says(said("juliet@example.org", "second"))
    scene.connects()
    assert bodies(scene.entries()) == ["first", "first", "second", "second"]


def test_the_archive_fails_for_a_while(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org"))
    error = "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    (request,) = line.hears()
    scene.answers(request, error, "error")
    (request,) = line.hears()  # from the spool
    scene.answers(request, error, "error")
    assert line.hears() == []
    scene.world.passes(3)
    assert len(scene.entries()) == 2


def test_full() -> None:
    scene = Scene(ArchiveConfig(spool_bytes=1_048_576, when_full="refuse"))
    romeo, _ = people(scene)
    for _ in range(12):
        romeo.says(said("juliet@example.org", "x" * 60_000))
    refused = romeo.hears()
    assert refused
    assert {condition(one) for one in refused} == {"resource-constraint"}


def test_full_and_passing() -> None:
    scene = Scene(ArchiveConfig(spool_bytes=1_048_576))
    romeo, juliet = people(scene)
    for _ in range(12):
        romeo.says(said("juliet@example.org", "x" * 60_000))
    assert romeo.hears() == []
    assert len(juliet.hears()) == 12
    scene.connects()
    assert 15 < len(scene.entries()) < 24


RESULT = (
    f"<answer xmlns='{ARCHIVE}'><result xmlns='{MAM}' queryid='f27' id='1'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/><message xmlns='jabber:client'><body>old</body>"
    f"</message></forwarded></result><fin xmlns='{MAM}' complete='true'/></answer>"
)


@pytest.mark.parametrize("to", ["", "to='romeo@example.org'"])
def test_a_query(scene: Scene, to: str) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(ASK.format(to=to))
    (request,) = line.hears()
    ask = request.find("ask", ARCHIVE)
    assert ask is not None
    assert (ask.get("owner"), ask.get("by"), ask.get("type")) == ("romeo@example.org", ROMEO, "set")
    assert ask.find("query", MAM) is not None
    scene.answers(request, RESULT)
    message, result = romeo.hears()
    assert (message.name, message.get("from"), message.get("to")) == ("message", "romeo@example.org", ROMEO)
    assert message.find("result", MAM) is not None
    assert result.get("type") == "result"
    assert result.find("fin", MAM) is not None
    assert line.hears() == []  # results are not archived


def test_a_query_comes_behind_what_was_said(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org"), ASK.format(to=""))
    (request,) = line.hears()
    assert request.find("store", ARCHIVE) is not None
    scene.answers(request)
    (request,) = line.hears()
    assert request.find("ask", ARCHIVE) is not None


def test_strangers(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(ASK.format(to="to='juliet@example.org'"))
    assert [condition(one) for one in romeo.hears()] == ["service-unavailable"]
    assert line.hears() == []


def test_errors_are_passed_on(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    romeo.says(ASK.format(to=""))
    (request,) = line.hears()
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    scene.answers(request, error, "error")
    assert [condition(one) for one in romeo.hears()] == ["item-not-found"]


def test_nobody_is_there_to_answer(scene: Scene) -> None:
    romeo, _ = people(scene)
    romeo.says(ASK.format(to=""))
    assert [condition(one) for one in romeo.hears()] == ["resource-constraint"]
    line = scene.connects()
    line.hears()
    romeo.says(ASK.format(to=""))
    scene.world.passes(70)
    assert [condition(one) for one in romeo.hears()] == ["resource-constraint"]


def test_who_asks_while_the_archive_starts_gets_what_was_kept_for_it_meanwhile(scene: Scene) -> None:
    component = scene.world.router.components.find(DOMAIN)
    assert component is not None
    component.expect()
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org", "early"), ASK.format(to=""))
    assert romeo.hears() == []
    line = scene.connects()
    (request,) = line.hears()
    assert bodies(store_of(request)) == ["early", "early"]
    romeo.says(said("juliet@example.org", "later"))
    assert line.hears() == []
    scene.answers(request)
    (first, second) = line.hears()
    assert [one.find("ask", ARCHIVE) is None for one in (first, second)].count(False) == 1
    for one in (first, second):
        scene.answers(one, RESULT if one.find("ask", ARCHIVE) is not None else "")
    assert [one.name for one in romeo.hears()] == ["message", "iq"]


def test_the_spool_is_left_behind_while_messages_come(scene: Scene) -> None:
    romeo, _ = people(scene)
    romeo.says(said("juliet@example.org", "kept"))
    line = scene.connects()
    (request,) = line.hears()
    romeo.says(said("juliet@example.org", "new"))
    scene.answers(request)
    host = scene.world.host
    (request,) = line.hears()
    assert scene.world.run(host.storage.documents.all(host.jid, KIND)) == {}  # the new one did not go there
    scene.answers(request)


def test_an_archive_that_was_expected_does_not_come(scene: Scene) -> None:
    component = scene.world.router.components.find(DOMAIN)
    assert component is not None
    component.expect()
    romeo, _ = people(scene)
    romeo.says(ASK.format(to=""))
    assert romeo.hears() == []
    scene.world.passes(70)
    assert [condition(one) for one in romeo.hears()] == ["resource-constraint"]
    line = scene.connects()
    assert line.hears() == []  # nobody waits for it any more


def test_many_at_once(scene: Scene) -> None:
    line = scene.connects()
    line.hears()
    romeo, _ = people(scene)
    for _ in range(25):
        romeo.says(ASK.format(to=""))
    assert [condition(one) for one in romeo.hears()] == ["resource-constraint"] * 5
    for request in line.hears():
        scene.answers(request, RESULT)
    romeo.hears()
    romeo.says(ASK.format(to=""))
    assert len(line.hears()) == 1


def test_disco(scene: Scene) -> None:
    romeo, _ = people(scene)
    romeo.says(f"<iq type='get' id='d' to='romeo@example.org'><query xmlns='{DISCO_INFO}'/></iq>")
    (answer,) = romeo.hears()
    query = answer.find("query", DISCO_INFO)
    assert query is not None
    features = {one.get("var") for one in query.findall("feature", DISCO_INFO)}
    assert {MAM, f"{MAM}#extended", "urn:xmpp:sid:0"} <= features
    assert {"urn:xmpp:message-retract:1", "urn:xmpp:message-retract:1#tombstone"} <= features


ROOM = "coven@chat.example.org"
ENTRY = "<x xmlns='http://jabber.org/protocol/muc'/>"
INSTANT = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"


@pytest.fixture
def coven() -> Scene:
    scene = Scene(more=[Muc(MucConfig(domain="chat.example.org"))])
    line = scene.connects()
    romeo, _ = people(scene)
    romeo.says(f"<presence to='{ROOM}/romeo'>{ENTRY}</presence>", f"<iq type='set' id='o' to='{ROOM}'>{INSTANT}</iq>")
    romeo.hears()
    line.hears()
    return scene


def test_rooms(coven: Scene) -> None:
    romeo, line = coven.world.clients[ROMEO], coven.line
    assert line is not None
    romeo.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil &amp; bubble</body></message>")
    (entry,) = coven.entries()
    assert (entry.get("owner"), entry.get("with"), entry.get("room")) == (ROOM, f"{ROOM}/romeo", "true")
    (heard,) = romeo.hears()
    kept = parse((entry.text or "").encode())
    assert (kept.get("from"), kept.get("type"), kept.get("id")) == (f"{ROOM}/romeo", "groupchat", "m")
    for message in (heard, kept):
        stamped = message.find("stanza-id", "urn:xmpp:sid:0")
        assert stamped is not None
        assert (stamped.get("by"), stamped.get("id")) == (ROOM, entry.get("id"))
    juliet = coven.world.clients[JULIET]
    juliet.says(ASK.format(to=f"to='{ROOM}'"))
    (request,) = line.hears()
    ask = request.find("ask", ARCHIVE)
    assert ask is not None
    assert (ask.get("owner"), ask.get("room")) == (ROOM, "true")
    coven.answers(request, RESULT)
    message, result = juliet.hears()
    assert (message.get("from"), result.get("from")) == (ROOM, ROOM)


def test_what_moderators_retract_is_told_to_the_archive(coven: Scene) -> None:
    romeo = coven.world.clients[ROMEO]
    romeo.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil</body></message>")
    (entry,) = coven.entries()
    romeo.hears()
    inside = "<retract xmlns='urn:xmpp:message-retract:1'/><reason>no cooking</reason>"
    moderate = f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{entry.get('id')}'>{inside}</moderate>"
    romeo.says(f"<iq type='set' id='x' to='{ROOM}'>{moderate}</iq>")
    (retraction,) = coven.entries()
    assert (retraction.get("owner"), retraction.get("with"), retraction.get("room")) == (ROOM, ROOM, "true")
    kept = parse((retraction.text or "").encode())
    assert (kept.get("from"), kept.get("type")) == (ROOM, "groupchat")
    retract = kept.find("retract", "urn:xmpp:message-retract:1")
    stamped = kept.find("stanza-id", "urn:xmpp:sid:0")
    assert retract is not None
    assert stamped is not None
    assert (retract.get("id"), stamped.get("id")) == (entry.get("id"), retraction.get("id"))
    heard = next(one for one in romeo.hears() if one.name == "message")
    assert heard.find("stanza-id", "urn:xmpp:sid:0") is not None


def test_closed_rooms_and_no_rooms(coven: Scene) -> None:
    juliet = coven.world.clients[JULIET]
    room = coven.world.module(Muc).rooms.get("coven")
    assert room is not None
    room.room.config = type(room.room.config)(members_only=True)
    juliet.says(ASK.format(to=f"to='{ROOM}'"))
    assert [condition(one) for one in juliet.hears()] == ["forbidden"]
    juliet.says(ASK.format(to="to='nowhere@chat.example.org'"))
    assert [condition(one) for one in juliet.hears()] == ["item-not-found"]


def test_a_destroyed_room_is_erased(coven: Scene) -> None:
    romeo = coven.world.clients[ROMEO]
    destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
    romeo.says(f"<iq type='set' id='d' to='{ROOM}'>{destroy}</iq>")
    assert [(one.name, one.get("owner")) for one in coven.entries()] == [("erase", ROOM)]
