"""The SQL of the store: written in SQLAlchemy Core, compiled once per driver to text and an order of values.

SQLAlchemy's own way of executing costs some 0.1 ms a statement; drivers execute this text directly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.elements import BindParameter

from xmpp_server.storage.sql.rows import AccountRow, LoadedRow, RosterRow, SessionRow
from xmpp_server.storage.sql.schema import accounts, alembic_version, documents, offline, roster, sessions

R = TypeVar("R")

# Sizes of the statements that take many rows or keys at once: few enough to stay prepared.
SIZES = (128, 64, 32, 16, 8, 4, 2, 1)

# PostgreSQL's advisory lock that an upgrade of the schema holds: any number that nobody else uses.
_SCHEMA_LOCK = 5222_6120_6121


@dataclass(frozen=True, slots=True)
class Statement(Generic[R]):
    """SQL text whose rows are of type `R`; `order` names the values in the order of their places."""

    sql: str
    order: tuple[str, ...]
    constants: dict[str, object]

    def bind(self, **values: object) -> tuple[object, ...]:
        """Put values, by name, into the order of the text; KeyError if one is missing."""
        values.update(self.constants)
        if len(self.order) < 2:
            return tuple(values[name] for name in self.order)
        row: tuple[object, ...] = itemgetter(*self.order)(values)
        return row


class Sized(Generic[R]):
    """One statement for many rows or keys, compiled for each of `SIZES` when first used."""

    def __init__(self, build: Callable[[int], Statement[R]]) -> None:
        self._build = build
        self._built: dict[int, Statement[R]] = {}

    def of(self, size: int) -> Statement[R]:
        """Give the statement for exactly `size` rows or keys."""
        statement = self._built.get(size)
        if statement is None:
            statement = self._built[size] = self._build(size)
        return statement


class Statements:
    """Every statement of the store, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        owner: BindParameter[str] = bindparam("owner", type_=Text)
        limit: BindParameter[int] = bindparam("limit", type_=BigInteger)
        account = accounts.c.jid == owner

        create = insert(accounts).values(_binds(accounts)).on_conflict_do_nothing()
        self.create_account: Statement[tuple[str]] = self._compile(create.returning(accounts.c.jid))
        self.account: Statement[AccountRow] = self._compile(
            select(accounts.c.jid, accounts.c.enabled, accounts.c.created, accounts.c.credentials).where(account)
        )
        self.set_credentials: Statement[tuple[str]] = self._compile(
            update(accounts).where(account).values(credentials=bindparam("credentials")).returning(accounts.c.jid)
        )
        self.set_enabled: Statement[tuple[str]] = self._compile(
            update(accounts).where(account).values(enabled=bindparam("enabled")).returning(accounts.c.jid)
        )
        self.delete_account: Statement[tuple[str]] = self._compile(
            delete(accounts).where(account).returning(accounts.c.jid)
        )
        self.delete_owned: tuple[Statement[tuple[()]], ...] = tuple(
            self._compile(delete(table).where(table.c.owner == owner))
            for table in (roster, offline, documents, sessions)
        )
        self.list_accounts: Statement[tuple[str]] = self._compile(
            select(accounts.c.jid)
            .where(accounts.c.host == bindparam("host"), accounts.c.jid > bindparam("after"))
            .order_by(accounts.c.jid)
            .limit(limit)
        )
        self.count_accounts: Statement[tuple[int]] = self._compile(
            select(func.count()).select_from(accounts).where(accounts.c.host == bindparam("host"))
        )
        self.hosts: Statement[tuple[str]] = self._compile(select(accounts.c.host).distinct().order_by(accounts.c.host))

        items = select(_items(dialect)).where(roster.c.owner == owner).scalar_subquery()
        waiting = select(func.count()).where(offline.c.owner == owner).scalar_subquery()
        self.loaded: Statement[LoadedRow] = self._compile(
            select(
                accounts.c.jid,
                accounts.c.enabled,
                accounts.c.created,
                accounts.c.credentials,
                accounts.c.roster_version,
                items,
                waiting,
            ).where(account)
        )
        self.roster: Statement[RosterRow] = self._compile(select(accounts.c.roster_version, items).where(account))
        self.next_roster_version: Statement[tuple[int]] = self._compile(
            update(accounts)
            .where(account)
            .values(roster_version=accounts.c.roster_version + 1)
            .returning(accounts.c.roster_version)
        )
        self.put_item: Statement[tuple[()]] = self._compile(_upsert(insert(roster), roster))
        self.remove_item: Statement[tuple[()]] = self._compile(
            delete(roster).where(roster.c.owner == owner, roster.c.contact == bindparam("contact"))
        )

        self.append_offline: Sized[tuple[()]] = Sized(
            lambda size: self._compile(insert(offline).values(_many_binds(offline, size)).on_conflict_do_nothing())
        )
        self.load_offline: Statement[tuple[str, int, bytes]] = self._compile(
            select(offline.c.id, offline.c.stamp, offline.c.stanza)
            .where(offline.c.owner == owner, offline.c.id > bindparam("after"))
            .order_by(offline.c.id)
            .limit(limit)
        )
        self.remove_offline: Sized[tuple[()]] = Sized(
            lambda size: self._compile(delete(offline).where(offline.c.owner == owner, offline.c.id.in_(_keys(size))))
        )
        self.count_offline: Statement[tuple[int]] = self._compile(select(func.count()).where(offline.c.owner == owner))

        document = (documents.c.owner == owner, documents.c.kind == bindparam("kind"))
        one = (*document, documents.c.key == bindparam("key"))
        self.document: Statement[tuple[bytes]] = self._compile(select(documents.c.data).where(*one))
        self.documents: Statement[tuple[str, bytes]] = self._compile(
            select(documents.c.key, documents.c.data).where(*document).order_by(documents.c.key)
        )
        self.kinds: Statement[tuple[str]] = self._compile(
            select(documents.c.kind).distinct().where(documents.c.owner == owner).order_by(documents.c.kind)
        )
        self.documents_of_kinds: Sized[tuple[str, str, bytes]] = Sized(
            lambda size: self._compile(
                select(documents.c.kind, documents.c.key, documents.c.data)
                .where(documents.c.owner == owner, documents.c.kind.in_(_keys(size)))
                .order_by(documents.c.kind, documents.c.key)
            )
        )
        self.put_document: Statement[tuple[()]] = self._compile(_upsert(insert(documents), documents))
        self.remove_document: Statement[tuple[()]] = self._compile(delete(documents).where(*one))

        self.save_session: Statement[tuple[()]] = self._compile(_upsert(insert(sessions), sessions))
        self.take_sessions: Statement[SessionRow] = self._compile(
            delete(sessions).returning(sessions.c.token, sessions.c.jid, sessions.c.expires, sessions.c.data)
        )

        self.revision: Statement[tuple[str]] = self._compile(select(alembic_version.c.version_num))
        self.has_revision: Statement[tuple[int]] = self._compile(_has_table(dialect, alembic_version.name))
        # The rest of the transaction is also kept from being lost when PostgreSQL itself dies.
        self.lock_schema: Statement[tuple[()]] = self._compile(
            select(
                func.pg_advisory_xact_lock(literal(_SCHEMA_LOCK, BigInteger)),
                func.set_config("synchronous_commit", "on", True),
            )
        )

    def _compile(self, statement: Select[*tuple[object, ...]] | Insert | Update | Delete) -> Statement[R]:
        compiled = statement.compile(dialect=self._dialect)
        order = tuple(compiled.positiontup or ())
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return Statement(str(compiled), order, constants)


def for_sqlite() -> Statements:
    """Compile for the standard library's sqlite3."""
    return Statements(sqlite.dialect(paramstyle="qmark"))


def for_postgresql() -> Statements:
    """Compile for asyncpg."""
    return Statements(asyncpg.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy left it without types


def sized(count: int) -> int:
    """Give the smallest of `SIZES` that takes `count` keys, or the largest size."""
    return next((size for size in reversed(SIZES) if size >= count), SIZES[0])


def padded(keys: list[str], size: int) -> dict[str, str]:
    """Name up to `size` keys as `_keys` does; the last one fills the places that are left."""
    last = len(keys) - 1
    return {f"key_{place}": keys[min(place, last)] for place in range(size)}


def _keys(size: int) -> list[BindParameter[str]]:
    return [bindparam(f"key_{place}", type_=Text) for place in range(size)]


def _binds(table: Table) -> dict[str, BindParameter[object]]:
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c}


def _many_binds(table: Table, size: int) -> list[dict[str, BindParameter[object]]]:
    return [
        {column.name: bindparam(f"{column.name}_{place}", type_=column.type) for column in table.c}
        for place in range(size)
    ]


def _has_table(dialect: Dialect, name: str) -> Select[*tuple[object, ...]]:
    if dialect.name == "postgresql":
        # Not to_regclass(): it believes its cache, even behind the lock that another upgrade has just released.
        tables = table("pg_tables", column("schemaname"), column("tablename"), schema="pg_catalog")
        return (
            select(func.count())
            .select_from(tables)
            .where(tables.c.schemaname == func.current_schema(), tables.c.tablename == literal(name, Text))
        )
    tables = table("sqlite_master", column("name"))
    return select(func.count()).select_from(tables).where(tables.c.name == name)


def _upsert(insert: sqlite.Insert | postgresql.Insert, table: Table) -> Insert:
    """Insert a row, or replace all but the key of the one with its key."""
    insert = insert.values(_binds(table))
    others = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def _items(dialect: Dialect) -> ColumnElement[str]:
    """All items of a roster as one JSON text (rows.py reads it).

    One value instead of a row per contact, so that an account is loaded by one statement.
    """
    columns = (
        roster.c.contact,
        roster.c.name,
        roster.c.subscription,
        roster.c.ask,
        roster.c.approved,
        roster.c.groups,
    )
    if dialect.name == "postgresql":
        hexadecimal = func.encode(roster.c.pending_in, "hex")
        return cast(func.json_agg(func.json_build_array(*columns, hexadecimal)), Text)
    return func.json_group_array(func.json_array(*columns, func.hex(roster.c.pending_in)))
