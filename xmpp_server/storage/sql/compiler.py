"""`make sql`: compiles `queries` and `migrations` into `compiled/`, so that the server starts without SQLAlchemy.

A test compares the folder with what this module would write.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
from alembic import command
from alembic.config import Config

from xmpp_server.storage.sql.migration import REVISIONS, upgrade_file
from xmpp_server.storage.sql.queries import compile_statements
from xmpp_server.storage.sql.statements import DialectName, Statements, statements_file

_MIGRATIONS = Path(__file__).parent / "migrations"


def compiled_files() -> Iterator[tuple[Path, str]]:
    """Compile all; yields each file of `compiled/` with its text."""
    for dialect in get_args(DialectName):
        yield statements_file(dialect), _json(compile_statements(dialect))
        before = None
        for revision in REVISIONS:
            yield upgrade_file(dialect, revision), upgrade_sql(dialect, before, revision)
            before = revision


def upgrade_sql(dialect: DialectName, before: str | None, revision: str) -> str:
    """Let Alembic write the SQL from one revision (None: an empty database) to another, without transactions."""
    output = io.StringIO()
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["dialect"] = dialect
    command.upgrade(config, f"{before or 'base'}:{revision}", sql=True)
    return output.getvalue()


def _json(statements: Statements) -> str:
    """Write one statement a line, so that a change can be read."""
    lines = [
        f'"{name}": {msgspec.json.encode(getattr(statements, name)).decode()}' for name in Statements.__struct_fields__
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    for file, text in compiled_files():
        file.write_text(text)
