"""The first tables: accounts, rosters, offline messages, documents, saved sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Write the SQL of this revision."""
    name = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.create_table(
        "accounts",
        sa.Column("jid", name, primary_key=True),
        sa.Column("host", name, nullable=False),
        sa.Column("enabled", sa.SmallInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("credentials", sa.Text, nullable=False),
        sa.Column("roster_version", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("accounts_by_host", "accounts", ["host", "jid"])
    op.create_table(
        "roster",
        sa.Column("owner", name, primary_key=True),
        sa.Column("contact", name, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("subscription", sa.Text, nullable=False),
        sa.Column("ask", sa.SmallInteger, nullable=False),
        sa.Column("approved", sa.SmallInteger, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("pending_in", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "offline",
        sa.Column("owner", name, primary_key=True),
        sa.Column("id", name, primary_key=True),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.Column("stanza", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("owner", name, primary_key=True),
        sa.Column("kind", name, primary_key=True),
        sa.Column("key", name, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("token", name, primary_key=True),
        sa.Column("owner", name, nullable=False),
        sa.Column("jid", name, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("sessions_by_owner", "sessions", ["owner"])
