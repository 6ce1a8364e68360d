from __future__ import annotations

from xmpp_server.storage.sql.compiler import compiled_files, upgrade_sql
from xmpp_server.storage.sql.migration import HEAD
from xmpp_server.storage.sql.migration import upgrade_sql as compiled_upgrade_sql
from xmpp_server.storage.sql.queries import compile_statements
from xmpp_server.storage.sql.statements import COMPILED, compiled_for


def test_what_is_compiled_is_what_the_source_says() -> None:
    stale = [file.name for file, text in compiled_files() if not file.exists() or file.read_text() != text]
    assert stale == [], "run `make sql`"


def test_nothing_else_is_there() -> None:
    assert {file.name for file in COMPILED.iterdir()} == {file.name for file, _ in compiled_files()}


def test_statements_survive_the_file() -> None:
    assert compiled_for("sqlite") == compile_statements("sqlite")
    assert compiled_for("postgresql") == compile_statements("postgresql")


def test_single_steps_are_the_whole_upgrade() -> None:
    assert compiled_upgrade_sql(None, "sqlite") == upgrade_sql("sqlite", None, HEAD)
    assert compiled_upgrade_sql(HEAD, "sqlite") == ""
