"""XEP-0133 §4.23 to §4.28: what all users are told, those who come, and those who are new."""

from __future__ import annotations

from tests.modules.admin.conftest import (
    HOST,
    JULIET,
    bodies,
    done,
    execute,
    fill,
    form,
)
from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.modules.admin import Admin
from xmpp_server.modules.commands import Commands
from xmpp_server.xml.namespaces import CLIENT


def test_announce(world: World, admin: Client) -> None:
    juliet, romeo = world.online(f"{JULIET}/balcony"), world.login("romeo@example.org/orchard")
    done(fill(admin, "announce", announcement=["Attention! This service will be", "going down."]))
    [heard] = juliet.hears()
    assert (heard.get("type"), heard.get("from")) == ("headline", HOST)
    body = heard.find("body", CLIENT)
    assert body is not None
    assert body.text == "Attention! This service will be\ngoing down."
    assert not romeo.hears()


def comes(world: World, jid: str) -> list[str]:
    client = world.login(jid)
    client.says("<presence/>")
    heard = bodies(client)
    client.leaves()
    return heard


def test_the_message_of_the_day_is_seen_once(world: World, admin: Client) -> None:
    done(execute(admin, "delete-motd"))  # there is none
    done(fill(admin, "set-motd", motd=["Don&apos;t forget:", "tomorrow night"]))
    assert comes(world, f"{JULIET}/balcony") == ["Don't forget:\ntomorrow night"]
    assert comes(world, f"{JULIET}/balcony") == []
    world.host.accounts.forget("juliet")
    assert comes(world, f"{JULIET}/balcony") == []
    # §4.25: the form has the text; who has seen it does not see it again
    assert form(execute(admin, "edit-motd")).values("motd") == ("Don't forget:", "tomorrow night")
    done(fill(admin, "edit-motd", motd="Tonight"))
    assert comes(world, f"{JULIET}/balcony") == []
    assert comes(world, "romeo@example.org/orchard") == ["Tonight"]
    done(fill(admin, "set-motd", motd="News"))
    assert comes(world, f"{JULIET}/balcony") == ["News"]
    done(execute(admin, "delete-motd"))
    assert comes(world, "romeo@example.org/orchard") == []


def test_those_who_are_new_are_welcome(world: World, admin: Client) -> None:
    world.create("romeo@example.org")
    world.passes(10)
    done(fill(admin, "set-welcome", welcome="Welcome to example.org"))
    world.passes(10)
    assert comes(world, "romeo@example.org/orchard") == []
    assert comes(world, f"{JULIET}/balcony") == ["Welcome to example.org"]
    assert comes(world, f"{JULIET}/balcony") == []
    done(execute(admin, "delete-welcome"))
    assert comes(world, "nurse@example.org/hall") == []


def test_greetings_outlast_a_restart(world: World, admin: Client) -> None:
    done(fill(admin, "set-motd", motd="News"))
    later = World(HOST, modules=(*IM, Commands, Admin))
    later.storage = world.storage
    later.host.storage = world.storage
    assert comes(later, f"{JULIET}/balcony") == ["News"]


def test_a_negative_priority_hears_no_greeting(world: World, admin: Client) -> None:
    done(fill(admin, "set-motd", motd="News"))
    juliet = world.login(f"{JULIET}/bot")
    juliet.says("<presence><priority>-1</priority></presence>")
    assert bodies(juliet) == []
