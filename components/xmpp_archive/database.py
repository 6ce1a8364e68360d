"""What the archive needs of a database: transactions one after the other, reads beside them, an index of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, TextClause

from components.xmpp_archive.tables import Values

T = TypeVar("T")

Condition: TypeAlias = ColumnElement[bool] | TextClause


class Texts(Protocol):
    """The words of bodies (XEP-0431), beside the entries that have them."""

    def matches(self, owner: int, wanted: str) -> Condition:
        """Return the condition that an entry of an archive is found; raises RequestError bad-request."""
        ...

    def forget(self, database: Connection, owner: int, last: str | None) -> None:
        """Forget the entries of an archive up to an id, or all."""
        ...

    def forget_one(self, database: Connection, owner: int, ident: str, stanza: str) -> None:
        """Forget one entry, of which this was the stanza."""
        ...


class Database(Protocol):
    """One archive; all raise ArchiveError when it cannot be opened, read or written."""

    @property
    def texts(self) -> Texts | None:
        """The index of words; None where nothing can be searched."""
        ...

    async def open(self) -> None:
        """Connect, and bring the schema up to date."""
        ...

    async def close(self) -> None:
        """Disconnect; what was written before is committed."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction; one is under way at a time, in the order of the calls."""
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do something that only reads."""
        ...

    def insert(self, database: Connection, rows: Sequence[Values]) -> int:
        """Add entries, with their words, unless they are there; return how many were not."""
        ...

    def is_contact(self, bare: str) -> Condition:
        """Return the condition that an entry is with a contact."""
        ...
