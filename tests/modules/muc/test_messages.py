"""XEP-0045 §7.4, §7.5, §8.1, §7.2.13: messages to all, to one, the subject, the history."""

from __future__ import annotations

from html import unescape

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, WICCA, Coven, make_world
from tests.world import Client
from xmpp_server.modules.muc import MucConfig
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELAY, MUC_USER, OCCUPANT_ID, SID


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded()
    coven.enters(WICCA, "secondwitch")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def say(client: Client, body: str, to: str = ROOM, rest: str = "") -> None:
    client.says(f"<message to='{to}' type='groupchat' id='hysf1v37'>{body and f'<body>{body}</body>'}{rest}</message>")


def bodies(heard: list[Element]) -> list[str]:
    return [body.text for one in heard if (body := one.find("body", CLIENT)) is not None]


def test_everybody_hears_it(coven: Coven, hag: Client) -> None:
    # §7.4, with the id reflected (#stable_id), XEP-0359, XEP-0421
    say(hag, "Harpier cries")
    ids = set()
    for jid in (CRONE, WICCA, HAG):
        [message] = coven.client(jid).hears()
        assert (message.get("from"), message.get("id"), message.get("to")) == (f"{ROOM}/thirdwitch", "hysf1v37", jid)
        stanza_id = message.find("stanza-id", SID)
        occupant_id = message.find("occupant-id", OCCUPANT_ID)
        assert stanza_id is not None
        assert occupant_id is not None
        assert stanza_id.get("by") == ROOM
        ids.add((stanza_id.get("id"), occupant_id.get("id")))
    assert len(ids) == 1


def test_forged_payloads_are_removed(coven: Coven, hag: Client) -> None:
    say(
        hag,
        "hi",
        rest=f"<stanza-id xmlns='{SID}' by='{ROOM}' id='1'/><stanza-id xmlns='{SID}' by='{ROOM}' id='2'/>"
        f"<stanza-id xmlns='{SID}' by='other@example.org' id='3'/><occupant-id xmlns='{OCCUPANT_ID}' id='4'/>"
        f"<x xmlns='{MUC_USER}'><status code='110'/></x><delay xmlns='{DELAY}' from='{ROOM}' stamp='x'/>",
    )
    [message] = coven.client(CRONE).hears()
    assert [(child.name, child.get("by")) for child in message.elements() if child.name == "stanza-id"] == [
        ("stanza-id", "other@example.org"),
        ("stanza-id", ROOM),
    ]
    assert [child.name for child in message.elements()].count("occupant-id") == 1
    assert message.find("x", MUC_USER) is None
    assert message.find("delay", DELAY) is None


def test_the_type_of_a_private_message_writes_no_stanza(coven: Coven, hag: Client) -> None:
    # RFC 6121 §5.2.2: an unknown type is normal; as text it could end the start tag, and begin another stanza
    kind = f"x' from='{ROOM}'>&lt;body>pay&lt;/body>&lt;/message>&lt;message from='boss@example.org' type='"
    hag.says(f'<message to="{ROOM}/firstwitch" type="{kind}"><body>hi</body></message>')
    [message] = coven.client(CRONE).hears()
    assert (message.get("from"), bodies([message])) == (f"{ROOM}/thirdwitch", ["hi"])
    assert message.get("type") == unescape(kind)


@pytest.mark.parametrize("by", [ROOM, ROOM.upper(), f"{ROOM}.", f"&#99;{ROOM[1:]}", "", "@"])
def test_ids_and_delays_of_the_room_are_forged_in_no_spelling(coven: Coven, hag: Client, by: str) -> None:
    say(hag, "hi", rest=f"<stanza-id xmlns='{SID}' by='{by}' id='1'/><delay xmlns='{DELAY}' from='{by}' stamp='x'/>")
    [message] = coven.client(CRONE).hears()
    assert [one.get("by") for one in message.findall("stanza-id", SID)] == [ROOM]
    assert message.find("delay", DELAY) is None


def test_the_history_has_an_end_in_bytes(coven: Coven, hag: Client) -> None:
    for _ in range(20):
        say(hag, "x" * 60_000)
        coven.quiet()
    history = coven.open().room.history
    assert 400_000 < sum(len(line.head) + len(line.tail) for line in history) <= 524_288
    say(hag, "short")
    assert bodies(coven.enters("late@example.org/x", "late").hears())[-1] == "short"


def test_long_ids_are_not_remembered(coven: Coven, hag: Client) -> None:
    ident = "x" * 50_000
    hag.says(f"<message to='{ROOM}/firstwitch' type='chat' id='{ident}'><body>hi</body></message>")
    [message] = coven.client(CRONE).hears()
    assert message.get("id") == ident
    hag.says(f"<iq to='{ROOM}/firstwitch' type='get' id='{ident}'><query xmlns='jabber:iq:version'/></iq>")
    [answer] = hag.hears()
    assert condition(answer) == "policy-violation"
    assert not coven.open().whispers
    assert not coven.open().relayed


def test_nothing_grows_by_what_is_removed_from_it(coven: Coven, hag: Client) -> None:
    say(hag, "hi", rest=f"<x xmlns='{MUC_USER}'/><y xmlns:p='urn:{'n' * 200}'>{'<p:a/>' * 2000}</y>")
    assert condition(hag.hears()[0]) == "policy-violation"
    assert not coven.client(CRONE).hears()


def test_language_and_extensions_pass(coven: Coven, hag: Client) -> None:
    hag.says(
        f"<message to='{ROOM}' type='groupchat' xml:lang='cy'><body>S'mae</body>"
        "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>x</body></html>"
        "</message>"
    )
    [message] = coven.client(CRONE).hears()
    assert message.get("xml:lang") == "cy"
    assert message.get("id")
    assert message.find("html", "http://jabber.org/protocol/xhtml-im") is not None


def test_who_may_not_speak(coven: Coven, hag: Client) -> None:
    # §7.4
    stranger = coven.client("stranger@example.org/x")
    say(stranger, "hello?")
    assert condition(stranger.hears()[0]) == "not-acceptable"
    say(stranger, "hello?", to=f"nowhere@{SERVICE}")
    assert condition(stranger.hears()[0]) == "item-not-found"
    coven.configures(moderatedroom="1")
    coven.administers(CRONE, "<item nick='thirdwitch' role='visitor'/>")
    coven.quiet()
    say(hag, "hello?")
    assert condition(hag.hears()[0]) == "forbidden"
    assert not coven.client(CRONE).hears()


def test_private_messages(coven: Coven, hag: Client) -> None:
    # §7.5
    phone = coven.enters("wiccarocks@example.org/phone", "secondwitch")
    coven.quiet()
    hag.says(f"<message to='{ROOM}/secondwitch' type='chat' id='pm'><body>wind</body></message>")
    for client in (coven.client(WICCA), phone):
        [message] = client.hears()
        assert (message.get("from"), message.get("id"), message.get("type")) == (f"{ROOM}/thirdwitch", "pm", "chat")
        assert message.find("x", MUC_USER) is not None
    assert not coven.client(CRONE).hears()


def test_private_messages_that_fail(coven: Coven, hag: Client) -> None:
    # §7.5
    def reason(client: Client, nick: str, kind: str = "chat") -> str:
        client.says(f"<message to='{ROOM}/{nick}' type='{kind}'><body>wind</body></message>")
        [answer] = client.hears()
        error = answer.find("error", CLIENT)
        assert error is not None
        assert error.get("by") == ROOM
        return condition(answer)

    assert reason(hag, "nobody") == "item-not-found"
    assert reason(hag, "firstwitch", "groupchat") == "bad-request"
    assert reason(coven.client("stranger@example.org/x"), "firstwitch") == "not-acceptable"
    for allowed, role, verdict in (
        ("none", "moderator", "forbidden"),
        ("moderators", "participant", "forbidden"),
        ("participants", "visitor", "forbidden"),
    ):
        coven.configures(allowpm=allowed)
        coven.administers(CRONE, f"<item nick='thirdwitch' role='{role}'/>")
        coven.quiet()
        assert reason(hag, "firstwitch") == verdict


def test_an_error_comes_back_to_who_whispered(coven: Coven, hag: Client) -> None:
    error = (
        f"<message to='{ROOM}/thirdwitch' type='error' id='{{}}'><error type='modify'>"
        "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    hag.says(f"<message to='{ROOM}/secondwitch' type='chat' id='pm'><body>psst</body></message>")
    coven.client(WICCA).says(error.format("pm"))
    [answer] = hag.hears()
    assert (answer.get("from"), condition(answer)) == (f"{ROOM}/secondwitch", "not-acceptable")
    # once; and what was said to all has not failed because somebody refuses it
    hag.says(f"<message to='{ROOM}' type='groupchat' id='all'><body>hi</body></message>")
    hag.hears()
    coven.client(WICCA).says(error.format("pm"), error.format("all"))
    assert hag.hears() == []


def test_a_room_takes_groupchat_only(coven: Coven, hag: Client) -> None:
    # §17.2
    hag.says(f"<message to='{ROOM}' type='chat'><body>hi</body></message>")
    assert condition(hag.hears()[0]) == "bad-request"


def test_subject(coven: Coven, hag: Client) -> None:
    # §8.1, §7.2.15
    say(hag, "", rest="<subject>Spells</subject>")
    assert condition(hag.hears()[0]) == "forbidden"
    owner = coven.client(CRONE)
    say(owner, "", rest="<subject>Fire Burn</subject>")
    for jid in (CRONE, WICCA, HAG):
        [message] = coven.client(jid).hears()
        subject = message.find("subject", CLIENT)
        assert subject is not None
        assert (message.get("from"), subject.text) == (f"{ROOM}/firstwitch", "Fire Burn")
    subject_message = coven.enters("new@example.org/x", "new").hears()[-1]
    delay = subject_message.find("delay", DELAY)
    assert delay is not None
    assert (delay.get("from"), subject_message.get("from")) == (ROOM, f"{ROOM}/firstwitch")
    coven.configures(changesubject="1")
    coven.quiet()
    say(hag, "", rest="<subject/>")
    assert len(hag.hears()) == 1
    room = coven.open().room
    assert room.subject is not None
    assert room.subject.text == ""


@pytest.mark.parametrize("rest", ["<body>x</body><subject>s</subject>", "<subject>s</subject><thread>t</thread>"])
def test_messages_with_a_subject_that_change_none(coven: Coven, hag: Client, rest: str) -> None:
    # §8.1
    say(hag, "", rest=rest)
    assert len(hag.hears()) == 1
    assert coven.open().room.subject is None


def history(coven: Coven, attrs: str | None, jid: str = "new@example.org/x") -> list[str]:
    """What somebody hears who asks for history."""
    inside = "" if attrs is None else f"<history {attrs}/>"
    client = coven.enters(jid, "new", inside)
    heard = client.hears()
    for message in heard[-1:]:
        assert message.find("subject", CLIENT) is not None  # §7.1: after the history
    for message in heard:
        if message.find("body", CLIENT) is not None:
            delay = message.find("delay", DELAY)
            assert delay is not None
            assert delay.get("from") == ROOM
            assert message.find("occupant-id", OCCUPANT_ID) is not None
    client.says(f"<presence to='{ROOM}/new' type='unavailable'/>")
    return bodies(heard)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        (None, "0123456789"),
        ("maxstanzas='3'", "789"),
        ("maxstanzas='0'", ""),
        ("maxchars='0'", ""),
        ("maxchars='-1'", ""),
        ("seconds='25'", "789"),
        ("seconds='1000000000000000000'", "0123456789"),
        ("since='2024-02-29T12:01:15Z'", "789"),
        ("since='0000-00-00T00:00:00Z'", "0123456789"),
        ("since='1970-01-01T00:00:00Z' maxstanzas='2'", "89"),
        ("maxstanzas='nonsense'", "0123456789"),
    ],
)
def test_how_much_history(coven: Coven, hag: Client, attrs: str | None, expected: str) -> None:
    # §7.2.14; one line every 10 s
    for number in range(10):
        coven.world.passes(10)
        say(hag, str(number))
    coven.quiet()
    assert "".join(history(coven, attrs)) == expected


def test_characters_of_history_are_those_of_stanzas(coven: Coven, hag: Client) -> None:
    # §7.2.14: complete stanzas only, as many as fit
    say(hag, "first")
    say(hag, "second")
    say(hag, "third")
    coven.quiet()
    line = list(coven.open().room.history)[-1]
    length = len(line.head + line.tail) + len("new@example.org/x")
    assert history(coven, f"maxchars='{length - 1}'") == []
    assert history(coven, f"maxchars='{length}'") == ["third"]
    assert history(coven, f"maxchars='{3 * length + 10}'") == ["first", "second", "third"]


def test_what_does_not_go_into_the_history(coven: Coven, hag: Client) -> None:
    say(hag, "secret", rest="<no-store xmlns='urn:xmpp:hints'/>")
    say(hag, "", rest="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    coven.quiet()
    assert history(coven, None) == []


def test_history_length_is_configured(coven: Coven, hag: Client) -> None:
    coven.configures(**{"muc#maxhistoryfetch": "4", "muc#roomconfig_defaulthistorymessages": "2"})
    for number in range(6):
        say(hag, str(number))
    assert history(coven, None) == ["4", "5"]
    assert history(coven, "maxstanzas='100'") == ["2", "3", "4", "5"]


def test_floods(coven: Coven) -> None:
    world = make_world(MucConfig(domain=SERVICE, messages_per_occupant_s=1, messages_per_room_s=2, message_bytes=500))
    coven = Coven(world)
    owner = coven.founded()
    for _ in range(3):
        say(owner, "spam")
    assert [one.get("type") for one in owner.hears()] == ["groupchat", "groupchat", "error"]
    coven.world.passes(1)
    say(owner, "again")
    say(owner, "x" * 600)
    first, second = owner.hears()
    assert first.get("type") == "groupchat"
    assert condition(second) == "policy-violation"


def test_a_busy_room() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, messages_per_room_s=1)))
    owner = coven.founded()
    for _ in range(3):
        say(owner, "spam")
    assert condition(owner.hears()[-1]) == "resource-constraint"


def test_messages_to_the_service(coven: Coven) -> None:
    hag = coven.client(HAG)
    hag.says(f"<message to='{SERVICE}'><body>hi</body></message>")
    assert condition(hag.hears()[0]) == "service-unavailable"
    hag.says(f"<message to='{SERVICE}' type='error'><body>hi</body></message>", f"<presence to='{SERVICE}'/>")
    assert not hag.hears()
