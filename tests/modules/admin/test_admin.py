"""XEP-0133: each command, by its form; and that nobody else may use them."""

from __future__ import annotations

import pytest

from tests.modules.admin.conftest import (
    HOST,
    JULIET,
    KINDS,
    Values,
    app_condition,
    bodies,
    done,
    execute,
    fill,
    flaw,
    form,
    submission,
)
from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.core.domain_rules import DomainRules, Rule
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.errors import StreamCondition
from xmpp_server.jid import JID
from xmpp_server.modules.admin import Admin, AdminConfig
from xmpp_server.modules.admin.forms import ADMIN
from xmpp_server.modules.commands import Commands
from xmpp_server.sasl.credentials import verify_password
from xmpp_server.xml.namespaces import COMMANDS


def test_nobody_else_may(world: World) -> None:
    romeo = world.login("romeo@example.org/orchard")
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
    items = romeo.asks("get", query, to=HOST).first
    assert items is not None
    assert not list(items.elements())
    for name in ("add-user", "get-registered-users-num", "get-user-password", "delete-motd"):
        assert condition(execute(romeo, name)) == "forbidden"
    peer = world.remote("example.net")
    peer.says(
        f"<iq type='set' id='1' from='admin@example.net/a' to='{HOST}'>"
        f"<command xmlns='{COMMANDS}' node='{ADMIN}#add-user'/></iq>"
    )
    assert [condition(answer) for answer in peer.hears()] == ["forbidden"]


def test_admins_find_the_commands(world: World, admin: Client) -> None:
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
    items = admin.asks("get", query, to=HOST).first
    assert items is not None
    nodes = {(item.get("node") or "").partition("#")[2] for item in items.elements()}
    assert nodes == {
        "add-user",
        "delete-user",
        "disable-user",
        "reenable-user",
        "end-user-session",
        "change-user-password",
        "get-user-roster",
        "get-user-lastlogin",
        "user-stats",
        *(f"get-{kind}-users-{what}" for kind in KINDS for what in ("num", "list")),
        "get-active-users",
        "get-idle-users",
        "announce",
        "set-motd",
        "edit-motd",
        "delete-motd",
        "set-welcome",
        "delete-welcome",
    }


def test_what_is_not_offered_is_refused_with_a_reason(admin: Client) -> None:
    assert condition(execute(admin, "get-user-password")) == "feature-not-implemented"


def test_the_form_of_add_user(admin: Client) -> None:
    # §4.1, example 2
    asked = form(execute(admin, "add-user"))
    assert [(field.var, field.type, field.required) for field in asked.fields] == [
        ("FORM_TYPE", "hidden", False),
        ("accountjid", "jid-single", True),
        ("password", "text-private", True),
        ("password-verify", "text-private", False),
    ]


def test_add_user(world: World, admin: Client) -> None:
    done(fill(admin, "add-user", accountjid=JULIET, password="R0m30", password_verify="R0m30", email="j@example.org"))
    record = world.run(world.storage.accounts.get(JID.parse(JULIET)))
    assert record is not None
    assert verify_password(record.credentials["SHA-256"], "SHA-256", "R0m30")
    answer = fill(admin, "add-user", accountjid=JULIET, password="other")
    assert flaw(answer) == f"{JULIET} exists already"
    # The stage is as it was.
    assert answer.first is not None
    again = f"sessionid='{answer.first.get('sessionid')}'"
    done(execute(admin, "add-user", again, submission({"accountjid": "romeo@example.org", "password": "other"})))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"accountjid": JULIET, "password": ""}, "Required: password"),
        ({"accountjid": JULIET, "password": "a", "password_verify": "b"}, "The passwords are not the same"),
        ({"accountjid": JULIET, "password": "\u0e01\u200d"}, "This cannot be a password"),
        ({"accountjid": "example.org", "password": "a"}, "example.org is not of the form user@host"),
        ({"accountjid": "juliet@example.net", "password": "a"}, "juliet@example.net is not of example.org"),
        ({"accountjid": "juliet@capulet@example.org", "password": "a"}, "Not a Jabber ID: accountjid"),
        ({"accountjid": "", "password": "a"}, "Required: accountjid"),
    ],
)
def test_add_user_with_a_wrong_value(admin: Client, values: dict[str, Values], expected: str) -> None:
    assert flaw(fill(admin, "add-user", **values)).startswith(expected)


@pytest.mark.parametrize("values", [{"accountjid": JULIET}, {"password": "a"}])
def test_add_user_with_a_bad_payload(admin: Client, values: dict[str, Values]) -> None:
    """XEP-0050 §4.4: "the data form did not provide one or more required fields"."""
    answer = fill(admin, "add-user", **values)
    assert (condition(answer), app_condition(answer)) == ("bad-request", "bad-payload")


def test_a_session_stands_for_its_account(world: World, admin: Client) -> None:
    done(fill(admin, "add-user", accountjid=f"{JULIET}/balcony", password="R0m30"))
    done(fill(admin, "delete-user", accountjids=f"{JULIET}/balcony"))
    assert world.run(world.storage.accounts.list(HOST)) == ["admin@example.org"]


def test_delete_user(world: World, admin: Client) -> None:
    world.create("romeo@example.org")
    juliet = world.online(f"{JULIET}/balcony")
    done(fill(admin, "delete-user", accountjids=[JULIET, "romeo@example.org"]))
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.NOT_AUTHORIZED
    assert world.run(world.storage.accounts.list(HOST)) == ["admin@example.org"]


def test_disable_and_reenable_user(world: World, admin: Client) -> None:
    juliet = world.online(f"{JULIET}/balcony")
    done(fill(admin, "disable-user", accountjids=JULIET))
    assert juliet.transport.closed
    record = world.run(world.storage.accounts.get(JID.parse(JULIET)))
    assert record is not None
    assert not record.enabled
    assert form(done(execute(admin, "get-disabled-users-num"))).value("disabledusersnum") == "1"
    listed = form(done(fill(admin, "get-disabled-users-list", max_items="25")))
    assert listed.values("disableduserjids") == (JULIET,)
    done(fill(admin, "reenable-user", accountjids=JULIET))
    assert form(done(execute(admin, "get-disabled-users-num"))).value("disabledusersnum") == "0"


@pytest.mark.parametrize("name", ["delete-user", "disable-user", "reenable-user"])
def test_all_accounts_must_exist(world: World, admin: Client, name: str) -> None:
    world.create(JULIET)
    answer = fill(admin, name, accountjids=[JULIET, "nobody@example.org"])
    assert flaw(answer) == "There is no account nobody@example.org"
    record = world.run(world.storage.accounts.get(JID.parse(JULIET)))
    assert record is not None
    assert record.enabled
    assert flaw(fill(admin, name, accountjids="juliet@example.net")) == "juliet@example.net is not of example.org"


@pytest.mark.parametrize("name", ["delete-user", "disable-user"])
def test_admins_do_not_lock_themselves_out(admin: Client, name: str) -> None:
    assert flaw(fill(admin, name, accountjids="admin@example.org")) == "Not to yourself"


def test_end_user_session(world: World, admin: Client) -> None:
    one, two, three = (world.online(f"{JULIET}/{resource}") for resource in ("a", "b", "c"))
    done(fill(admin, "end-user-session", accountjids=f"{JULIET}/a"))
    assert (one.transport.closed, two.transport.closed) == (True, False)
    assert flaw(fill(admin, "end-user-session", accountjids=f"{JULIET}/a")) == f"{JULIET}/a has no session"
    done(fill(admin, "end-user-session", accountjids=JULIET))
    assert two.transport.closed
    assert three.transport.closed
    world.online(f"{JULIET}/a")
    done(fill(admin, "end-user-session", accountjids=str(admin.jid)))
    assert admin.transport.closed


def test_change_user_password(world: World, admin: Client) -> None:
    world.create(JULIET)
    done(fill(admin, "change-user-password", accountjid=JULIET, password="V3r0n4"))
    record = world.run(world.storage.accounts.get(JID.parse(JULIET)))
    assert record is not None
    assert verify_password(record.credentials["SHA-1"], "SHA-1", "V3r0n4")
    answer = fill(admin, "change-user-password", accountjid="nobody@example.org", password="x")
    assert flaw(answer) == "There is no account nobody@example.org"


@pytest.mark.parametrize(("name", "restart"), [("restart", True), ("shutdown", False)])
def test_the_service_stops_where_it_can(world: World, admin: Client, name: str, restart: bool) -> None:
    assert condition(execute(admin, name)) == "item-not-found"
    stopped: list[bool] = []
    world.module(Admin).offer_service(stopped.append)
    juliet = world.online(f"{JULIET}/balcony")
    done(fill(admin, name, delay="120", announcement="In 2 minutes!"))
    assert bodies(juliet) == ["In 2 minutes!"]
    world.passes(119)
    assert not stopped
    world.passes(2)
    assert stopped == [restart]
    assert flaw(fill(admin, name, delay="1")) == "Not one of the options: delay"


def test_the_lists_of_servers(world: World, admin: Client) -> None:
    assert condition(execute(admin, "edit-blacklist")) == "item-not-found"
    rules = DomainRules(["*.edu"], [], world.storage.documents, [world.host.jid])
    world.module(Admin).offer_domains(rules)
    assert form(execute(admin, "edit-blacklist")).values("blacklistjids") == ()
    done(fill(admin, "edit-blacklist", blacklistjids=["Marlowe.lit", " *.france.lit ", ""]))
    assert rules.added[Rule.BLOCK] == ("marlowe.lit", "*.france.lit")
    asked = form(execute(admin, "edit-blacklist"))
    assert asked.values("blacklistjids") == ("marlowe.lit", "*.france.lit")
    answer = fill(admin, "edit-blacklist", blacklistjids="romeo@example.net")
    assert flaw(answer) == "Not a domain: romeo@example.net"
    assert not rules.admits("paris.france.lit")
    # What the configuration has is shown, and stays.
    assert form(execute(admin, "edit-whitelist")).fields[-1].value == "The configuration has these as well: *.edu"
    done(fill(admin, "edit-whitelist", whitelistjids="england.lit"))
    assert [rules.admits(name) for name in ("england.lit", "mit.edu", "denmark.lit")] == [True, True, False]
    done(fill(admin, "edit-blacklist", blacklistjids=[]))
    assert rules.added[Rule.BLOCK] == ()


def test_who_has_nothing_to_do_with_other_servers(world: World, admin: Client) -> None:
    assert condition(execute(admin, "edit-local-only")) == "item-not-found"
    rights = FederationRights(["kid@example.org"], world.storage.documents)
    world.module(Admin).offer_rights(rights)
    juliet = world.login(f"{JULIET}/balcony")
    assert form(execute(admin, "edit-local-only")).values("accountjids") == ()
    done(fill(admin, "edit-local-only", accountjids=[JULIET]))
    assert rights.confines(JID.parse(JULIET))
    assert juliet.transport.closed
    assert form(execute(admin, "edit-local-only")).values("accountjids") == (JULIET,)
    for jid, expected in (
        ("nobody@example.org", "There is no account nobody@example.org"),
        ("romeo@elsewhere.example", "romeo@elsewhere.example is not of example.org"),
        ("admin@example.org", "Not to yourself: this session would end"),
    ):
        assert flaw(fill(admin, "edit-local-only", accountjids=[JULIET, jid])) == expected
    assert rights.said_of(HOST) == [JID.parse(JULIET)]
    done(fill(admin, "edit-local-only", accountjids=[]))
    assert not rights.confines(JID.parse(JULIET))
    assert rights.confines(JID.parse("kid@example.org"))  # so says the configuration


def test_idle_is_a_matter_of_configuration() -> None:
    modules = (*IM, Commands, lambda: Admin(AdminConfig(idle_s=5.0)))
    world = World(HOST, modules=modules, admins=["admin@example.org"])
    admin = world.login("admin@example.org/desk")
    world.passes(6)
    assert form(done(execute(admin, "get-idle-users-num"))).value("idleusersnum") == "1"
