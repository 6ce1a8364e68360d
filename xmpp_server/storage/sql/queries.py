"""The SQL of the store in SQLAlchemy Core, for `make sql`: the server itself reads what was compiled (ADR 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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

from xmpp_server.storage.sql.schema import accounts, alembic_version, documents, offline, roster, sessions
from xmpp_server.storage.sql.statements import SIZES, DialectName, Sized, Statement, Statements

R = TypeVar("R")

Query = Select[*tuple[object, ...]] | Insert | Update | Delete

# PostgreSQL's advisory lock that an upgrade of the schema holds: any number that nobody else uses.
_SCHEMA_LOCK = 5222_6120_6121


def compile_statements(name: DialectName) -> Statements:
    """Compile every statement of the store for the driver of a database: sqlite3, or asyncpg."""
    dialect: Dialect
    if name == "sqlite":
        dialect = sqlite.dialect(paramstyle="qmark")
    else:
        dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy left it without types

    def write(query: Query) -> Statement[R]:
        compiled = query.compile(dialect=dialect)
        constants = {str(name): value for name, value in compiled.params.items() if value is not None}
        return Statement(str(compiled), tuple(map(str, compiled.positiontup or ())), constants)

    def write_sizes(query: Callable[[int], Query]) -> Sized[R]:
        return Sized({size: write(query(size)) for size in SIZES})

    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    owner: BindParameter[str] = bindparam("owner", type_=Text)
    limit: BindParameter[int] = bindparam("limit", type_=BigInteger)
    account = accounts.c.jid == owner
    create = insert(accounts).values(_binds(accounts)).on_conflict_do_nothing()
    items = select(_items(dialect)).where(roster.c.owner == owner).scalar_subquery()
    waiting = select(func.count()).where(offline.c.owner == owner).scalar_subquery()
    document = (documents.c.owner == owner, documents.c.kind == bindparam("kind"))
    one = (*document, documents.c.key == bindparam("key"))
    # The rest of the transaction is also kept from being lost when PostgreSQL itself dies.
    return Statements(
        create_account=write(create.returning(accounts.c.jid)),
        account=write(
            select(accounts.c.jid, accounts.c.enabled, accounts.c.created, accounts.c.credentials).where(account)
        ),
        set_credentials=write(
            update(accounts).where(account).values(credentials=bindparam("credentials")).returning(accounts.c.jid)
        ),
        set_enabled=write(
            update(accounts).where(account).values(enabled=bindparam("enabled")).returning(accounts.c.jid)
        ),
        delete_account=write(delete(accounts).where(account).returning(accounts.c.jid)),
        delete_owned=tuple(
            write(delete(table).where(table.c.owner == owner)) for table in (roster, offline, documents, sessions)
        ),
        list_accounts=write(
            select(accounts.c.jid)
            .where(accounts.c.host == bindparam("host"), accounts.c.jid > bindparam("after"))
            .order_by(accounts.c.jid)
            .limit(limit)
        ),
        count_accounts=write(select(func.count()).select_from(accounts).where(accounts.c.host == bindparam("host"))),
        hosts=write(select(accounts.c.host).distinct().order_by(accounts.c.host)),
        loaded=write(
            select(
                accounts.c.jid,
                accounts.c.enabled,
                accounts.c.created,
                accounts.c.credentials,
                accounts.c.roster_version,
                items,
                waiting,
            ).where(account)
        ),
        roster=write(select(accounts.c.roster_version, items).where(account)),
        next_roster_version=write(
            update(accounts)
            .where(account)
            .values(roster_version=accounts.c.roster_version + 1)
            .returning(accounts.c.roster_version)
        ),
        put_item=write(_upsert(insert(roster), roster)),
        remove_item=write(delete(roster).where(roster.c.owner == owner, roster.c.contact == bindparam("contact"))),
        append_offline=write_sizes(
            lambda size: insert(offline).values(_many_binds(offline, size)).on_conflict_do_nothing()
        ),
        load_offline=write(
            select(offline.c.id, offline.c.stamp, offline.c.stanza)
            .where(offline.c.owner == owner, offline.c.id > bindparam("after"))
            .order_by(offline.c.id)
            .limit(limit)
        ),
        remove_offline=write_sizes(
            lambda size: delete(offline).where(offline.c.owner == owner, offline.c.id.in_(_keys(size)))
        ),
        count_offline=write(select(func.count()).where(offline.c.owner == owner)),
        document=write(select(documents.c.data).where(*one)),
        documents=write(select(documents.c.key, documents.c.data).where(*document).order_by(documents.c.key)),
        kinds=write(select(documents.c.kind).distinct().where(documents.c.owner == owner).order_by(documents.c.kind)),
        document_owners=write(
            select(documents.c.owner)
            .distinct()
            .where(documents.c.owner > bindparam("after"))
            .order_by(documents.c.owner)
            .limit(limit)
        ),
        documents_of_kinds=write_sizes(
            lambda size: (
                select(documents.c.kind, documents.c.key, documents.c.data)
                .where(documents.c.owner == owner, documents.c.kind.in_(_keys(size)))
                .order_by(documents.c.kind, documents.c.key)
            )
        ),
        put_document=write(_upsert(insert(documents), documents)),
        remove_document=write(delete(documents).where(*one)),
        save_session=write(_upsert(insert(sessions), sessions)),
        take_sessions=write(
            delete(sessions).returning(sessions.c.token, sessions.c.jid, sessions.c.expires, sessions.c.data)
        ),
        revision=write(select(alembic_version.c.version_num)),
        has_revision=write(_has_table(dialect, str(alembic_version.name))),
        lock_schema=write(
            select(
                func.pg_advisory_xact_lock(literal(_SCHEMA_LOCK, BigInteger)),
                func.set_config("synchronous_commit", "on", True),
            )
        ),
    )


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
