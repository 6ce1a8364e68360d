"""XEP-0431: full text search: an index of bodies (FTS5) beside the entries."""

from __future__ import annotations

import re
from xml.sax.saxutils import unescape

from sqlalchemy import Connection, TextClause, text

from components.xmpp_component.errors import RequestError

_BODY = re.compile(r"<body(?:\s[^>]*)?>([^<]*)</body>")
_WORD = re.compile(r"\w")
_ENTITIES = {"&quot;": '"', "&apos;": "'"}
#: Words of one search.
MOST_WORDS = 20

CREATE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5("
    "owner, body, id UNINDEXED, tokenize = 'unicode61 remove_diacritics 2')"
)


def body_of(stanza: str) -> str:
    """Return what can be found of a message: its first body, or nothing if it is only there instead of a secret."""
    if "<encrypted " in stanza:
        return ""
    match = _BODY.search(stanza)
    return "" if match is None else unescape(match[1], _ENTITIES)


def expression(owner: int, wanted: str) -> str:
    """Return what FTS5 is asked: all words, in whatever order; nothing of what was typed is an operator.

    Raises:
        RequestError: bad-request; there is no word, or there are too many.

    """
    words = [word for word in wanted.split() if _WORD.search(word)]
    if not 0 < len(words) <= MOST_WORDS:
        raise RequestError("bad-request", "modify", f"Search for 1 to {MOST_WORDS} words")
    quoted = (word.replace('"', '""') for word in words)
    return " AND ".join((f'owner : "o{owner}"', *(f'body : "{word}"' for word in quoted)))


def matches(owner: int, wanted: str) -> TextClause:
    """Return the condition that an entry of an archive is found."""
    found = text("id IN (SELECT id FROM texts WHERE texts MATCH :expression)")
    return found.bindparams(expression=expression(owner, wanted))


def add(database: Connection, owner: int, ident: str, stanza: str) -> None:
    """Index an entry that is new."""
    if body := body_of(stanza):
        row = (f"o{owner}", body, ident)
        database.exec_driver_sql("INSERT INTO texts (owner, body, id) VALUES (?, ?, ?)", row)


def remove(database: Connection, owner: int, last: str | None) -> None:
    """Forget the entries of an archive up to an id, or all."""
    which = "DELETE FROM texts WHERE rowid IN (SELECT rowid FROM texts WHERE texts MATCH ?)"
    mine = f'owner : "o{owner}"'
    if last is None:
        database.exec_driver_sql(which, (mine,))
    else:
        database.exec_driver_sql(f"{which} AND id <= ?", (mine, last))
