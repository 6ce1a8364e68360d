"""Commands while no server runs work on its storage."""

from __future__ import annotations

import json

import pytest

from xmpp_server.app.lock import DataLock


def test_accounts(run):
    assert run("user", "add", "Me@localhost", "--password", "secret").output == "added Me@localhost\n"
    assert run("user", "add", "you@example.org", "--password-stdin", stdin="secret\n").exit_code == 0
    assert run("user", "disable", "me@localhost").exit_code == 0
    rows = json.loads(run("user", "list", "--json").output)
    assert [(row["jid"], row["enabled"]) for row in rows] == [("me@localhost", False), ("you@example.org", True)]
    assert run("user", "enable", "me@localhost").exit_code == 0
    assert run("user", "passwd", "me@localhost", "--password", "other").exit_code == 0
    assert run("user", "delete", "me@localhost").exit_code == 0
    assert run("user", "list").output.startswith("you@example.org\tyes\tyes\t")
    assert run("user", "list", "--host", "localhost").output == ""


def test_nothing_is_said_of_components_that_are_down_as_well(run, config_file):
    config_file.write_text(config_file.read_text() + "[[components]]\ndomains = ['archive.localhost']\nsecret = 'x'\n")
    assert run("user", "add", "me@localhost", "--password", "secret").output == "added me@localhost\n"


def test_who_talks_to_other_servers(run, config_file):
    config_file.write_text(config_file.read_text() + "[s2s]\nlocal_only = ['guest-*@localhost']\n")
    for name in ("me", "guest-1"):
        assert run("user", "add", f"{name}@localhost", "--password", "secret").exit_code == 0

    def rights() -> dict[str, bool]:
        return {row["jid"]: row["federation"] for row in json.loads(run("user", "list", "--json").output)}

    assert rights() == {"guest-1@localhost": False, "me@localhost": True}
    assert "is cut off" in run("user", "federation", "me@localhost", "deny").output
    assert rights() == {"guest-1@localhost": False, "me@localhost": False}
    assert run("user", "federation", "me@localhost", "allow").exit_code == 0
    assert rights() == {"guest-1@localhost": False, "me@localhost": True}
    configured = run("user", "federation", "guest-1@localhost", "allow")
    assert configured.exit_code == 1
    assert "s2s.local_only" in configured.output
    assert run("user", "federation", "none@localhost", "deny").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("user", "delete", "none@localhost"), 1, "there is no account none@localhost"),
        (("user", "passwd", "none@localhost", "--password", "x"), 1, "there is no account none@localhost"),
        (("user", "disable", "none@localhost"), 1, "there is no account none@localhost"),
        (("user", "add", "a@elsewhere", "--password", "x"), 1, "elsewhere is not served here"),
        (("user", "add", "localhost", "--password", "x"), 2, "it must look like name@domain"),
        (("user", "add", "a@localhost/r", "--password", "x"), 2, "it must look like name@domain"),
        (("user", "add", "@", "--password", "x"), 2, "is no address"),
        (("user", "add", "a@localhost", "--password", ""), 2, "this cannot be a password"),
        (("user", "passwd", "a@localhost", "--password", "x" * 1025), 2, "this cannot be a password"),
        (("user", "passwd", "@", "--password", "x"), 2, "is no address"),
        (("user", "delete", "a@b@c"), 2, "is no address"),
        (("user", "disable", "a b@localhost"), 2, "is no address"),
        (("user", "enable", "localhost"), 2, "it must look like name@domain"),
        (("user", "federation", "a@localhost/r", "deny"), 2, "it must look like name@domain"),
        (("user", "federation", "a@localhost", "perhaps"), 2, "Invalid value"),
        (("user", "invite", "a@b@c"), 2, "is no address"),
        (("user", "invite", "a@localhost/r"), 2, "it must look like name@domain or example.org"),
        (("user", "invite", "localhost", "--by", "@"), 2, "is no address"),
        (("user", "invite", "localhost", "--days", "0"), 2, "Invalid value"),
        (("user", "revoke", "0"), 2, "give 6 characters of the id at least"),
        (("user", "list", "--host", "a@localhost"), 2, "it must look like example.org"),
        (("user", "list", "--host", "@"), 2, "is no address"),
        (("session", "kick", "@"), 2, "is no address"),
        (("session", "kick", "localhost"), 2, "it must look like name@domain/resource"),
        (("room", "show", "@"), 2, "is no address"),
        (("room", "delete", "conference.localhost"), 2, "it must look like name@domain of a chat service"),
        (("room", "create", "cave@conference.localhost", "--owner", "@"), 2, "is no address"),
        (("room", "create", "cave@conference.localhost", "--owner", "localhost"), 2, "is no account"),
        (("room", "create", "cave@conference.localhost/x", "--owner", "a@localhost"), 2, "it must look like"),
        (("room", "show", "cave@localhost"), 1, "is no room here"),
        (("s2s", "reset", "a@b"), 2, "it must look like example.org"),
        (("s2s", "reset", "example.net"), 3, "the server is not running"),
        (("user", "add", "a@localhost"), 2, "give --password or --password-stdin"),
        (("user", "add", "a@localhost", "--password", "x", "--password-stdin"), 2, "exclude one another"),
        (("user", "list", "--host", "elsewhere"), 1, "elsewhere is not served here"),
        (("session", "list"), 3, "the server is not running"),
        (("session", "kick", "a@localhost"), 3, "the server is not running"),
        (("import", "none.xml"), 1, "cannot be read: No such file or directory"),
        (("nonsense",), 2, "No such command"),
        (("check", "nonsense"), 2, "Invalid value"),
    ],
)
def test_refusals(run, arguments, code, text):
    result = run(*arguments)
    assert result.exit_code == code
    assert text in result.output


def test_an_account_is_added_once(run):
    assert run("user", "add", "me@localhost", "--password", "secret").exit_code == 0
    result = run("user", "add", "me@localhost", "--password", "secret")
    assert result.exit_code == 1
    assert result.output == "xmpp-server: me@localhost exists already\n"


def test_status(run):
    result = run("status", "--json")
    assert result.exit_code == 3
    assert json.loads(result.output) == {"running": False}


def test_the_configuration_is_checked_first(run, config_file):
    config_file.write_text("domain = []")
    for arguments in (("status",), ("user", "list"), ("run",), ("check",)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.output == f"xmpp-server: {config_file}: domain: unknown key; did you mean domains?\n"


def test_two_never_write_at_once(run, tmp_path):
    with DataLock(tmp_path / "var"):
        result = run("user", "add", "me@localhost", "--password", "secret")
    assert result.exit_code == 1
    assert "is in use by process" in result.output


def test_export_and_import(run, tmp_path):
    run("user", "add", "me@localhost", "--password", "secret")
    file = str(tmp_path / "all.xml")
    assert run("export", file).output == f"exported 1 accounts to {file}\n"
    assert "exists already" in run("export", file).output
    run("user", "delete", "me@localhost")
    assert run("import", file).output == f"imported 1 accounts from {file}\n"
    again = run("import", file)
    assert again.exit_code == 0
    assert "skipped me@localhost: it exists already" in again.output
    (tmp_path / "bad.xml").write_text("<x/>")
    assert run("import", str(tmp_path / "bad.xml")).exit_code == 1


def test_database(run):
    before = run("db", "status", "--json")
    assert before.exit_code == 1
    assert json.loads(before.output)["verdict"] == "empty"
    assert run("db", "upgrade").exit_code == 0
    after = run("db", "status", "--json")
    assert after.exit_code == 0
    assert json.loads(after.output)["verdict"] == "current"


def test_modules(run, config_file):
    config_file.write_text(config_file.read_text() + "[modules.carbons]\nenabled = false\n")
    rows = {row["name"]: row for row in json.loads(run("module", "list", "--json").output)}
    assert rows["carbons"]["enabled"] is False
    assert rows["ping"]["enabled"] is True
    assert rows["carbons"]["xeps"] == ["XEP-0280"]


def test_check(run, config_file):
    result = run("check", "config", "--json")
    assert result.exit_code == 0
    assert {row["level"] for row in json.loads(result.output)} == {"ok", "warning"}
    config_file.write_text(config_file.read_text() + '[tls]\ncertificate = "none.pem"\nkey = "none.pem"\n')
    assert run("check", "tls").exit_code == 1


def test_version(run):
    assert run("--version").output.startswith("xmpp-server, version ")


def test_rooms(run):
    room = "cave@conference.localhost"
    created = run("room", "create", "Cave@conference.localhost", "--owner", "me@localhost", "--name", "Dark Cave")
    assert created.exit_code == 0
    rows = json.loads(run("room", "list", "--json").output)
    assert [(row["jid"], row["name"], row["created_by"]) for row in rows] == [(room, "Dark Cave", "me@localhost")]
    assert json.loads(run("room", "show", room, "--json").output)["owners"] == ["me@localhost"]
    assert run("room", "list").output == f"{room}\tDark Cave\t0\tyes\tyes\tme@localhost\n"
    assert run("room", "create", room, "--owner", "me@localhost").output == f"xmpp-server: {room} exists already\n"
    assert run("room", "delete", room).exit_code == 0
    assert run("room", "list").output == ""
    assert run("room", "show", room).output == f"xmpp-server: there is no room {room}\n"
    assert "is no room here" in run("room", "show", "me@localhost").output


def test_invitations(run, config_file):
    closed = run("user", "invite", "example.org")
    assert (closed.exit_code, "auth.registration" in closed.output) == (1, True)
    config_file.write_text(config_file.read_text() + '[auth]\nregistration = "invite"\n')
    assert run("user", "invite", "elsewhere.test").exit_code == 1
    assert "no account romeo@example.org" in run("user", "invite", "example.org", "--by", "romeo@example.org").output
    run("user", "add", "romeo@example.org", "--password", "Calliope")
    assert "is taken" in run("user", "invite", "romeo@example.org").output
    made = json.loads(run("user", "invite", "juliet@example.org", "--by", "romeo@example.org", "--json").output)
    assert made["uri"].startswith("xmpp:juliet@example.org?register;preauth=")
    assert "kept for another" in run("user", "invite", "juliet@example.org").output
    (row,) = json.loads(run("user", "invitations", "--json").output)
    assert (row["id"], row["inviter"], "uri" in row) == (made["id"], "romeo@example.org", False)
    assert "no invitations begin with" in run("user", "revoke", "x" * 32).output
    assert run("user", "revoke", made["id"]).exit_code == 0
    assert run("user", "invitations").output == ""
