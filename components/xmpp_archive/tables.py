"""The schema of the archive."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
)
from sqlalchemy.dialects import sqlite

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

#: The messages. Those of an archive are next to one another in the order of their ids, which is that of time.
entries = Table(
    "entries",
    metadata,
    Column("owner", Integer, ForeignKey("owners.number"), primary_key=True),
    Column("id", String(255), primary_key=True),
    Column("contact", String(2047), nullable=False),
    Column("resource", String(1023), nullable=False),
    Column("groupchat", Boolean, nullable=False),
    Column("stanza", Text, nullable=False),
    Index("entries_by_contact", "owner", "contact", "id"),
    sqlite_with_rowid=False,
)

_COLUMNS = ("owner", "id", "contact", "resource", "groupchat", "stanza")
#: Adds an entry unless it is there; compiled once. Its parameters are tuples in the order of the columns.
ADD_ENTRY = str(
    sqlite.insert(entries)
    .values({name: bindparam(name) for name in _COLUMNS})
    .on_conflict_do_nothing()
    .compile(dialect=sqlite.dialect(paramstyle="qmark"))
)
