"""XEP-0133 §4.29: administrators name others, who are that at once; those of the configuration stay."""

from __future__ import annotations

import pytest

from tests.modules.admin.conftest import JULIET, done, execute, fill, flaw, form
from tests.modules.conftest import condition
from tests.world import Client, World
from xmpp_server.core.administrators import Administrators
from xmpp_server.modules.admin import Admin

BARD = "admin@example.org"


@pytest.fixture
def admin(world: World) -> Client:
    """An administrator of a server on which others can be named."""
    world.module(Admin).offer_admins(world.administrators)
    return world.login(f"{BARD}/desk")


def test_the_form(admin: Client) -> None:
    # Example 96
    asked = form(execute(admin, "edit-admin"))
    assert [(field.var, field.type) for field in asked.fields] == [
        ("FORM_TYPE", "hidden"),
        ("adminjids", "jid-multi"),
        ("", "fixed"),
    ]
    assert asked.values("adminjids") == (BARD,)
    assert asked.fields[-1].value == f"The configuration names these: {BARD}"


def test_naming_and_taking_it_back(world: World, admin: Client) -> None:
    juliet = world.login(f"{JULIET}/balcony")
    assert condition(execute(juliet, "get-online-users-num")) == "forbidden"
    done(fill(admin, "edit-admin", adminjids=[BARD, f"{JULIET}/balcony"]))
    assert form(execute(admin, "edit-admin")).values("adminjids") == (BARD, JULIET)
    done(execute(juliet, "get-online-users-num"))
    # A command that is under way ends with the right to use it.
    first = execute(juliet, "get-online-users-list").first
    assert first is not None
    done(fill(admin, "edit-admin", adminjids=[BARD]))
    assert condition(execute(juliet, "get-online-users-list", f"sessionid='{first.get('sessionid')}'")) == "forbidden"
    assert form(execute(admin, "edit-admin")).values("adminjids") == (BARD,)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([JULIET], f"The configuration names {BARD}"),
        ([], f"The configuration names {BARD}"),
        ([BARD, JULIET, "nobody@example.org"], "There is no account nobody@example.org here"),
        ([BARD, JULIET, "romeo@elsewhere.example"], "There is no account romeo@elsewhere.example here"),
        ([BARD, JULIET, "elsewhere.example"], "elsewhere.example is not of the form user@host"),
    ],
)
def test_what_is_refused_changes_nothing(world: World, admin: Client, wanted: list[str], expected: str) -> None:
    world.login(f"{JULIET}/balcony")
    assert flaw(fill(admin, "edit-admin", adminjids=wanted)) == expected
    assert world.administrators.jids == {BARD}


def test_a_server_without_a_configured_one_shows_no_note(world: World) -> None:
    named = Administrators(())
    world.module(Admin).offer_admins(named)
    admin = world.login(f"{BARD}/desk")
    assert len(form(execute(admin, "edit-admin")).fields) == 2
