"""Kinds of arguments: what can be no address, whoever serves it, is wrong usage (exit code 2) before anybody is asked.

Whether there is such an account, room or session is for the server to say: that ends with exit code 1. A command gets
its arguments as they were typed.
"""

from __future__ import annotations

import click

from xmpp_server.app.invitation_administration import ID_CHARS
from xmpp_server.jid import JID, JIDMalformed


def account(value: str) -> str:
    """Take the address of an account.

    Raises:
        click.BadParameter: It is malformed, or not of this shape; so do all of these.

    """
    jid = _jid(value)
    return _checked(value, jid.localpart is not None and jid.is_bare, "no account: it must look like name@domain")


def account_or_domain(value: str) -> str:
    """Take the address of an account or of a domain."""
    fits = _jid(value).is_bare
    return _checked(value, fits, "neither account nor domain: it must look like name@domain or example.org")


def domain(value: str) -> str:
    """Take a domain."""
    return _checked(value, _jid(value).is_domain, "no domain: it must look like example.org")


def room(value: str) -> str:
    """Take the address of a room."""
    jid = _jid(value)
    fits = jid.localpart is not None and jid.is_bare
    return _checked(value, fits, "no room: it must look like name@domain of a chat service")


def session(value: str) -> str:
    """Take the address of a session, or of an account for all that it has."""
    fits = _jid(value).localpart is not None
    return _checked(value, fits, "no session: it must look like name@domain/resource or name@domain")


def invitation(value: str) -> str:
    """Take the beginning of an invitation's id, long enough to mean something."""
    if len(value) < ID_CHARS:
        raise click.BadParameter(f"give {ID_CHARS} characters of the id at least")
    return value


def _jid(value: str) -> JID:
    try:
        return JID.parse(value)
    except JIDMalformed as error:
        raise click.BadParameter(f"{value!r} is no address: {error}") from None


def _checked(value: str, fits: bool, otherwise: str) -> str:
    if not fits:
        raise click.BadParameter(f"{value!r} is {otherwise}")
    return value
