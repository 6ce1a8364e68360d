"""Database work as scripts: generators that yield steps and are sent rows, so that each driver can run them.

A script says what is done in which order; the driver says how (threads or asyncio) and wraps transactions around it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

from xmpp_server.storage.api import StorageError
from xmpp_server.storage.sql.statements import SIZES, Sized, Statement

R = TypeVar("R")
T = TypeVar("T")


class Step(NamedTuple):
    """One statement to execute."""

    sql: str
    values: tuple[object, ...]


Script = Generator[Step, Sequence[object], T]


class Row(NamedTuple):
    """A write that only adds one row: neighbours for the same statement are executed as one."""

    statement: Sized[tuple[()]]
    values: tuple[object, ...]


# A script is made anew for each try.
Work = Row | Callable[[], Script[T]]


def fetch(statement: Statement[R], **values: object) -> Script[Sequence[R]]:
    """Execute a statement; the script's result is its rows."""
    rows = yield Step(statement.sql, statement.bind(**values))
    return cast("Sequence[R]", rows)


def batch(works: Sequence[Work[object]]) -> Script[list[object]]:
    """Execute several writes, in order; the results are in the same order.

    A script may raise `StorageError` as long as it has changed nothing; that is its result then.
    """
    results: list[object] = []
    rows: list[Row] = []
    for work in works:
        if isinstance(work, Row):
            if rows and rows[0].statement is not work.statement:
                yield from _insert(rows)
                rows = []
            rows.append(work)
            results.append(None)
            continue
        if rows:
            yield from _insert(rows)
            rows = []
        try:
            results.append((yield from work()))
        except StorageError as error:
            results.append(error)
    if rows:
        yield from _insert(rows)
    return results


def _insert(rows: list[Row]) -> Iterator[Step]:
    start = 0
    for size in SIZES:
        while len(rows) - start >= size:
            values = tuple(value for row in rows[start : start + size] for value in row.values)
            yield Step(rows[0].statement.of(size).sql, values)
            start += size
