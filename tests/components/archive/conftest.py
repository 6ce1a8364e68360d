"""An archive on disk, without any XMPP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from components.xmpp_archive.batch import Entry
from components.xmpp_archive.database import Database
from components.xmpp_archive.postgresql import PostgresDatabase
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.sqlite import SqliteDatabase
from components.xmpp_archive.store import Store
from tests.postgres import PostgresServer, postgres
from tests.raw import abort_all

__all__ = ["postgres"]

OWNER, OTHER = "romeo@example.org", "juliet@example.org/balcony"
#: 2024-01-01T00:00:00Z
START_MS = 1_704_067_200_000


def ident(number: int) -> str:
    return f"{START_MS + number * 1000:012x}{number:020x}"


def entry(number: int, owner: str = OWNER, contact: str = OTHER, **more: bool) -> Entry:
    stanza = f"<message xmlns='jabber:client' type='chat'><body>{number}</body></message>"
    return Entry(ident(number), owner, contact, stanza, **more)


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()


KINDS = ("sqlite", "postgresql")


async def database_of(kind: str, request: pytest.FixtureRequest, folder: Path, *, search: bool = False) -> Database:
    """An empty database of a kind, still closed."""
    if kind == "sqlite":
        return SqliteDatabase(folder / "archive.db", search=search)
    server: PostgresServer = request.getfixturevalue("postgres")
    return PostgresDatabase(await server.new_database(), search=search)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An open store of each kind."""
    store = Store(await database_of(request.param, request, tmp_path), Prefs("always"))
    await store.open()
    yield store
    await store.close()
