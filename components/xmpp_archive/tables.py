"""The schema of the archive."""

from __future__ import annotations

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

#: The messages; within an archive `id` and `stamp_ms` have the same order.
entries = Table(
    "entries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("owner", Integer, ForeignKey("owners.number"), nullable=False),
    Column("id", String(255), nullable=False),
    Column("stamp_ms", BigInteger, nullable=False),
    Column("contact", String(2047), nullable=False),
    Column("resource", String(1023), nullable=False),
    Column("groupchat", Boolean, nullable=False),
    Column("stanza", Text, nullable=False),
    Index("entries_by_id", "owner", "id", unique=True),
    Index("entries_by_contact", "owner", "contact", "id"),
    Index("entries_by_time", "owner", "stamp_ms", "id"),
)
