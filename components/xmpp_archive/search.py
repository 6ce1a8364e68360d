"""XEP-0431: full text search: an index of the words of bodies beside the entries."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import unescape

from sqlalchemy import Connection, TextClause, text

from components.xmpp_component.errors import RequestError

#: No start tag holds a "<": a text of many that never end is looked through once, and not once for each.
_BODY = re.compile(r"<body(?:\s[^<>]*)?>([^<]*)</body>")
_WORD = re.compile(r"\w")
_LEXEME = re.compile(r"[^\W_]+")
_ENTITIES = {"&quot;": '"', "&apos;": "'"}
#: Words of one search.
MOST_WORDS = 20
#: No more of a word is compared in PostgreSQL.
_LEXEME_CHARS = 100
#: PostgreSQL takes no more than 1 MiB of words in one row; an error would hold up all that is to be archived.
_MOST_BYTES = 500_000
#: Words are normalized in pieces: for many accents on one letter it takes more than linear time.
_PIECE_CHARS = 400


def body_of(stanza: str) -> str:
    """Return what can be found of a message: its first body, or nothing if it is only there instead of a secret."""
    if "<encrypted " in stanza:
        return ""
    match = _BODY.search(stanza)
    return "" if match is None else unescape(match[1], _ENTITIES)


def words_of(wanted: str) -> list[str]:
    """Return the words of what somebody typed.

    Raises:
        RequestError: bad-request; there is no word, or there are too many.

    """
    words = [word for word in wanted.split() if _WORD.search(word)]
    if not 0 < len(words) <= MOST_WORDS:
        raise RequestError("bad-request", "modify", f"Search for 1 to {MOST_WORDS} words")
    return words


class Fts5:
    """SQLite: a table of FTS5. Its rows are of one archive each; the archive is a word among others."""

    def create(self, database: Connection) -> None:
        """Make the table."""
        database.exec_driver_sql(
            "CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5("
            "owner, body, id UNINDEXED, tokenize = 'unicode61 remove_diacritics 2')"
        )

    def expression(self, owner: int, words: Sequence[str]) -> str:
        """Return what FTS5 is asked: all words, in whatever order; nothing of what was typed is an operator."""
        quoted = (word.replace('"', '""') for word in words)
        return " AND ".join((f'owner : "o{owner}"', *(f'body : "{word}"' for word in quoted)))

    def matches(self, owner: int, wanted: str) -> TextClause:
        """Return the condition that an entry of an archive is found; raises RequestError bad-request."""
        found = text("id IN (SELECT id FROM texts WHERE texts MATCH :expression)")
        return found.bindparams(expression=self.expression(owner, words_of(wanted)))

    def add(self, database: Connection, owner: int, ident: str, stanza: str) -> None:
        """Index an entry that is new."""
        if body := body_of(stanza):
            row = (f"o{owner}", body, ident)
            database.exec_driver_sql("INSERT INTO texts (owner, body, id) VALUES (?, ?, ?)", row)

    def forget(self, database: Connection, owner: int, last: str | None) -> None:
        """Forget the entries of an archive up to an id, or all."""
        self._delete(database, owner, (), "" if last is None else "AND id <= ?", last)

    def forget_one(self, database: Connection, owner: int, ident: str, stanza: str) -> None:
        """Forget one entry: it is looked for by its words, as ids are not indexed."""
        if body := body_of(stanza):
            words = [word for word in body.replace("\0", " ").split() if _WORD.search(word)]
            self._delete(database, owner, words[:MOST_WORDS], "AND id = ?", ident)

    def _delete(self, database: Connection, owner: int, words: Sequence[str], more: str, ident: str | None) -> None:
        which = f"DELETE FROM texts WHERE rowid IN (SELECT rowid FROM texts WHERE texts MATCH ? {more})"  # noqa: S608 - `more` is ours
        wanted = self.expression(owner, words)
        database.exec_driver_sql(which, (wanted,) if ident is None else (wanted, ident))


class TsVector:
    """PostgreSQL: a table with a `tsvector`; words are taken apart here, so that both databases find the same."""

    def create(self, database: Connection) -> None:
        """Make the table."""
        database.exec_driver_sql(
            'CREATE TABLE IF NOT EXISTS texts (owner integer NOT NULL, id text COLLATE "C" NOT NULL, '
            "words tsvector NOT NULL, PRIMARY KEY (owner, id))"
        )
        database.exec_driver_sql("CREATE INDEX IF NOT EXISTS texts_by_word ON texts USING gin (words)")

    def matches(self, owner: int, wanted: str) -> TextClause:
        """Return the condition that an entry of an archive is found; raises RequestError bad-request."""
        lexemes = [lexeme for word in words_of(wanted) for lexeme in _lexemes(word)]
        if not lexemes:
            raise RequestError("bad-request", "modify", "There is no word to search for")
        # The archive is a word, too: else all that everybody has said would be looked through.
        expression = " & ".join(f"'{one}'" for one in (f"@{owner}", *lexemes))
        found = text("id IN (SELECT id FROM texts WHERE owner = :searched AND words @@ CAST(:expression AS tsquery))")
        return found.bindparams(searched=owner, expression=expression)

    def add(self, database: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
        """Index bodies of entries that are new: owner, id, body."""
        add = "INSERT INTO texts VALUES ($1, $2, array_to_tsvector($3::text[])) ON CONFLICT DO NOTHING"
        values = [(owner, ident, _indexed(owner, body)) for owner, ident, body in rows]
        if values:
            database.exec_driver_sql(add, values)

    def forget(self, database: Connection, owner: int, last: str | None) -> None:
        """Forget the entries of an archive up to an id, or all."""
        if last is None:
            database.exec_driver_sql("DELETE FROM texts WHERE owner = $1", (owner,))
        else:
            database.exec_driver_sql("DELETE FROM texts WHERE owner = $1 AND id <= $2", (owner, last))

    def forget_one(self, database: Connection, owner: int, ident: str, stanza: str) -> None:
        """Forget one entry."""
        database.exec_driver_sql("DELETE FROM texts WHERE owner = $1 AND id = $2", (owner, ident))


def _indexed(owner: int, body: str) -> list[str]:
    """Return the words of a row, as many as it can hold; the archive is the first."""
    words, size = {f"@{owner}"}, 0
    for lexeme in _lexemes(body):
        if lexeme not in words:
            size += len(lexeme.encode())
            if size > _MOST_BYTES:
                break
            words.add(lexeme)
    return sorted(words)


def _lexemes(body: str) -> list[str]:
    """Return words in small letters without accents."""
    found: list[str] = []
    for word in body.split():
        for at in range(0, len(word), _PIECE_CHARS):
            piece = unicodedata.normalize("NFKD", word[at : at + _PIECE_CHARS])
            plain = "".join(one for one in piece if not unicodedata.combining(one))
            found += [lexeme[:_LEXEME_CHARS] for lexeme in _LEXEME.findall(plain.casefold())]
    return found
