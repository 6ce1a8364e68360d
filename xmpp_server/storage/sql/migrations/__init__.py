"""The revisions of the schema, for Alembic; they write SQL and never read the database (see ../migration.py)."""
