"""The tables, for `queries` and for the test that compares them with what the migrations make."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects import postgresql

metadata = MetaData()

# JIDs and ids sort by code point everywhere, not by the language of the database.
Name = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

# Times are microseconds since 1970-01-01 UTC; truth values are 0 and 1, as SQLite keeps them.
accounts = Table(
    "accounts",
    metadata,
    Column("jid", Name, primary_key=True),
    Column("host", Name, nullable=False),
    Column("enabled", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("credentials", Text, nullable=False),  # JSON, see rows.py
    Column("roster_version", BigInteger, nullable=False),
    Index("accounts_by_host", "host", "jid"),
    sqlite_with_rowid=False,
)

roster = Table(
    "roster",
    metadata,
    Column("owner", Name, primary_key=True),
    Column("contact", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("subscription", Text, nullable=False),
    Column("ask", SmallInteger, nullable=False),
    Column("approved", SmallInteger, nullable=False),
    Column("groups", Text, nullable=False),  # a JSON array, or nothing
    Column("pending_in", LargeBinary),
    sqlite_with_rowid=False,
)

offline = Table(
    "offline",
    metadata,
    Column("owner", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("stamp", BigInteger, nullable=False),
    Column("stanza", LargeBinary, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("owner", Name, primary_key=True),
    Column("kind", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", Name, primary_key=True),
    Column("owner", Name, nullable=False),
    Column("jid", Name, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("sessions_by_owner", "owner"),
)

# Alembic's own table: one row with the revision of the schema.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", Text, primary_key=True))
