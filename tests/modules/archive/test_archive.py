"""The server's side of the archive: what is handed over and when, the spool, who may ask."""

from __future__ import annotations

import pytest

from tests.modules.archive.conftest import ASK, DOMAIN, RESULT, ROMEO, Scene, bodies, people, said
from tests.modules.conftest import condition
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.archive.protocol import ARCHIVE
from xmpp_server.modules.archive.spool import KIND
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, MAM


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
