"""Who a browser is: links to log in with, good for one use, and the sessions that come of them, as SQL."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass

from components.xmpp_files.network_disk.errors import DiskError, Reason

_SECRET_BYTES = 32
_MAX_CHARS = 64
_SESSIONS = 20


@dataclass(frozen=True, slots=True)
class Session:
    """One browser of a user."""

    jid: str
    secret: str

    @property
    def csrf(self) -> str:
        """What each form must bring along: no other site knows it, and it does not tell the session's secret."""
        return hmac.digest(self.secret.encode(), b"csrf", hashlib.sha256).hex()

    def is_own(self, csrf: str) -> bool:
        """Tell whether a form is one of ours."""
        return hmac.compare_digest(csrf.encode(), self.csrf.encode())


def invite(database: sqlite3.Connection, jid: str, until: int) -> str:
    """Return the secret of a link that logs a user in; earlier ones of this user end."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    database.execute("DELETE FROM logins WHERE jid = ?", (jid,))
    database.execute("INSERT INTO logins VALUES (?,?,?)", (_hash(secret), jid, until))
    return secret


def invited(database: sqlite3.Connection, secret: str, now: int) -> str:
    """Return whom a link would log in.

    Raises:
        DiskError: It is forged, used, or too old.

    """
    row = database.execute("SELECT jid FROM logins WHERE hash = ? AND until > ?", (_hash(secret), now)).fetchone()
    if row is None:
        raise DiskError(Reason.FORBIDDEN, "This link is used already, or too old. Ask for another one")
    return str(row[0])


def log_in(database: sqlite3.Connection, secret: str, now: int, until: int) -> Session:
    """Use a link.

    Raises:
        DiskError: It is forged, used, or too old.

    """
    jid = invited(database, secret, now)
    database.execute("DELETE FROM logins WHERE hash = ?", (_hash(secret),))
    session = Session(jid, secrets.token_urlsafe(_SECRET_BYTES))
    database.execute("INSERT INTO sessions VALUES (?,?,?)", (_hash(session.secret), jid, until))
    database.execute(
        "DELETE FROM sessions WHERE jid = ?1 AND hash NOT IN"
        " (SELECT hash FROM sessions WHERE jid = ?1 ORDER BY until DESC LIMIT ?2)",
        (jid, _SESSIONS),
    )
    return session


def session(database: sqlite3.Connection, secret: str, now: int) -> Session | None:
    """Return the session that a cookie stands for."""
    row = database.execute("SELECT jid FROM sessions WHERE hash = ? AND until > ?", (_hash(secret), now)).fetchone()
    return None if row is None else Session(row[0], secret)


def log_out(database: sqlite3.Connection, secret: str) -> None:
    """End one session."""
    database.execute("DELETE FROM sessions WHERE hash = ?", (_hash(secret),))


def log_out_everywhere(database: sqlite3.Connection, jid: str) -> int:
    """End all sessions and open links of a user; return how many sessions that were."""
    database.execute("DELETE FROM logins WHERE jid = ?", (jid,))
    return database.execute("DELETE FROM sessions WHERE jid = ?", (jid,)).rowcount


def forget_old(database: sqlite3.Connection, now: int) -> None:
    """Drop what has ended."""
    database.execute("DELETE FROM logins WHERE until <= ?", (now,))
    database.execute("DELETE FROM sessions WHERE until <= ?", (now,))


def _hash(secret: str) -> bytes:
    # What is no UTF-8 in a cookie comes as surrogates: it is nobody's secret, and no error.
    return hashlib.sha256(secret[:_MAX_CHARS].encode(errors="surrogateescape")).digest()
