"""Queries in SQL: bounds, filters and order of one page; everything from outside is a bound parameter."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import Connection, func, select

from components.xmpp_archive.batch import first_id
from components.xmpp_archive.database import Condition, Database
from components.xmpp_archive.query import Query
from components.xmpp_archive.tables import entries, owners
from components.xmpp_component.errors import RequestError

Conditions: TypeAlias = list[Condition]

#: Ranges are counted as far as this; larger ones have no count in the answer (XEP-0059 §2.6 allows it).
COUNTED = 1_000


def owner_number(database: Connection, owner: str) -> int | None:
    """Return the number of an archive, None where there is none."""
    number: int | None = database.execute(select(owners.c.number).where(owners.c.jid == owner)).scalar()
    return number


def check_ids(database: Connection, owner: int, query: Query) -> None:
    """Check that the ids that the query names exist.

    Raises:
        RequestError: item-not-found (XEP-0313 §4.1.3, §4.2).

    """
    named = set(query.named_ids)
    if named:
        found = select(func.count()).where(entries.c.owner == owner, entries.c.id.in_(named))
        if database.execute(found).scalar() != len(named):
            raise RequestError("item-not-found", "cancel", "There is no entry of this id")


def conditions(tables: Database, owner: int, query: Query) -> Conditions:
    """Return what the rows of the whole range fulfil."""
    column = entries.c
    wanted: Conditions = [column.owner == owner]
    if query.contact is not None:
        bare, _, resource = query.contact.partition("/")
        wanted.append(tables.is_contact(bare))
        if resource:
            wanted.append(column.resource == resource)
    if query.ids:
        wanted.append(column.id.in_(query.ids))
    if query.text is not None and tables.texts is not None:
        wanted.append(tables.texts.matches(owner, query.text))
    if not query.groupchat:
        wanted.append(column.groupchat.is_(False))
    if query.after_id is not None:
        wanted.append(column.id > query.after_id)
    if query.before_id is not None:
        wanted.append(column.id < query.before_id)
    if query.start_ms is not None:
        wanted.append(column.id >= first_id(query.start_ms))
    if query.end_ms is not None:
        wanted.append(column.id < first_id(query.end_ms + 1))
    return wanted


def count(database: Connection, wanted: Conditions, limit: int | None) -> int | None:
    """Return how many rows there are; None if they are more than `limit`."""
    found = select(entries.c.id).where(*wanted)
    if limit is None:
        return database.execute(select(func.count()).select_from(found.subquery())).scalar()
    some = found.limit(limit + 1).subquery()
    number: int = database.execute(select(func.count()).select_from(some)).scalar_one()
    return number if number <= limit else None


def ages(database: Connection, owner: int, digits: int) -> list[tuple[str, int]]:
    """Return the first digits of an archive's ids, and how many begin so."""
    first = func.substr(entries.c.id, 1, digits)
    found = select(first, func.count()).where(entries.c.owner == owner).group_by(first)
    return [(row[0], row[1]) for row in database.execute(found)]


def page(database: Connection, wanted: Conditions, query: Query) -> tuple[list[tuple[str, str]], bool]:
    """Return (id, stanza) of a page in the order of time, and whether nothing is left behind it."""
    column = entries.c
    found = select(column.id, column.stanza).where(*wanted)
    if query.after:
        found = found.where(column.id > query.after)
    if query.before:
        found = found.where(column.id < query.before)
    found = found.order_by(column.id.desc() if query.backwards else column.id).limit(query.most + 1)
    rows = [(row.id, row.stanza) for row in database.execute(found)]
    complete = len(rows) <= query.most
    return rows[: query.most], complete
