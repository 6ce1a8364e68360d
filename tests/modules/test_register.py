"""XEP-0077: what users may do to their own account, and strangers where registration is open."""
# ruff: noqa: RUF001 - ambiguous letters are what look-alikes are about

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.conftest import IM, condition
from tests.transcript import play
from tests.world import Client, World
from xmpp_server.core.module import IqType
from xmpp_server.errors import Condition, StanzaError, StreamCondition
from xmpp_server.jid import JID
from xmpp_server.modules.register import Register, RegisterConfig, Stranger, Strangers
from xmpp_server.sasl.credentials import verify_password
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import REGISTER
from xmpp_server.xml.parser import parse

BILL = JID.parse("bill@example.org")
JULIET = JID.parse("juliet@example.org")
REMOVE = "<remove/>"


def query(content: str = "") -> str:
    return f"<query xmlns='{REGISTER}'>{content}</query>"


def credentials(username: str, password: str) -> str:
    return query(f"<username>{username}</username><password>{password}</password>")


def make_world(config: RegisterConfig | None = None) -> World:
    world = World("example.org", "example.com", modules=(*IM, lambda: Register(config)), admins=["will@example.org"])
    world.host.provisioning.iterations = 1
    return world


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def bill(world: World) -> Client:
    return world.online("bill@example.org/globe")


def password_is(world: World, jid: JID, password: str) -> bool:
    record = world.run(world.storage.accounts.get(jid))
    assert record is not None
    keys = record.credentials.get("SHA-1")
    return keys is not None and verify_password(keys, "SHA-1", password)


def exists(world: World, jid: JID) -> bool:
    return world.run(world.storage.accounts.get(jid)) is not None


# Users.


def test_users_are_told_that_they_are_registered(world: World) -> None:
    play(
        world,
        """
        bill@example.org/globe connects
        # §3.1, example 3
        bill@example.org/globe > <iq type='get' id='reg1' to='example.org'><query xmlns='jabber:iq:register'/></iq>
        bill@example.org/globe < <iq type='result' id='reg1' from='example.org' to='bill@example.org/globe'>
                <query xmlns='jabber:iq:register'><registered/><instructions>*</instructions>
                <username>bill</username><password/></query></iq>
        """,
    )


@pytest.mark.parametrize("to", [None, "example.org", "bill@example.org"])
@pytest.mark.parametrize(
    "payload",
    [
        credentials("bill", "newpass"),
        credentials("BILL@example.org", "newpass"),
        query(
            "<x xmlns='jabber:x:data' type='submit'><field type='hidden' var='FORM_TYPE'><value>"
            "jabber:iq:register:changepassword</value></field><field var='username'><value>bill</value></field>"
            "<field var='password'><value>newpass</value></field></x>"
        ),
    ],
    ids=["elements", "jid", "form"],
)
def test_change_password(world: World, bill: Client, to: str | None, payload: str) -> None:
    answer = bill.asks("set", payload, to=to)
    assert (answer.get("type"), answer.first) == ("result", None)
    assert password_is(world, BILL, "newpass")
    assert not bill.transport.closed


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (query(), "bad-request"),
        (query("<username>bill</username>"), "bad-request"),
        (query("<password>x</password>"), "bad-request"),
        (credentials("bill", ""), "bad-request"),
        (credentials("juliet", "newpass"), "forbidden"),
        (credentials("@", "newpass"), "forbidden"),
        (credentials("bill", "x" * 2000), "not-acceptable"),
        (query("<x xmlns='jabber:x:data' type='submit'/>"), "bad-request"),
        (query("<x xmlns='jabber:x:data' type='newpass'/>"), "bad-request"),
        (query("<remove/><password>newpass</password>"), "bad-request"),
    ],
)
def test_a_password_that_cannot_be_changed_stays(world: World, bill: Client, payload: str, expected: str) -> None:
    bill.asks("set", credentials("bill", "theglobe"))
    world.create(JULIET)
    answer = bill.asks("set", payload)
    assert condition(answer) == expected
    # §3.3: the error does not repeat what was sent
    assert "newpass" not in str(answer)
    assert password_is(world, BILL, "theglobe")


def test_no_password_goes_in_clear(world: World, bill: Client) -> None:
    bill.transport.secure = False
    assert condition(bill.asks("set", credentials("bill", "newpass"))) == "not-authorized"


@pytest.mark.parametrize("to", [None, "example.org"])
def test_cancel(world: World, bill: Client, to: str | None) -> None:
    other = world.online("bill@example.org/tavern")
    bill.hears()
    answer = bill.asks("set", query(REMOVE), to=to)
    assert answer.get("type") == "result"
    for client in (bill, other):
        assert client.error is not None
        assert client.error.condition is StreamCondition.NOT_AUTHORIZED
    assert not exists(world, BILL)


async def test_the_answer_comes_before_the_end_however_slow_the_disk_is(
    world: World, bill: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def holder(*_: object) -> bytes:
        world.storage.hold()  # so that giving the name free takes its time
        return b"bill"

    monkeypatch.setattr(world.storage.documents, "get", holder)
    bill.says(f"<iq type='set' id='1'>{query(REMOVE)}</iq>")
    assert not exists(world, BILL)
    assert bill.error is None
    world.release()
    assert [element.get("type") for element in bill.hears()] == ["result"]
    assert bill.error is not None


def test_cancelling_takes_subscriptions_along() -> None:
    world = make_world()
    world.befriend("bill@example.org", "juliet@example.org")
    juliet, bill = world.online("juliet@example.org/balcony"), world.online("bill@example.org/globe")
    juliet.hears()
    bill.asks("set", query(REMOVE))
    assert [element.get("type") for element in juliet.hears() if element.name == "presence"] == [
        "unavailable",
        "unsubscribed",
        "unsubscribe",
    ]
    assert juliet.account.roster["bill@example.org"].subscription == "none"


def test_remove_stands_alone(world: World, bill: Client) -> None:
    assert condition(bill.asks("set", query("<remove/><username>bill</username>"))) == "bad-request"
    assert exists(world, BILL)


@pytest.mark.parametrize(
    "to", ["juliet@example.org", "juliet@example.org/balcony", "nobody@example.org", "example.com"]
)
@pytest.mark.parametrize("payload", [query(REMOVE), credentials("bill", "x"), credentials("juliet", "x")])
def test_a_request_to_somebody_else_changes_nobody(world: World, bill: Client, to: str, payload: str) -> None:
    juliet = world.online("juliet@example.org/balcony")
    bill.says(f"<iq type='set' id='1' to='{to}'>{payload}</iq>")
    assert all(element.get("type") == "error" for element in bill.hears())
    assert exists(world, BILL)
    assert exists(world, JULIET)
    assert not bill.transport.closed
    assert not juliet.transport.closed
    assert not password_is(world, BILL, "x")
    assert not password_is(world, JULIET, "x")


@pytest.mark.parametrize("payload", [query(REMOVE), credentials("bill", "x")])
def test_nobody_elsewhere_can_do_anything(world: World, bill: Client, payload: str) -> None:
    peer = world.remote("example.net")
    for sender in ("bill@example.net/globe", "example.net"):
        peer.says(f"<iq type='set' id='1' from='{sender}' to='example.org'>{payload}</iq>")
        peer.says(f"<iq type='get' id='1' from='{sender}' to='example.org'>{query()}</iq>")
    assert {condition(answer) for answer in peer.hears()} == {"service-unavailable"}
    assert exists(world, BILL)


def test_what_is_not_allowed() -> None:
    world = make_world(RegisterConfig(change_password=False, cancel=False))
    bill = world.online("bill@example.org/globe")
    assert condition(bill.asks("set", query(REMOVE))) == "not-allowed"
    assert condition(bill.asks("set", credentials("bill", "x"))) == "not-allowed"


def test_anonymous_accounts_were_never_registered(world: World) -> None:
    world.host.accounts.add_anonymous(JID.parse("ghost@example.org"))
    ghost = world.login("ghost@example.org/hall")
    assert condition(ghost.asks("get", query())) == "registration-required"
    assert condition(ghost.asks("set", query(REMOVE))) == "registration-required"


# Strangers.


def stranger(world: World, kind: IqType, payload: str, address: str = "192.0.2.1") -> Element | None:
    return world.run(world.module(Register).stranger(kind, parse(payload.encode()), Stranger(address)))


def refused(world: World, payload: str, address: str = "192.0.2.1") -> Condition:
    with pytest.raises(StanzaError) as caught:
        stranger(world, IqType.SET, payload, address)
    assert not caught.value.echo or "password" not in payload
    return caught.value.condition


@pytest.fixture
def open_world() -> World:
    world = make_world(RegisterConfig(per_address=3))
    world.module(Register).strangers = Strangers.EVERYBODY
    return world


def test_registration_is_closed_by_default(world: World) -> None:
    assert world.module(Register).stream_features() == ()
    for kind in (IqType.GET, IqType.SET):
        with pytest.raises(StanzaError) as caught:
            stranger(world, kind, credentials("bill", "Calliope"))
        assert caught.value.condition is Condition.SERVICE_UNAVAILABLE
    assert not exists(world, BILL)


def test_registration(open_world: World) -> None:
    (feature,) = open_world.module(Register).stream_features()
    assert feature.tag == "http://jabber.org/features/iq-register register"
    fields = stranger(open_world, IqType.GET, query())
    assert fields is not None
    assert [child.name for child in fields.elements()] == ["instructions", "username", "password"]
    assert stranger(open_world, IqType.SET, credentials("bill", "Calliope")) is None
    assert password_is(open_world, BILL, "Calliope")
    assert refused(open_world, credentials("Bill", "m1cro$oft")) is Condition.CONFLICT


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (query("<username>bill</username>"), Condition.NOT_ACCEPTABLE),
        (query("<password>x</password>"), Condition.NOT_ACCEPTABLE),
        (credentials("bill", ""), Condition.NOT_ACCEPTABLE),
        (credentials("", "Calliope"), Condition.NOT_ACCEPTABLE),
        (credentials("bill@example.org", "Calliope"), Condition.NOT_ACCEPTABLE),
        (credentials("bill", "x" * 2000), Condition.NOT_ACCEPTABLE),
        (query(REMOVE), Condition.UNEXPECTED_REQUEST),
        # whom the configuration calls an admin, and who looks like one
        (credentials("will", "Calliope"), Condition.CONFLICT),
        (credentials("wiӏl", "Calliope"), Condition.CONFLICT),
        (credentials("postmaster", "Calliope"), Condition.CONFLICT),
    ],
)
def test_registration_that_fails(open_world: World, payload: str, expected: Condition) -> None:
    assert refused(open_world, payload) is expected
    assert open_world.run(open_world.storage.accounts.count("example.org")) == 0


def test_names_that_look_alike_are_refused(open_world: World) -> None:
    stranger(open_world, IqType.SET, credentials("alice", "Calliope"))
    assert refused(open_world, credentials("аlice", "Calliope")) is Condition.CONFLICT


def test_an_address_makes_so_many_accounts_an_hour(open_world: World) -> None:
    network = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"]
    for number, address in enumerate(network):
        stranger(open_world, IqType.SET, credentials(f"bill{number + 2}", "x"), address)
    assert refused(open_world, credentials("bill9", "x"), "2001:db8::4") is Condition.NOT_ACCEPTABLE
    stranger(open_world, IqType.SET, credentials("bill6", "x"), "2001:db8:0:1::4")
    stranger(open_world, IqType.SET, credentials("bill7", "x"), "unix:")
    open_world.passes(3601)
    stranger(open_world, IqType.SET, credentials("bill9", "x"), "2001:db8::4")


children = st.sampled_from(
    [
        "<remove/>",
        "<username>bill</username>",
        "<username/>",
        "<password>x</password>",
        "<x xmlns='jabber:x:data'/>",
        "t",
    ]
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["get", "set"]), st.lists(children, max_size=4))
def test_every_request_is_answered(kind: str, content: list[str]) -> None:
    world = make_world()
    bill = world.login("bill@example.org/globe")
    assert bill.asks(kind, query("".join(content))).get("type") in ("result", "error")
