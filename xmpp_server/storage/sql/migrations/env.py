"""What Alembic runs for every command: write the SQL of the asked revisions, in offline mode."""

from alembic import context

# The caller wraps the transaction: it holds the lock as well.
context.configure(dialect_name=context.config.attributes["dialect"], transactional_ddl=False)
context.run_migrations()
