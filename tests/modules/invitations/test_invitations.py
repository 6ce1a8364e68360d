"""XEP-0401, 0379, 0445 in the fake world: who may invite, what a token is good for, once and for so long."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.core.module import IqType
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.invitations import Invitations, InvitationsConfig, Purpose
from xmpp_server.modules.register import Register, Stranger, Strangers
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMMANDS, DATA_FORMS, PREAUTH, REGISTER
from xmpp_server.xml.parser import parse

HOST = "example.org"
ROMEO, JULIET, ADMIN = (JID.parse(f"{name}@{HOST}") for name in ("romeo", "juliet", "will"))
WEEK_S = 604_800.0


def make_world(config: InvitationsConfig | None = None, strangers: Strangers = Strangers.GUESTS) -> World:
    modules = (*IM, ServiceDiscovery, Commands, Register, lambda: Invitations(config))
    world = World(HOST, "example.com", modules=modules, admins=[str(ADMIN)])
    world.host.provisioning.iterations = 1
    world.module(Register).strangers = strangers
    return world


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def romeo(world: World) -> Client:
    return world.online("romeo@example.org/orchard")


def token_of(uri: str) -> str:
    return uri.partition("preauth=")[2].partition(";")[0]


def invited(world: World, purpose: Purpose = Purpose.ACCOUNT, inviter: JID | None = None, username: str = "") -> str:
    """Return the token of a new invitation."""
    made = world.run(world.module(Invitations).invite(purpose, inviter, username))
    return token_of(made.uri)


def says(world: World, stranger: Stranger, kind: IqType, payload: str) -> Element | None:
    return world.run(world.module(Register).stranger(kind, parse(payload.encode()), stranger))


def refused(world: World, stranger: Stranger, kind: IqType, payload: str) -> Condition:
    with pytest.raises(StanzaError) as caught:
        says(world, stranger, kind, payload)
    return caught.value.condition


def preauth(token: str) -> str:
    return f"<preauth xmlns='{PREAUTH}' token='{token}'/>"


def account(name: str) -> str:
    return f"<query xmlns='{REGISTER}'><username>{name}</username><password>Calliope</password></query>"


ASKS = f"<query xmlns='{REGISTER}'/>"


def guest(world: World, token: str, address: str = "192.0.2.1") -> Stranger:
    """Somebody who has shown a token that is good."""
    stranger = Stranger(address)
    assert says(world, stranger, IqType.SET, preauth(token)) is None
    return stranger


def exists(world: World, jid: JID) -> bool:
    return world.run(world.storage.accounts.get(jid)) is not None


def contacts(world: World, jid: JID) -> dict[str, str]:
    account = world.run(world.host.accounts.load(jid))
    assert account is not None
    return {str(item.jid): item.subscription for item in account.roster.values()}


def executed(client: Client, name: str, more: str = "", session: str = "") -> Element:
    """Run a command; return its `<command/>`."""
    ident = f" sessionid='{session}'" if session else ""
    answer = client.asks(
        "set", f"<command xmlns='{COMMANDS}' node='urn:xmpp:invite#{name}'{ident}>{more}</command>", HOST
    )
    assert answer.get("type") == "result", answer
    found = answer.find("command", COMMANDS)
    assert found is not None
    return found


def fields(command: Element) -> dict[str, str]:
    form = command.find("x", DATA_FORMS)
    assert form is not None
    found = {}
    for field in form.findall("field", DATA_FORMS):
        value = field.find("value", DATA_FORMS)
        found[field.get("var") or ""] = "" if value is None else value.text
    return found


# Making accounts: XEP-0445.


def test_an_account_needs_an_invitation(world):
    features = world.module(Register).stream_features()
    assert [each.tag for each in features] == [
        "urn:xmpp:ibr-token:0 register",
        "http://jabber.org/features/iq-register register",
    ]
    stranger = Stranger("192.0.2.1")
    assert refused(world, stranger, IqType.GET, ASKS) is Condition.FORBIDDEN
    assert refused(world, stranger, IqType.SET, account("juliet")) is Condition.FORBIDDEN
    assert refused(world, stranger, IqType.SET, preauth("nonsense")) is Condition.ITEM_NOT_FOUND
    assert refused(world, stranger, IqType.SET, preauth("")) is Condition.ITEM_NOT_FOUND
    assert refused(world, stranger, IqType.SET, preauth("x" * 9000)) is Condition.ITEM_NOT_FOUND
    assert refused(world, stranger, IqType.SET, f"<preauth xmlns='{PREAUTH}'/>") is Condition.ITEM_NOT_FOUND
    assert refused(world, stranger, IqType.SET, account("juliet")) is Condition.FORBIDDEN
    assert not exists(world, JULIET)


def test_a_token_makes_one_account(world):
    token = invited(world)
    stranger = guest(world, token)
    form = says(world, stranger, IqType.GET, ASKS)
    assert form is not None
    assert [child.name for child in form.elements()] == ["instructions", "username", "password"]
    assert says(world, stranger, IqType.SET, account("juliet")) is None
    assert exists(world, JULIET)
    assert refused(world, stranger, IqType.SET, account("nurse")) is Condition.FORBIDDEN
    assert refused(world, Stranger("192.0.2.2"), IqType.SET, preauth(token)) is Condition.ITEM_NOT_FOUND


def test_two_who_have_the_same_token(world):
    token = invited(world)
    one, other = guest(world, token), guest(world, token)
    says(world, one, IqType.SET, account("juliet"))
    assert refused(world, other, IqType.SET, account("nurse")) is Condition.ITEM_NOT_FOUND
    assert not exists(world, JID.parse("nurse@example.org"))


def test_a_failure_does_not_use_a_token_up(world):
    world.create("nurse@example.org")
    stranger = guest(world, invited(world))
    assert refused(world, stranger, IqType.SET, account("nurse")) is Condition.CONFLICT
    assert refused(world, stranger, IqType.SET, account("")) is Condition.NOT_ACCEPTABLE
    assert refused(world, stranger, IqType.SET, account("postmaster")) is Condition.CONFLICT
    assert says(world, stranger, IqType.SET, account("juliet")) is None


def test_time_counts_when_the_token_is_shown(world):
    token, late = invited(world), invited(world)
    stranger = guest(world, token)
    world.passes(WEEK_S + 1)
    assert refused(world, Stranger(""), IqType.SET, preauth(late)) is Condition.ITEM_NOT_FOUND
    world.run(world.module(Invitations).book.all())  # somebody lists them
    assert says(world, stranger, IqType.SET, account("juliet")) is None
    world.passes(7200)
    world.run(world.module(Invitations).book.all())
    assert world.run(world.storage.documents.all(world.host.jid, "invitations")) == {}


def test_a_name_is_kept_for_its_invitation(world):
    token = invited(world, username="juliet")
    other = guest(world, invited(world))
    assert refused(world, other, IqType.SET, account("juliet")) is Condition.CONFLICT
    assert refused(world, other, IqType.SET, account("juli\u0435t")) is Condition.CONFLICT  # looks like it
    stranger = guest(world, token)
    form = says(world, stranger, IqType.GET, ASKS)
    assert form is not None
    username = form.find("username", REGISTER)
    assert username is not None
    assert username.text == "juliet"
    assert refused(world, stranger, IqType.SET, account("nurse")) is Condition.NOT_ACCEPTABLE
    with pytest.raises(StanzaError, match="kept"):
        invited(world, username="juliet")
    assert says(world, stranger, IqType.SET, account("juliet")) is None
    with pytest.raises(StanzaError, match="taken"):
        invited(world, username="juliet")


def test_administrators_give_away_names_that_are_reserved(world):
    says(world, guest(world, invited(world, username="postmaster")), IqType.SET, account("postmaster"))
    assert exists(world, JID.parse("postmaster@example.org"))


def test_where_registration_is_open_names_are_kept_too(world):
    world.module(Register).strangers = Strangers.EVERYBODY
    token = invited(world, username="juliet")
    assert refused(world, Stranger("192.0.2.9"), IqType.SET, account("juliet")) is Condition.CONFLICT
    assert says(world, Stranger("192.0.2.9"), IqType.SET, account("nurse")) is None
    for number in range(6):  # guests do not count as strangers from an address
        says(world, guest(world, invited(world)), IqType.SET, account(f"guest{number}"))
    says(world, guest(world, token), IqType.SET, account("juliet"))


def test_where_registration_is_closed_nothing_lets_anybody_in():
    world = make_world(strangers=Strangers.NOBODY)
    assert world.module(Register).stream_features() == ()
    with pytest.raises(StanzaError, match="closed"):
        invited(world)
    assert refused(world, Stranger(""), IqType.SET, preauth("x")) is Condition.SERVICE_UNAVAILABLE
    romeo = world.online("romeo@example.org/orchard")
    shown = fields(executed(romeo, "invite"))
    assert not shown["uri"].endswith(";ibr=y")
    world.module(Register).strangers = Strangers.GUESTS  # opened later: that was no invitation to make an account
    assert refused(world, Stranger(""), IqType.SET, preauth(token_of(shown["uri"]))) is Condition.ITEM_NOT_FOUND


# Invitations of users: XEP-0401.


def test_a_user_invites_and_both_are_contacts(world, romeo):
    answer = executed(romeo, "invite")
    assert answer.get("status") == "completed"
    shown = fields(answer)
    assert shown["FORM_TYPE"] == "urn:xmpp:invite#invitation"
    assert shown["uri"] == f"xmpp:romeo@example.org?roster;preauth={token_of(shown['uri'])};ibr=y"
    assert shown["expire"].endswith("Z")
    says(world, guest(world, token_of(shown["uri"])), IqType.SET, account("juliet"))
    assert contacts(world, ROMEO) == {"juliet@example.org": "both"}
    assert contacts(world, JULIET) == {"romeo@example.org": "both"}
    (push,) = [stanza for stanza in romeo.hears() if stanza.name == "iq"]
    query = push.find("query", "jabber:iq:roster")
    assert query is not None
    item = next(query.elements())
    assert (item.get("jid"), item.get("subscription")) == ("juliet@example.org", "both")


def test_so_many_invitations_wait_at_a_time():
    world = make_world(InvitationsConfig(per_user=2))
    for _ in range(2):
        invited(world, Purpose.CONTACT, ROMEO)
    with pytest.raises(StanzaError, match="2 invitations"):
        invited(world, Purpose.CONTACT, ROMEO)
    for _ in range(3):
        invited(world, Purpose.CONTACT, ADMIN)
    world.passes(WEEK_S + 1)
    invited(world, Purpose.CONTACT, ROMEO)


@pytest.mark.parametrize(("accounts", "expected"), [("everybody", True), ("admins", False), ("operator", False)])
def test_whose_invitations_let_strangers_in(accounts, expected):
    world = make_world(InvitationsConfig(accounts=accounts))
    romeo, will = world.online("romeo@example.org/orchard"), world.online("will@example.org/desk")
    assert fields(executed(romeo, "invite"))["uri"].endswith(";ibr=y") is expected
    assert fields(executed(will, "invite"))["uri"].endswith(";ibr=y") is (accounts != "operator")


def test_only_admins_keep_names(world, romeo):
    answer = romeo.asks("set", f"<command xmlns='{COMMANDS}' node='urn:xmpp:invite#create-account'/>", HOST)
    assert answer.get("type") == "error"
    will = world.online("will@example.org/desk")
    asked = executed(will, "create-account")
    assert fields(asked).keys() == {"FORM_TYPE", "username", "roster-subscription"}
    values = "<field var='username'><value>{}</value></field><field var='roster-subscription'><value>1</value></field>"
    form = f"<x xmlns='{DATA_FORMS}' type='submit'>{values}</x>"
    wrong = executed(will, "create-account", form.format("a@b"), asked.get("sessionid") or "")
    assert wrong.get("status") == "executing"
    done = executed(will, "create-account", form.format("Juliet"), asked.get("sessionid") or "")
    token = token_of(fields(done)["uri"])
    assert fields(done)["uri"] == f"xmpp:juliet@example.org?register;preauth={token}"
    says(world, guest(world, token), IqType.SET, account("juliet"))
    assert contacts(world, JULIET) == {"will@example.org": "both"}


def test_who_is_disabled_or_gone_invites_nobody(world, romeo):
    token = invited(world, Purpose.CONTACT_OR_ACCOUNT, ROMEO)
    world.run(world.host.provisioning.set_enabled(ROMEO, enabled=False))
    assert refused(world, Stranger(""), IqType.SET, preauth(token)) is Condition.ITEM_NOT_FOUND
    world.run(world.host.provisioning.set_enabled(ROMEO, enabled=True))
    guest(world, token)
    world.run(world.host.provisioning.delete(ROMEO))
    world.settle()
    assert refused(world, Stranger(""), IqType.SET, preauth(token)) is Condition.ITEM_NOT_FOUND
    assert world.run(world.storage.documents.all(world.host.jid, "invitations")) == {}


def test_what_is_stored_does_not_tell_the_token(world):
    token = invited(world)
    kept = world.run(world.storage.documents.all(world.host.jid, "invitations"))
    assert token not in str(kept)


def test_links_are_written_as_uris(world):
    made = world.run(world.module(Invitations).invite(Purpose.CONTACT, JID.parse("jos\u00e9#1?@example.org")))
    assert made.uri.startswith("xmpp:jos%C3%A9%231%3F@example.org?roster;preauth=")


# Contacts: XEP-0379.


def subscribe(token: str, to: str = "romeo@example.org") -> str:
    return f"<presence to='{to}' type='subscribe' id='s'>{preauth(token)}</presence>"


def test_a_request_with_a_token_is_approved_at_once(world, romeo):
    token = invited(world, Purpose.CONTACT, ROMEO)
    juliet = world.online("juliet@example.org/balcony")
    juliet.says(subscribe(token))
    assert contacts(world, ROMEO)["juliet@example.org"] == "from"
    assert contacts(world, JULIET)["romeo@example.org"] == "to"
    kinds = [(stanza.get("type"), stanza.get("from")) for stanza in juliet.hears() if stanza.name == "presence"]
    assert ("subscribed", "romeo@example.org") in kinds
    assert ("subscribe", "romeo@example.org") in kinds  # §3.5: he asks in return
    assert "subscribe" not in [stanza.get("type") for stanza in romeo.hears()]  # nobody is bothered
    juliet.says("<presence to='romeo@example.org' type='subscribed'/>")
    assert contacts(world, ROMEO)["juliet@example.org"] == contacts(world, JULIET)["romeo@example.org"] == "both"


def test_a_token_is_good_for_one_contact_of_the_one_who_gave_it(world, romeo):
    token = invited(world, Purpose.CONTACT, ROMEO)
    nurse, will = world.online("nurse@example.org/home"), world.online("will@example.org/desk")
    nurse.says(subscribe(token, "will@example.org"))
    assert [stanza.get("type") for stanza in will.hears() if stanza.name == "presence"] == ["subscribe"]
    nurse.says(subscribe(token))
    assert contacts(world, ROMEO)["nurse@example.org"] == "from"
    juliet = world.online("juliet@example.org/balcony")
    for wrong in (token, "nonsense", ""):
        juliet.says(subscribe(wrong))
    assert contacts(world, ROMEO)["juliet@example.org"] == ""  # a request as any other
    asked = [stanza for stanza in romeo.hears() if stanza.get("type") == "subscribe"]
    assert {stanza.get("from") for stanza in asked} == {"juliet@example.org"}


def test_a_contact_of_another_server(world, romeo):
    token = invited(world, Purpose.CONTACT_OR_ACCOUNT, ROMEO)
    assert world.module(Invitations).is_user(ROMEO)
    mercutio = world.online("mercutio@example.com/home")
    mercutio.says(subscribe(token))
    assert contacts(world, ROMEO)["mercutio@example.com"] == "from"
    assert refused(world, Stranger(""), IqType.SET, preauth(token)) is Condition.ITEM_NOT_FOUND  # used
