"""The statements of the store as text with an order of values, compiled ahead from `queries` by `make sql` (ADR 10).

SQLAlchemy's own way of executing costs some 0.1 ms a statement; drivers execute this text directly.
"""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec

from xmpp_server.storage.sql.rows import AccountRow, LoadedRow, RosterRow, SessionRow

R = TypeVar("R")

DialectName = Literal["sqlite", "postgresql"]

COMPILED = Path(__file__).parent / "compiled"

# Sizes of the statements that take many rows or keys at once: few enough to stay prepared.
SIZES = (128, 64, 32, 16, 8, 4, 2, 1)


class Statement(msgspec.Struct, Generic[R], frozen=True):
    """SQL text whose rows are of type `R`; `order` names the values in the order of their places."""

    sql: str
    order: tuple[str, ...]
    constants: dict[str, str | int | bool]

    def bind(self, **values: object) -> tuple[object, ...]:
        """Put values, by name, into the order of the text; KeyError if one is missing."""
        values.update(self.constants)
        if len(self.order) < 2:
            return tuple(values[name] for name in self.order)
        row: tuple[object, ...] = itemgetter(*self.order)(values)
        return row


class Sized(msgspec.Struct, Generic[R], frozen=True):
    """One statement for many rows or keys, in each of `SIZES`."""

    by_size: dict[int, Statement[R]]

    def of(self, size: int) -> Statement[R]:
        """Give the statement for exactly `size` rows or keys."""
        return self.by_size[size]


class Statements(msgspec.Struct, frozen=True):
    """Every statement of the store, for one dialect."""

    create_account: Statement[tuple[str]]
    account: Statement[AccountRow]
    set_credentials: Statement[tuple[str]]
    set_enabled: Statement[tuple[str]]
    delete_account: Statement[tuple[str]]
    delete_owned: tuple[Statement[tuple[()]], ...]
    list_accounts: Statement[tuple[str]]
    count_accounts: Statement[tuple[int]]
    hosts: Statement[tuple[str]]
    loaded: Statement[LoadedRow]

    roster: Statement[RosterRow]
    next_roster_version: Statement[tuple[int]]
    put_item: Statement[tuple[()]]
    remove_item: Statement[tuple[()]]

    append_offline: Sized[tuple[()]]
    load_offline: Statement[tuple[str, int, bytes]]
    remove_offline: Sized[tuple[()]]
    count_offline: Statement[tuple[int]]

    document: Statement[tuple[bytes]]
    documents: Statement[tuple[str, bytes]]
    kinds: Statement[tuple[str]]
    document_owners: Statement[tuple[str]]
    documents_of_kinds: Sized[tuple[str, str, bytes]]
    put_document: Statement[tuple[()]]
    remove_document: Statement[tuple[()]]

    save_session: Statement[tuple[()]]
    take_sessions: Statement[SessionRow]

    revision: Statement[tuple[str]]
    has_revision: Statement[tuple[int]]
    lock_schema: Statement[tuple[()]]


def compiled_for(dialect: DialectName) -> Statements:
    """Read the statements for sqlite3 ("sqlite") or asyncpg ("postgresql")."""
    return msgspec.json.decode(statements_file(dialect).read_bytes(), type=Statements)


def statements_file(dialect: DialectName) -> Path:
    """Name the file of a dialect's statements."""
    return COMPILED / f"{dialect}.json"


def sized(count: int) -> int:
    """Give the smallest of `SIZES` that takes `count` keys, or the largest size."""
    return next((size for size in reversed(SIZES) if size >= count), SIZES[0])


def padded(keys: list[str], size: int) -> dict[str, str]:
    """Name up to `size` keys as the statements do; the last one fills the places that are left."""
    last = len(keys) - 1
    return {f"key_{place}": keys[min(place, last)] for place in range(size)}
