"""The schema of the archive."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
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


#: The messages, one behind the other as they come: rows that lay beside those of their archive would each cost a page
#: of the file in every batch. `reference` is `batch.reference` of the id by which others speak of a message; none in
#: the archives of rooms, where that is `id`. It is in the index only for looking through it.
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
    Index("entries_by_contact", "owner", "contact", "id", "reference"),
)

#: A row of `entries`, in the order of the columns.
Values: TypeAlias = tuple[int, str, str, str, bool, str, int | None]
