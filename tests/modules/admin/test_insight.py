"""XEP-0133: what administrators may know of accounts and sessions."""

from __future__ import annotations

from tests.modules.admin.conftest import (
    JULIET,
    KINDS,
    done,
    execute,
    fill,
    flaw,
    form,
)
from tests.world import Client, World
from xmpp_server.jid import JID
from xmpp_server.xml.namespaces import ROSTER


def test_get_user_roster(world: World, admin: Client) -> None:
    # §4.8
    world.contact(JULIET, "romeo@example.net", "both", name="Romeo", groups=("Friends",))
    answer = done(fill(admin, "get-user-roster", accountjids=JULIET))
    assert form(answer).values("accountjids") == (JULIET,)
    assert answer.first is not None
    x = answer.first.find("x", "jabber:x:data")
    assert x is not None
    query = x.find("query", ROSTER)
    assert query is not None
    [item] = query.elements()
    assert (item.get("jid"), item.get("name"), item.get("subscription")) == ("romeo@example.net", "Romeo", "both")
    answer = fill(admin, "get-user-roster", accountjids="nobody@example.org")
    assert flaw(answer) == "There is no account nobody@example.org"


def test_get_user_last_login(world: World, admin: Client) -> None:
    world.create("romeo@example.org")
    juliet = world.online(f"{JULIET}/balcony")
    world.passes(60)
    juliet.leaves()
    world.passes(10_000)
    answer = form(done(fill(admin, "get-user-lastlogin", accountjids=[JULIET, "romeo@example.org"])))
    assert answer.values("lastlogin") == ("2024-02-29T12:00:00Z", "")
    world.host.accounts.forget("juliet")
    answer = form(done(fill(admin, "get-user-lastlogin", accountjids=JULIET)))
    assert answer.values("lastlogin") == ("2024-02-29T12:00:00Z",)


def test_a_login_soon_after_another_is_not_written(world: World, admin: Client) -> None:
    world.online(f"{JULIET}/balcony").leaves()
    world.passes(1800)
    world.online(f"{JULIET}/balcony").leaves()
    answer = form(done(fill(admin, "get-user-lastlogin", accountjids=JULIET)))
    assert answer.values("lastlogin") == ("2024-02-29T12:30:00Z",)
    stored = world.run(world.storage.documents.get(JID.parse(JULIET), "last-login", ""))
    assert stored == b"2024-02-29T12:00:00Z"


def test_user_stats(world: World, admin: Client) -> None:
    world.contact(JULIET, "romeo@example.net", "both")
    world.online(f"{JULIET}/balcony")
    world.online(f"{JULIET}/chamber")
    answer = form(done(fill(admin, "user-stats", accountjid=JULIET)))
    assert answer.values("ipaddresses") == ("192.0.2.1",)
    assert answer.value("rostersize") == "1"
    assert answer.values("onlineresources") == ("balcony", "chamber")
    stranger = fill(admin, "user-stats", accountjid="juliet@example.net")
    assert flaw(stranger) == "There is no account juliet@example.net"
    several = fill(admin, "user-stats", accountjids=[JULIET, "admin@example.org"])
    assert flaw(several) == "Statistics are those of one account"


def test_numbers_and_lists(world: World, admin: Client) -> None:
    world.create("mercutio@example.org")
    world.online(f"{JULIET}/balcony")
    world.passes(700)
    romeo = world.online("romeo@example.org/orchard")
    romeo.session.last_received = admin.session.last_received = world.host.now()

    def number(kind: str) -> str | None:
        return form(done(execute(admin, f"get-{kind}-users-num"))).value(f"{kind}usersnum")

    assert [number(kind) for kind in KINDS] == ["4", "0", "3", "2", "1"]

    def jids(kind: str, var: str, size: str) -> tuple[str, ...]:
        return form(done(fill(admin, f"get-{kind}-users-list", max_items=size))).values(var)

    everybody = ("admin@example.org", JULIET, "mercutio@example.org", "romeo@example.org")
    assert jids("registered", "registereduserjids", "none") == everybody
    assert jids("online", "onlineuserjids", "25") == ("admin@example.org", JULIET, "romeo@example.org")
    assert jids("active", "activeuserjids", "25") == ("admin@example.org", "romeo@example.org")
    assert jids("idle", "activeuserjids", "25") == (JULIET,)
    # the specification's examples call them so
    assert form(done(fill(admin, "get-idle-users"))).values("activeuserjids") == (JULIET,)
    assert flaw(fill(admin, "get-online-users-list", max_items="1000000")) == "Not one of the options: max_items"


def test_a_long_list_is_cut(world: World, admin: Client) -> None:
    world.create(*(f"user{number:03}@example.org" for number in range(30)))
    answer = form(done(fill(admin, "get-registered-users-list", max_items="25")))
    assert len(answer.values("registereduserjids")) == 25
