"""Links to log in with and sessions, as SQL."""

from __future__ import annotations

import sqlite3

import pytest

from components.xmpp_files.index import _FIRST
from components.xmpp_files.network_disk import sessions
from components.xmpp_files.network_disk.errors import DiskError
from components.xmpp_files.network_disk.schema import TABLES
from tests.components.files.network_disk.conftest import JULIET, NOW, ROMEO


@pytest.fixture
def database():
    with sqlite3.connect(":memory:") as database:
        database.executescript(_FIRST + TABLES)
        yield database
    database.close()


def test_a_link_is_good_for_one_use_before_its_end(database):
    secret = sessions.invite(database, ROMEO, NOW + 10)
    assert sessions.invited(database, secret, NOW) == ROMEO
    for _ in range(2):
        with pytest.raises(DiskError):
            sessions.log_in(database, secret, NOW + 10, NOW + 100)
    session = sessions.log_in(database, secret, NOW + 9, NOW + 100)
    assert session.jid == ROMEO
    with pytest.raises(DiskError):
        sessions.log_in(database, secret, NOW + 9, NOW + 100)


def test_a_session_ends(database):
    session = sessions.log_in(database, sessions.invite(database, ROMEO, NOW + 10), NOW, NOW + 100)
    assert sessions.session(database, session.secret, NOW + 99) == session
    assert sessions.session(database, session.secret, NOW + 100) is None
    assert sessions.session(database, "", NOW) is None
    sessions.forget_old(database, NOW + 100)
    assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_no_secret_is_in_the_database(database):
    secret = sessions.invite(database, ROMEO, NOW + 10)
    assert secret not in "\n".join(database.iterdump())
    session = sessions.log_in(database, secret, NOW, NOW + 100)
    assert session.secret not in "\n".join(database.iterdump())


def test_forms_have_a_secret_of_their_own(database):
    one, other = (
        sessions.log_in(database, sessions.invite(database, jid, NOW + 10), NOW, NOW + 100) for jid in (ROMEO, JULIET)
    )
    assert one.is_own(one.csrf)
    assert not one.is_own(other.csrf)
    assert not one.is_own("")
    assert one.secret not in one.csrf


def test_a_user_has_so_many_sessions_at_most(database):
    for number in range(25):
        sessions.log_in(database, sessions.invite(database, ROMEO, NOW + 10), NOW, NOW + 100 + number)
    assert database.execute("SELECT count(*), min(until) FROM sessions").fetchone() == (20, NOW + 105)


def test_logging_out(database):
    first, second = (
        sessions.log_in(database, sessions.invite(database, ROMEO, NOW + 10), NOW, NOW + 100) for _ in range(2)
    )
    sessions.log_out(database, first.secret)
    assert sessions.session(database, first.secret, NOW) is None
    open_link = sessions.invite(database, ROMEO, NOW + 10)
    assert sessions.log_out_everywhere(database, ROMEO) == 1
    assert sessions.session(database, second.secret, NOW) is None
    with pytest.raises(DiskError):
        sessions.invited(database, open_link, NOW)
