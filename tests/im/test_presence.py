"""RFC 6121 §4 and §8.5: presence that is broadcast, directed, probed and delivered."""

import pytest

from tests.transcript import play
from tests.world import Client, World, _await, _stream_scanner
from xmpp_server.core.hooks import PresenceChange
from xmpp_server.core.persistence import restore, save
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import COPIES_A_TURN, Presence
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.xml.element import Element

MODULES = (Delivery, Roster, Presence, StreamManagementModule)


@pytest.fixture
def world() -> World:
    return World("example.com", "example.net", modules=MODULES)


def kinds(elements: list[Element]) -> list[tuple[str | None, str | None]]:
    """Presence as (from, type)."""
    return [(element.get("from"), element.get("type")) for element in elements if element.name == "presence"]


def condition(elements: list[Element]) -> str:
    [element] = elements
    error = element.find("error", "jabber:client")
    assert error is not None
    assert error.first is not None
    return error.first.name


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7])
def test_the_life_of_a_resource(world: World, chunk_bytes: int) -> None:
    world.chunk_bytes = chunk_bytes
    world.remote("shakespeare.lit")
    world.befriend("juliet@example.com", "romeo@example.net", "benvolio@example.com", "nurse@shakespeare.lit")
    play(
        world,
        """
        romeo@example.net/orchard connects
        romeo@example.net/orchard > <presence><show>away</show></presence>
        romeo@example.net/orchard < <presence from='romeo@example.net/orchard' to='romeo@example.net'>
          <show>away</show></presence>
        # another hosted domain is asked like any other
        romeo@example.net/orchard < <presence id='*' from='juliet@example.com' to='romeo@example.net'
          type='unavailable'/>
        benvolio@example.com/street connects
        benvolio@example.com/street > <presence/>
        # a contact of one's own domain who is not there is not spoken of
        benvolio@example.com/street < <presence from='benvolio@example.com/street' to='benvolio@example.com'/>
        juliet@example.com/balcony connects
        juliet@example.com/balcony < nothing
        # §4.2.2: initial presence is broadcast to subscribers and oneself, and contacts are probed
        juliet@example.com/balcony > <presence><priority>5</priority></presence>
        juliet@example.com/balcony < <presence from='juliet@example.com/balcony' to='juliet@example.com'>
          <priority>5</priority></presence>
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'>
          <priority>5</priority></presence>
        benvolio@example.com/street < <presence from='juliet@example.com/balcony' to='benvolio@example.com'>
          <priority>5</priority></presence>
        shakespeare.lit < <presence from='juliet@example.com/balcony' to='nurse@shakespeare.lit'>
          <priority>5</priority></presence>
        shakespeare.lit < <presence id='*' from='juliet@example.com' to='nurse@shakespeare.lit' type='probe'/>
        juliet@example.com/balcony < <presence from='benvolio@example.com/street' to='juliet@example.com'/>
        juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'>
          <show>away</show></presence>
        # §4.3.2: the remote server answers
        shakespeare.lit > <presence from='nurse@shakespeare.lit/home' to='juliet@example.com'/>
        juliet@example.com/balcony < <presence from='nurse@shakespeare.lit/home' to='juliet@example.com'/>
        # a second resource learns of the first
        juliet@example.com/chamber connects
        juliet@example.com/chamber > <presence><priority>-1</priority></presence>
        juliet@example.com/chamber < <presence from='juliet@example.com/chamber' to='juliet@example.com'>
          <priority>-1</priority></presence>
        juliet@example.com/chamber < <presence from='juliet@example.com/balcony' to='juliet@example.com'>
          <priority>5</priority></presence>
        juliet@example.com/chamber < <presence from='benvolio@example.com/street' to='juliet@example.com'/>
        juliet@example.com/chamber < <presence from='romeo@example.net/orchard' to='juliet@example.com'>
          <show>away</show></presence>
        juliet@example.com/balcony < anything
        romeo@example.net/orchard < anything
        benvolio@example.com/street < anything
        shakespeare.lit < anything
        # §4.4: an update goes to the same people; nobody is probed; idle time (XEP-0319) goes along
        juliet@example.com/chamber > <presence xml:lang='en'><status>&lt;here&gt;</status>
          <idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/></presence>
        romeo@example.net/orchard < <presence from='juliet@example.com/chamber' to='romeo@example.net' xml:lang='en'>
          <status>&lt;here&gt;</status><idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/></presence>
        benvolio@example.com/street < anything
        shakespeare.lit < anything
        juliet@example.com/balcony < anything
        juliet@example.com/chamber < anything
        # §4.5: unavailable, said by the client, and by the server for one that does not
        juliet@example.com/chamber > <presence type='unavailable'><status>bed</status></presence>
        juliet@example.com/chamber < nothing
        juliet@example.com/balcony < <presence from='juliet@example.com/chamber' to='juliet@example.com'
          type='unavailable'><status>bed</status></presence>
        romeo@example.net/orchard < <presence from='juliet@example.com/chamber' to='romeo@example.net'
          type='unavailable'><status>bed</status></presence>
        benvolio@example.com/street < <presence from='juliet@example.com/chamber' to='benvolio@example.com'
          type='unavailable'><status>bed</status></presence>
        shakespeare.lit < <presence from='juliet@example.com/chamber' to='nurse@shakespeare.lit'
          type='unavailable'><status>bed</status></presence>
        juliet@example.com/chamber leaves
        juliet@example.com/balcony < nothing
        juliet@example.com/balcony drops
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'
          type='unavailable'/>
        benvolio@example.com/street < <presence from='juliet@example.com/balcony' to='benvolio@example.com'
          type='unavailable'/>
        shakespeare.lit < <presence from='juliet@example.com/balcony' to='nurse@shakespeare.lit' type='unavailable'/>
        """,
    )


def test_presence_goes_one_way_with_a_one_way_subscription(world: World) -> None:
    world.contact("juliet@example.com", "benvolio@example.com", "from")
    world.contact("benvolio@example.com", "juliet@example.com", "to")
    juliet, benvolio = world.online("juliet@example.com/balcony"), world.login("benvolio@example.com/street")
    benvolio.says("<presence/>")
    assert kinds(benvolio.hears()) == [("benvolio@example.com/street", None), ("juliet@example.com/balcony", None)]
    assert juliet.hears() == []


def test_a_contact_who_has_cancelled_in_vain_is_believed(world: World) -> None:  # §4.3.2: rosters that disagree
    world.contact("juliet@example.com", "benvolio@example.com", "to")
    world.online("benvolio@example.com/street")
    juliet = world.online("juliet@example.com/balcony")
    assert juliet.account.roster["benvolio@example.com"].subscription == "none"


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        ("<presence type='here'/>", "bad-request"),
        ("<presence type=''/>", "bad-request"),
        ("<presence type='here' to='romeo@example.net'/>", "bad-request"),
        ("<presence type='probe'/>", "bad-request"),
        ("<presence type='subscribe'/>", "bad-request"),
        ("<presence to='@'/>", "jid-malformed"),
        ("<presence><priority>128</priority></presence>", "bad-request"),
        ("<presence><priority>-129</priority></presence>", "bad-request"),
        ("<presence><priority>high</priority></presence>", "bad-request"),
        ("<presence><priority>1</priority><priority>2</priority></presence>", "bad-request"),
    ],
)
def test_nonsense_is_never_broadcast(world: World, stanza: str, expected: str) -> None:
    world.befriend("juliet@example.com", "romeo@example.net")
    romeo, juliet = world.online("romeo@example.net/orchard"), world.login("juliet@example.com/balcony")
    juliet.says(stanza)
    assert condition(juliet.hears()) == expected
    assert romeo.hears() == []
    assert juliet.session.presence is None


def test_errors_without_an_address_are_dropped(world: World) -> None:
    juliet = world.login("juliet@example.com/balcony")
    juliet.says("<presence type='error'><error type='cancel'/></presence>")
    assert juliet.hears() == []


def test_priorities_decide_who_gets_messages_not_presence(world: World) -> None:
    world.befriend("juliet@example.com", "benvolio@example.com")
    juliet = world.online("juliet@example.com/balcony", "<presence><priority>-5</priority></presence>")
    assert juliet.session.priority == -5
    assert juliet.account.available == ()
    world.online("benvolio@example.com/street")
    assert kinds(juliet.hears()) == [("benvolio@example.com/street", None)]
    juliet.says("<presence><priority>\n +127 </priority></presence>")
    assert juliet.session.priority == 127
    assert juliet.account.available == (juliet.session,)


class TestDelivery:
    """RFC 6121 §8.5.2 and §8.5.3, for presence."""

    @pytest.fixture
    def juliet(self, world: World) -> Client:
        return world.login("juliet@example.com/balcony")

    @pytest.mark.parametrize("kind", ["", "type='unavailable'", "type='error'"])
    def test_to_a_full_jid(self, world: World, juliet: Client, kind: str) -> None:
        remote = world.remote("rooms.test")
        remote.says(f"<presence {kind} from='a@rooms.test/b' to='juliet@example.com/balcony'/>")
        assert len(juliet.hears()) == 1  # available or not
        remote.says(f"<presence {kind} from='a@rooms.test/b' to='juliet@example.com/cellar'/>")
        remote.says(f"<presence {kind} from='a@rooms.test/b' to='juliet@example.com'/>")
        assert juliet.hears() == []
        assert remote.hears() == []

    def test_to_a_bare_jid(self, world: World, juliet: Client) -> None:
        remote = world.remote("rooms.test")
        juliet.says("<presence/>")
        chamber = world.online("juliet@example.com/chamber", "<presence><priority>-1</priority></presence>")
        juliet.hears()
        for kind in ("", "type='unavailable'", "type='error'"):
            remote.says(f"<presence {kind} from='a@rooms.test' to='juliet@example.com'/>")
        assert [element.get("to") for element in juliet.hears()] == ["juliet@example.com"] * 3
        assert len(chamber.hears()) == 3

    def test_an_unknown_type_is_answered(self, world: World, juliet: Client) -> None:
        remote = world.remote("rooms.test")
        juliet.says("<presence/>")
        juliet.hears()
        remote.says("<presence type='odd' from='a@rooms.test' to='juliet@example.com'/>")
        assert condition(remote.hears()) == "bad-request"
        assert juliet.hears() == []


class TestBarriers:
    """What XEP-0191 puts between two accounts."""

    @pytest.fixture
    def blocked(self, world: World) -> set[tuple[JID, JID]]:
        blocked: set[tuple[JID, JID]] = set()
        presence = world.module(Presence)
        presence.barriers.append(lambda account, other: (account.jid, other.bare) in blocked)
        world.befriend("juliet@example.com", "paris@example.com")
        return blocked

    @pytest.mark.parametrize("blocker", ["juliet", "paris"])
    def test_nothing_passes_whoever_has_put_it_there(
        self, world: World, blocked: set[tuple[JID, JID]], blocker: str
    ) -> None:
        juliet, paris = JID.parse("juliet@example.com"), JID.parse("paris@example.com")
        blocked.add((juliet, paris) if blocker == "juliet" else (paris, juliet))
        one, other = world.online("juliet@example.com/balcony"), world.login("paris@example.com/church")
        other.says("<presence/>")
        assert kinds(other.hears()) == [("paris@example.com/church", None)]
        assert one.hears() == []
        one.says("<presence><show>away</show></presence>")
        assert other.hears() == []

    def test_withdraw_and_reveal(self, world: World, blocked: set[tuple[JID, JID]]) -> None:
        juliet, paris = world.online("juliet@example.com/balcony"), world.online("paris@example.com/church")
        juliet.hears()
        presence = world.module(Presence)
        presence.withdraw(juliet.account, paris.account.jid)
        world.settle()
        assert kinds(paris.hears()) == [("juliet@example.com/balcony", "unavailable")]
        presence.reveal(juliet.account, paris.account.jid)
        assert kinds(paris.hears()) == [("juliet@example.com/balcony", None)]
        presence.reveal(juliet.account, JID.parse("stranger@example.com"))


def test_a_hibernating_session_stays_available(world: World) -> None:  # XEP-0198 §5
    world.befriend("juliet@example.com", "romeo@example.net")
    romeo, juliet = world.online("romeo@example.net/orchard"), world.online("juliet@example.com/balcony")
    romeo.hears()
    juliet.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    juliet.transport.take()
    juliet.drops()
    assert romeo.hears() == []
    romeo.says("<presence><show>xa</show></presence>")
    romeo.hears()
    juliet.resumes()
    assert b"<show>xa</show>" in juliet.transport.take()
    juliet.drops()
    world.passes(601)
    assert kinds(romeo.hears()) == [("juliet@example.com/balcony", "unavailable")]


def test_the_reason_of_an_end_is_told(world: World) -> None:
    world.befriend("juliet@example.com", "romeo@example.net")
    romeo, juliet = world.online("romeo@example.net/orchard"), world.online("juliet@example.com/balcony")
    romeo.hears()
    world.login("juliet@example.com/balcony")
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.CONFLICT
    [unavailable] = romeo.hears()
    assert unavailable.first is not None
    assert unavailable.first.text == "Replaced by a new session"


def test_changes_are_told_to_modules_last(world: World) -> None:
    seen: list[tuple[bool, bool, int]] = []
    juliet = world.login("juliet@example.com/balcony")

    def note(change: PresenceChange) -> None:
        seen.append((change.old is None, change.new is None, len(juliet.transport.written)))

    world.host.hooks.presence_changed.add(note)
    juliet.says("<presence/>", "<presence><show>away</show></presence>", "<presence type='unavailable'/>")
    juliet.says("<presence type='unavailable'/>", "<presence/>")
    juliet.session.end(StreamError(StreamCondition.RESET))
    assert [entry[:2] for entry in seen] == [
        (True, False),
        (False, False),
        (False, True),
        (True, False),
        (False, True),
    ]
    assert all(entry[2] for entry in seen)


def test_broadcasts_load_no_account(world: World) -> None:
    world.befriend("juliet@example.com", *(f"friend{n}@example.com" for n in range(5)))
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<presence><show>away</show></presence>", "<presence type='unavailable'/>")
    assert set(world.hosts["example.com"].accounts.active) == {"juliet"}
    assert world.hosts["example.com"].accounts.get("friend1") is None


async def test_what_a_session_keeps_over_a_restart(world: World) -> None:
    world.befriend("juliet@example.com", "romeo@example.net")
    rooms = world.remote("rooms.test")
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<presence to='hall@rooms.test/J'/>")
    saved = save(juliet.session)
    after = World("example.com", "example.net", modules=MODULES)
    after.storage, after.host.storage = world.storage, world.storage
    after.router.routes["rooms.test"] = rooms
    assert after.run(restore(after.host, saved))
    session = after.host.accounts.active["juliet"].sessions["balcony"]
    assert session.presence is not None
    assert after.module(Roster).is_interested(session)
    rooms.hears()
    session.end()
    after.settle()
    assert [(element.get("to"), element.get("type")) for element in rooms.hears()] == [
        ("hall@rooms.test/J", "unavailable")
    ]


def test_many_copies_leave_others_their_turn(world: World) -> None:
    """XEP-0205 §4.8: one who floods many contacts waits, after each broadcast, for everybody else."""
    world.befriend("juliet@example.com", *[f"friend{number}@elsewhere.test" for number in range(COPIES_A_TURN)])
    world.remote("elsewhere.test")
    juliet = world.online("juliet@example.com/balcony")
    [presence] = _stream_scanner().feed(b"<presence/>")
    wait = juliet.session.receive(presence)
    assert wait is not None
    world.runtime.start(_await(wait), lambda: None)
    world.settle()
    quiet = world.online("romeo@example.com/orchard")
    [presence] = _stream_scanner().feed(b"<presence/>")
    assert quiet.session.receive(presence) is None
