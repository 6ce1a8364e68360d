"""The schema of the archive."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
)

VERSION = 2

metadata = MetaData()

#: An archive: a user's or a room's, and the preferences of the user (XEP-0441; JSON lists).
owners = Table(
    "owners",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("jid", String(3071), nullable=False, unique=True),
    Column("room", Boolean, nullable=False, default=False),
    Column("prefs", Text),
)


def _ordered(length: int) -> String:
    """Texts that are ordered by their bytes, in all databases."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


_REFERENCE_IS_SET: ColumnElement[bool] = literal_column("reference IS NOT NULL")

#: The messages. Those of an archive are next to one another in the order of their ids, which is that of time.
#: `reference` is `batch.reference` of the id by which others speak of a message; none in the archives of rooms, where
#: that is `id`.
entries = Table(
    "entries",
    metadata,
    Column("owner", Integer, ForeignKey("owners.number"), primary_key=True),
    Column("id", _ordered(255), primary_key=True),
    Column("contact", _ordered(2047), nullable=False),
    Column("resource", String(1023), nullable=False),
    Column("groupchat", Boolean, nullable=False),
    Column("stanza", Text, nullable=False),
    Column("reference", BigInteger),
    Index("entries_by_contact", "owner", "contact", "id"),
    Index(
        "entries_by_reference",
        "owner",
        "reference",
        sqlite_where=_REFERENCE_IS_SET,
        postgresql_where=_REFERENCE_IS_SET,
    ),
    sqlite_with_rowid=False,
)

#: A row of `entries`, in the order of the columns.
Values: TypeAlias = tuple[int, str, str, str, bool, str, int | None]
