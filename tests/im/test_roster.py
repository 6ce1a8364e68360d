"""RFC 6121 §2, and how changes of a roster follow each other."""

import pytest

from tests.transcript import play
from tests.world import Client, World
from xmpp_server.core.host import Limits
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster, RosterConfig
from xmpp_server.jid import JID
from xmpp_server.storage.api import RosterItem, StorageBusyError, StorageError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PRE_APPROVAL, ROSTER, ROSTER_VERSIONING, STANZA_ERRORS

ROMEO = "romeo@example.net"
JULIET = "juliet@example.com"
QUERY = f"<query xmlns='{ROSTER}'/>"
ADD = f"<iq type='set' id='1'><query xmlns='{ROSTER}'><item jid='a@b.c'/></query></iq>"
ADD_ROMEO = f"<iq type='set' id='1'><query xmlns='{ROSTER}'><item jid='romeo@example.net' name='R'/></query></iq>"


@pytest.fixture(params=[0, 1, 7], ids=["whole", "bytewise", "chunks"])
def world(request: pytest.FixtureRequest) -> World:
    world = World("example.com", "example.net", modules=(Delivery, Roster, Presence))
    world.chunk_bytes = request.param
    return world


@pytest.fixture
def juliet(world: World) -> Client:
    return world.login("juliet@example.com/balcony")


def roster_set(item: str) -> str:
    return f"<query xmlns='{ROSTER}'>{item}</query>"


def condition(answer: Element) -> str:
    assert answer.get("type") == "error", answer
    error = answer.find("error", "jabber:client")
    assert error is not None
    return next(child.name for child in error.elements() if child.ns == STANZA_ERRORS)


def roster_of(client: Client) -> dict[str | None, Element]:
    query = client.asks("get", QUERY).first
    assert query is not None
    return {item.get("jid"): item for item in query.elements()}


def test_get_add_update_remove(world: World) -> None:
    world.remote("shakespeare.lit")
    play(
        world,
        """
        juliet@example.com/balcony connects
        juliet@example.com/chamber connects
        juliet@example.com/hall connects
        # §2.2: an empty roster
        juliet@example.com/balcony > <iq id='bv1bs71f' type='get'><query xmlns='jabber:iq:roster'/></iq>
        juliet@example.com/balcony < <iq id='bv1bs71f' to='juliet@example.com/balcony' from='juliet@example.com'
          type='result'><query xmlns='jabber:iq:roster'/></iq>
        juliet@example.com/chamber > <iq id='hu2bac18' type='get'><query xmlns='jabber:iq:roster' ver=''/></iq>
        juliet@example.com/chamber < <iq id='hu2bac18' to='juliet@example.com/chamber' from='juliet@example.com'
          type='result'><query xmlns='jabber:iq:roster' ver='*'/></iq>
        # §2.3: a new item is pushed to every resource that has asked for the roster, and to no other
        juliet@example.com/balcony > <iq id='ph1xaz53' type='set'><query xmlns='jabber:iq:roster'>
          <item jid='nurse@shakespeare.lit' name='Nurse' subscription='both' ask='subscribe' approved='true'>
          <group>Servants</group></item></query></iq>
        juliet@example.com/balcony < <iq id='*' to='juliet@example.com/balcony' from='juliet@example.com' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='nurse@shakespeare.lit' name='Nurse' subscription='none'>
          <group>Servants</group></item></query></iq>
        juliet@example.com/balcony < <iq id='ph1xaz53' to='juliet@example.com/balcony' from='juliet@example.com'
          type='result'/>
        juliet@example.com/chamber < <iq id='*' to='juliet@example.com/chamber' from='juliet@example.com' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='nurse@shakespeare.lit' name='Nurse' subscription='none'>
          <group>Servants</group></item></query></iq>
        juliet@example.com/hall < nothing
        # §2.1.6: clients answer pushes; xmpp.js answers with errors
        juliet@example.com/balcony > <iq id='a' type='result'/>
        juliet@example.com/chamber > <iq id='a' type='error'><error type='cancel'>
          <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        # §2.4: groups and handle become exactly what is sent
        juliet@example.com/balcony > <iq id='di43b2x9' type='set'><query xmlns='jabber:iq:roster'>
          <item jid='nurse@shakespeare.lit'/></query></iq>
        juliet@example.com/balcony < <iq id='*' to='juliet@example.com/balcony' from='juliet@example.com' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='nurse@shakespeare.lit' subscription='none'/></query></iq>
        juliet@example.com/balcony < <iq id='di43b2x9' to='juliet@example.com/balcony' from='juliet@example.com'
          type='result'/>
        juliet@example.com/chamber < anything
        # §2.5: nothing was subscribed to, so nobody is told but one's own resources
        juliet@example.com/balcony > <iq id='hm4hs97y' type='set'><query xmlns='jabber:iq:roster'>
          <item jid='nurse@shakespeare.lit' subscription='remove'/></query></iq>
        juliet@example.com/balcony < <iq id='*' to='juliet@example.com/balcony' from='juliet@example.com' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='nurse@shakespeare.lit' subscription='remove'/></query></iq>
        juliet@example.com/balcony < <iq id='hm4hs97y' to='juliet@example.com/balcony' from='juliet@example.com'
          type='result'/>
        juliet@example.com/chamber < anything
        """,
    )


def test_removing_a_mutual_contact_ends_both_subscriptions(world: World) -> None:
    world.befriend(JULIET, ROMEO)
    world.online("juliet@example.com/balcony")
    world.online("romeo@example.net/orchard")
    play(
        world,
        """
        juliet@example.com/balcony < anything
        juliet@example.com/balcony > <iq id='r' type='set'><query xmlns='jabber:iq:roster'>
          <item jid='romeo@example.net' subscription='remove'/></query></iq>
        juliet@example.com/balcony < <iq id='*' to='juliet@example.com/balcony' from='juliet@example.com' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='remove'/></query></iq>
        juliet@example.com/balcony < <iq id='r' to='juliet@example.com/balcony' from='juliet@example.com'
          type='result'/>
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'
          type='unavailable'/>
        # the server's own unsubscribe, and a push to say what is left
        romeo@example.net/orchard < <presence id='*' from='juliet@example.com' to='romeo@example.net'
          type='unsubscribe'/>
        romeo@example.net/orchard < <iq id='*' to='romeo@example.net/orchard' from='romeo@example.net' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='to'/></query></iq>
        romeo@example.net/orchard < <presence id='*' from='juliet@example.com' to='romeo@example.net'
          type='unsubscribed'/>
        romeo@example.net/orchard < <iq id='*' to='romeo@example.net/orchard' from='romeo@example.net' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='none'/></query></iq>
        juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'
          type='unavailable'/>
        """,
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", "bad-request"),
        ("<item jid='a@b.c'/><item jid='d@b.c'/>", "bad-request"),
        ("<thing xmlns='urn:else'/>", "bad-request"),
        ("<item/>", "bad-request"),
        ("<item jid=''/>", "jid-malformed"),
        ("<item jid='@b.c'/>", "jid-malformed"),
        ("<item jid='a@b.c'><group>x</group><group>x</group></item>", "bad-request"),
        ("<item jid='a@b.c'><group/></item>", "not-acceptable"),
        (f"<item jid='a@b.c' name='{'x' * 1024}'/>", "not-acceptable"),
        (f"<item jid='a@b.c'><group>{'ä' * 512}</group></item>", "not-acceptable"),
        (
            "<item jid='a@b.c'>" + "".join(f"<group>{n}</group>" for n in range(101)) + "</item>",
            "not-acceptable",
        ),
        ("<item jid='juliet@example.com'/>", "not-allowed"),
        ("<item jid='stranger@b.c' subscription='remove'/>", "item-not-found"),
        ("<item subscription='remove'/>", "bad-request"),
    ],
)
def test_bad_sets_change_nothing(payload: str, expected: str) -> None:  # §2.3.3, §2.5.3
    world = World("example.com", modules=(Delivery, Roster, Presence))
    juliet = world.login("juliet@example.com/balcony")
    assert condition(juliet.asks("set", roster_set(payload))) == expected
    assert juliet.account.roster == {}


@pytest.mark.parametrize("kind", ["get", "set"])
@pytest.mark.parametrize("to", [ROMEO, "nobody@example.net", "nobody@example.com"])
def test_rosters_of_others_are_closed(kind: str, to: str) -> None:  # §2.1.5
    world = World("example.com", "example.net", modules=(Delivery, Roster, Presence))
    world.create(ROMEO)
    juliet = world.login("juliet@example.com/balcony")
    payload = roster_set("<item jid='juliet@example.com'/>") if kind == "set" else QUERY
    assert condition(juliet.asks(kind, payload, to)) == "forbidden"
    assert juliet.account.roster == {}


FORGED = f"<query xmlns='{ROSTER}'><item jid='mallory@evil.example' name='Romeo' subscription='both'/></query>"


@pytest.mark.parametrize("kind", ["set", "result"])
@pytest.mark.parametrize("sender", ["evil.example", "mallory@evil.example/x", "juliet@evil.example"])
def test_no_other_server_pushes_into_a_roster(world: World, juliet: Client, kind: str, sender: str) -> None:  # §2.1.6
    evil = world.remote("evil.example")
    iq = f"<iq from='{sender}' to='{juliet.jid}' type='{kind}' id='p'>"
    evil.says(f"{iq}{FORGED}</iq>", f"{iq.replace('balcony', 'nowhere')}{FORGED}</iq>")
    assert juliet.hears() == []
    answers = evil.hears()
    if kind == "result":  # is never answered
        assert answers == []
    else:  # the same whether there is such a resource or not
        assert [condition(answer) for answer in answers] == ["service-unavailable"] * 2
        assert [answer.get("from") for answer in answers] == [juliet.jid, "juliet@example.com/nowhere"]


@pytest.mark.parametrize("sender", ["romeo@example.net/orchard", "juliet@example.com/chamber"])
def test_no_client_pushes_into_a_roster(world: World, juliet: Client, sender: str) -> None:  # §2.1.6
    other = world.login(sender)
    other.says(
        f"<iq type='set' id='p' to='{juliet.jid}'><r:query xmlns:r='{ROSTER}'><r:item jid='a@b.c'/></r:query></iq>"
    )
    [answer] = other.hears()
    assert condition(answer) == "service-unavailable"
    assert juliet.hears() == []


def test_results_without_contacts_reach_a_client(world: World, juliet: Client) -> None:  # §8.5.3.1
    romeo = world.login("romeo@example.net/orchard")
    romeo.says(f"<iq type='result' id='p' to='{juliet.jid}'>{QUERY}</iq>")
    assert [(element.get("type"), element.get("from")) for element in juliet.hears()] == [("result", romeo.jid)]


def test_other_requests_still_reach_a_client(world: World, juliet: Client) -> None:
    gateway = world.remote("gateway.example")
    exchange = "<x xmlns='http://jabber.org/protocol/rosterx'><item action='add' jid='a@b.c'/></x>"  # XEP-0144
    iq = f"<iq from='gateway.example' to='{juliet.jid}' id='p'"
    gateway.says(f"{iq} type='set'>{exchange}</iq>", f"{iq} type='get'><query xmlns='{ROSTER}'/></iq>")
    assert [element.get("type") for element in juliet.hears()] == ["set", "get"]


def test_a_contact_is_a_bare_jid(juliet: Client) -> None:
    juliet.asks("set", roster_set("<item jid='Nurse@Shakespeare.LIT/kitchen'/>"))
    assert list(roster_of(juliet)) == ["nurse@shakespeare.lit"]


def test_versions(juliet: Client) -> None:  # §2.6
    def ask(version: str) -> Element | None:
        return juliet.asks("get", f"<query xmlns='{ROSTER}' ver='{version}'/>").first

    first = ask("")
    assert first is not None
    known = first.attrs["ver"]
    assert ask(known) is None
    juliet.says(ADD)
    push = juliet.hears()[0].first
    assert push is not None
    assert push.attrs["ver"] != known
    assert ask(push.attrs["ver"]) is None
    second = ask(known)
    assert second is not None
    assert second.attrs["ver"] == push.attrs["ver"]
    assert [item.get("jid") for item in second.elements()] == ["a@b.c"]


def test_versions_outlive_the_server(world: World, juliet: Client) -> None:
    juliet.asks("set", roster_set("<item jid='a@b.c'/>"))
    roster = world.run(world.storage.rosters.load(JID.parse(JULIET)))
    assert roster == (juliet.account.roster_version, [RosterItem(JID.parse("a@b.c"))])


def test_nothing_is_pushed_where_nothing_changes(juliet: Client) -> None:
    juliet.asks("get", QUERY)
    juliet.says(ADD)
    assert [element.get("type") for element in juliet.hears()] == ["set", "result"]
    juliet.says(ADD)
    assert [element.get("type") for element in juliet.hears()] == ["result"]


def test_the_limit_of_entries() -> None:
    world = World("example.com", modules=(Delivery, Roster, Presence), limits=Limits(roster_items=2))
    juliet = world.login("juliet@example.com/balcony")
    juliet.asks("set", roster_set("<item jid='a@b.c'/>"))
    juliet.asks("set", roster_set("<item jid='b@b.c'/>"))
    assert condition(juliet.asks("set", roster_set("<item jid='c@b.c'/>"))) == "resource-constraint"
    assert juliet.asks("set", roster_set("<item jid='b@b.c' name='B'/>")).get("type") == "result"
    juliet.says("<presence to='c@b.c' type='subscribe'/>")
    [refusal] = juliet.hears()
    assert condition(refusal) == "resource-constraint"
    assert list(juliet.account.roster) == ["a@b.c", "b@b.c"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(StorageBusyError("full"), "resource-constraint"), (StorageError("broken"), "internal-server-error")],
)
async def test_nothing_is_said_or_changed_before_the_commit(error: StorageError, expected: str) -> None:
    world = World("example.com", modules=(Delivery, Roster, Presence))
    juliet = world.login("juliet@example.com/balcony")
    juliet.asks("get", QUERY)
    world.storage.hold()
    juliet.says(ADD)
    assert juliet.hears() == []
    assert juliet.account.roster == {}
    world.release(error)
    [answer] = juliet.hears()
    assert condition(answer) == expected
    assert juliet.account.roster == {}
    assert juliet.asks("set", roster_set("<item jid='a@b.c'/>")).get("type") == "result"


async def test_concurrent_changes_each_see_the_one_before() -> None:
    world = World("example.com", "example.net", modules=(Delivery, Roster, Presence))
    balcony = world.login("juliet@example.com/balcony")
    chamber = world.login("juliet@example.com/chamber")
    world.create(ROMEO)
    balcony.asks("get", QUERY)
    world.storage.hold()
    balcony.says(ADD_ROMEO)
    chamber.says("<presence type='subscribe' to='romeo@example.net'/>")
    for _ in range(4):
        world.release()
        world.storage.hold()
    world.release()
    romeo = JID.parse(ROMEO)
    assert balcony.account.roster[romeo] == RosterItem(romeo, "R", ask=True)
    loaded = world.run(world.storage.rosters.load(JID.parse(JULIET)))
    assert loaded.items == [RosterItem(romeo, "R", ask=True)]
    pushes = [element.first for element in balcony.hears() if element.get("type") == "set"]
    versions = [push.attrs["ver"] for push in pushes if push is not None]
    assert len(versions) == 2
    assert versions == sorted(versions)


def test_anonymous_rosters_last_as_long_as_the_session(world: World) -> None:
    bare = JID.parse("anon@example.com")
    world.hosts["example.com"].accounts.add_anonymous(bare)
    anon = world.login("anon@example.com/x")
    assert anon.account.anonymous
    anon.asks("set", roster_set("<item jid='a@b.c' name='A'/>"))
    assert roster_of(anon)["a@b.c"].get("name") == "A"
    assert world.run(world.storage.rosters.load(bare)).items == []


def test_features_are_offered(world: World) -> None:
    features = world.host.hooks.stream_features.gather([])
    assert {feature.tag for feature in features} == {f"{ROSTER_VERSIONING} ver", f"{PRE_APPROVAL} sub"}


class TestSharedGroups:
    """Members see each other, whatever they do."""

    @pytest.fixture
    def house(self) -> World:
        config = RosterConfig(groups={"House": ["a@x.org", "b@x.org", "c@x.org"], "Boys": ["a@x.org", "b@x.org"]})
        return World("x.org", modules=(Delivery, lambda: Roster(config), Presence))

    def test_members_are_contacts(self, house: World) -> None:
        items = roster_of(house.login("a@x.org/1"))
        assert items.keys() == {"b@x.org", "c@x.org"}
        assert {item.get("subscription") for item in items.values()} == {"both"}
        assert [group.text for group in items["b@x.org"].elements()] == ["Boys", "House"]
        assert roster_of(house.login("d@x.org/1")) == {}

    def test_members_see_each_others_presence(self, house: World) -> None:
        a, b = house.online("a@x.org/1"), house.online("b@x.org/1")
        assert [element.get("from") for element in a.hears()] == ["b@x.org/1"]
        b.says("<presence><show>away</show></presence>")
        assert [element.get("from") for element in a.hears()] == ["b@x.org/1"]

    def test_members_cannot_be_removed_or_unsubscribed(self, house: World) -> None:
        a = house.login("a@x.org/1")
        assert condition(a.asks("set", roster_set("<item jid='b@x.org' subscription='remove'/>"))) == "not-allowed"
        for kind in ("unsubscribe", "unsubscribed"):
            a.says(f"<presence type='{kind}' to='b@x.org'/>")
            [refusal] = a.hears()
            assert condition(refusal) == "not-allowed"
        a.says("<presence type='subscribe' to='b@x.org'/>")
        assert a.hears() == []
        assert roster_of(a)["b@x.org"].get("subscription") == "both"

    def test_names_and_groups_of_ones_own_are_kept(self, house: World) -> None:
        a = house.login("a@x.org/1")
        item = "<item jid='b@x.org' name='Bernd'><group>House</group><group>Mine</group></item>"
        a.asks("set", roster_set(item))
        seen = roster_of(a)["b@x.org"]
        assert seen.get("name") == "Bernd"
        assert [group.text for group in seen.elements()] == ["Boys", "House", "Mine"]
        [stored] = house.run(house.storage.rosters.load(JID.parse("a@x.org"))).items
        assert stored == RosterItem(JID.parse("b@x.org"), "Bernd", groups=("Mine",))

    def test_own_items_are_merged_when_the_account_is_loaded(self, house: World) -> None:
        house.contact("a@x.org", "b@x.org", "to", name="Bernd")
        seen = roster_of(house.login("a@x.org/1"))["b@x.org"]
        assert (seen.get("name"), seen.get("subscription")) == ("Bernd", "both")

    def test_versions_tell_the_groups_apart(self, house: World) -> None:
        roster = house.module(Roster)
        accounts = [house.login(f"{name}@x.org/1").account for name in "acd"]
        a, c, d = (roster.version(account).partition("-")[2] for account in accounts)
        assert a
        assert c
        assert a != c
        assert d == ""
