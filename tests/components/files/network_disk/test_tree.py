"""The tree in SQL: reading and changing it, and what happens to files with their names."""

from __future__ import annotations

import sqlite3

import pytest

from components.xmpp_files.index import _FIRST, File, Index, reserve
from components.xmpp_files.network_disk import changes, names, tree, uploads
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.schema import PURPOSE, TABLES
from components.xmpp_files.slots import new_id
from tests.components.files.network_disk.conftest import FREE, JULIET, NOW, ROMEO


@pytest.fixture
def database():
    with sqlite3.connect(":memory:") as database:
        database.executescript(_FIRST + TABLES)
        yield database
    database.close()


def folder(database: sqlite3.Connection, name: str, parent: int = 0, store: str = ROMEO) -> tree.Entry:
    made = changes.add(database, store, parent, name, None, store, NOW)
    assert made is not None
    return made


def file(
    database: sqlite3.Connection, name: str, parent: int = 0, *, slot_until: int | None = None, author: str = ROMEO
) -> tree.Entry | None:
    row = File(new_id(), ROMEO, "montague.test", "", 10, "text/plain", PURPOSE, NOW, None, slot_until)
    assert reserve(database, row, FREE) is None
    return changes.add(database, ROMEO, parent, name, row.id, author, NOW)


def listed(database: sqlite3.Connection, parent: int = 0) -> list[str]:
    return [entry.name for entry in tree.page(database, ROMEO, parent, None, 100).entries]


def refused(reason: Reason):
    return pytest.raises(DiskError, check=lambda error: error.reason is reason)


def test_folders_come_first_then_names(database):
    for name in ("b.txt", "A.txt", "\u00e4.txt"):
        file(database, name)
    for name in ("z", "Y"):
        folder(database, name)
    assert listed(database) == ["Y", "z", "A.txt", "b.txt", "\u00e4.txt"]


def test_pages_go_on_where_they_ended_even_if_that_is_gone(database):
    entries = [folder(database, f"{number:02}") for number in range(10)]
    first = tree.page(database, ROMEO, 0, None, 4)
    assert [entry.name for entry in first.entries] == ["00", "01", "02", "03"]
    changes.remove(database, entries[3], NOW)
    second = tree.page(database, ROMEO, 0, first.after, 100)
    assert [entry.name for entry in second.entries] == ["04", "05", "06", "07", "08", "09"]
    assert second.after is None


def test_names_are_taken_once_whatever_their_case(database):
    folder(database, "Photos")
    for name in ("photos", "PHOTOS"):
        with refused(Reason.TAKEN):
            folder(database, name)
    file(database, "Photos")
    assert listed(database) == ["Photos", "Photos (2)"]


def test_the_name_of_the_uploads_is_taken_at_the_top(database):
    with refused(Reason.TAKEN):
        folder(database, names.UPLOADS.upper())
    inner = folder(database, "inner")
    folder(database, names.UPLOADS, inner.id)
    file(database, names.UPLOADS)
    assert listed(database) == ["inner", "Uploads (2)"]


def test_paths_lead_to_entries(database):
    photos = folder(database, "Photos")
    cat = file(database, "cat.jpg", photos.id)
    assert tree.resolve(database, ROMEO, "/photos/CAT.jpg") == cat
    assert tree.resolve(database, ROMEO, "/") is None
    assert [entry.name for entry in tree.path_of(database, cat)] == ["Photos", "cat.jpg"]
    for path in ("/Photos/dog.jpg", "/cat.jpg", "/Photos/cat.jpg/x"):
        with refused(Reason.MISSING):
            tree.resolve(database, ROMEO, path)
    with refused(Reason.MISSING):
        tree.resolve(database, JULIET, "/Photos")


def test_entries_move_with_what_is_in_them(database):
    a, b = folder(database, "a"), folder(database, "b")
    file(database, "x", a.id)
    moved = changes.move(database, a, b.id, "c", NOW + 5)
    assert (moved.name, moved.parent, moved.changed) == ("c", b.id, NOW + 5)
    assert tree.resolve(database, ROMEO, "/b/c/x") is not None


def test_a_name_may_change_its_case_only(database):
    assert changes.move(database, folder(database, "a"), 0, "A", NOW).name == "A"


def test_moves_that_make_no_sense_are_refused(database):
    a, x = folder(database, "a"), file(database, "x")
    b = folder(database, "b", a.id)
    foreign = folder(database, "foreign", store=JULIET)
    file(database, "x", b.id)
    for entry, parent, name, reason in (
        (a, a.id, "a", Reason.BAD),
        (a, b.id, "a", Reason.BAD),
        (x, b.id, "X", Reason.TAKEN),
        (x, 0, "uploads", Reason.TAKEN),
        (a, x.id, "a", Reason.MISSING),
        (a, foreign.id, "a", Reason.MISSING),
        (a, 999, "a", Reason.MISSING),
    ):
        with refused(reason):
            changes.move(database, entry, parent, name, NOW)


def test_depth_is_bounded(database):
    parent = 0
    for number in range(names.MAX_DEPTH):
        parent = folder(database, str(number), parent).id
    with refused(Reason.BAD):
        folder(database, "deeper", parent)
    two = folder(database, "two")
    folder(database, "inner", two.id)
    above = tree.path_of(database, tree.entry(database, parent))[-2]
    with refused(Reason.BAD):
        changes.move(database, two, above.id, "two", NOW)


def test_removing_ends_all_that_is_below(database):
    a = folder(database, "a")
    b = folder(database, "b", a.id)
    x, kept = file(database, "x", b.id), file(database, "kept")
    assert changes.remove(database, a, NOW) == [x.file]
    assert listed(database) == ["kept"]
    rows = dict(database.execute("SELECT id, expires FROM files").fetchall())
    assert rows == {x.file: NOW, kept.file: None}


def test_a_slot_still_open_is_removed_when_it_can_bring_nothing(database):
    a = folder(database, "a")
    assert file(database, "coming", a.id, slot_until=NOW + 300) is None
    assert changes.remove(database, a, NOW) == []
    ((expires,),) = database.execute("SELECT expires FROM files").fetchall()
    assert expires > NOW + 300 + 6 * 3600


def test_a_file_of_an_open_slot_is_not_shown_but_has_its_name(database):
    file(database, "x.txt", slot_until=NOW + 300)
    file(database, "x.txt")
    assert listed(database) == ["x (2).txt"]
    database.execute("UPDATE files SET slot_until = NULL")
    assert listed(database) == ["x (2).txt", "x.txt"]


def test_an_entry_goes_with_its_file(database):
    x = file(database, "x")
    database.execute("DELETE FROM files")
    assert listed(database) == []
    with refused(Reason.MISSING):
        tree.entry(database, x.id)


def test_authors_are_those_of_all_below(database):
    a = folder(database, "a")
    file(database, "x", a.id, author=JULIET)
    assert tree.authors(database, a) == {ROMEO, JULIET}


def test_entries_are_counted(database):
    folder(database, "a")
    changes.check_count(database, ROMEO, 2)
    changes.check_count(database, JULIET, 1)
    with refused(Reason.FULL):
        changes.check_count(database, ROMEO, 1)


def test_a_whole_store_can_be_removed(database):
    a = folder(database, "a")
    file(database, "x", a.id)
    file(database, "coming", slot_until=NOW + 5)
    folder(database, "b", store=JULIET)
    assert sorted(changes.stores(database)) == [JULIET, ROMEO]
    changes.remove_store(database, ROMEO, NOW)
    assert changes.stores(database) == [JULIET]
    assert database.execute("SELECT count(*) FROM files WHERE expires IS NULL").fetchone() == (0,)


def test_what_has_no_name_is_ended(database):
    file(database, "named")
    for slot_until in (None, NOW):
        row = File(new_id(), ROMEO, "montague.test", "", 10, "text/plain", PURPOSE, NOW, None, slot_until)
        reserve(database, row, FREE)
    assert changes.end_homeless(database, NOW) == 1
    assert changes.end_homeless(database, NOW, coming=True) == 1
    assert changes.end_homeless(database, NOW, coming=True) == 0
    assert database.execute("SELECT count(*) FROM files WHERE expires IS NULL").fetchone() == (1,)


class TestUploads:
    def upload(self, database: sqlite3.Connection, name: str, created: int, **keys: object) -> File:
        row = File(new_id(), ROMEO, "a.test", name, 10, "image/png", "message", created, NOW + 100, None)
        row = File(*(keys.get(field, getattr(row, field)) for field in File.__slots__))  # type: ignore[arg-type]
        reserve(database, row, FREE)
        return row

    def test_the_latest_come_first_by_pages(self, database):
        for number in range(7):
            self.upload(database, f"{number}", NOW + number // 2)
        first = uploads.page(database, ROMEO, NOW, None, 4)
        second = uploads.page(database, ROMEO, NOW, first.after, 4)
        assert len(first.uploads) == 4
        assert second.after is None
        found = [upload.created for upload in (*first.uploads, *second.uploads)]
        assert found == sorted(found, reverse=True)
        assert {upload.name for upload in (*first.uploads, *second.uploads)} == set("0123456")

    def test_what_is_none_is_not_shown(self, database):
        self.upload(database, "expired", NOW, expires=NOW)
        self.upload(database, "coming", NOW, slot_until=NOW + 5)
        self.upload(database, "of another", NOW, owner=JULIET)
        file(database, "put here")
        kept = self.upload(database, "kept", NOW)
        uploads.keep(database, ROMEO, kept.id, 0, NOW)
        assert uploads.page(database, ROMEO, NOW, None, 10).uploads == []
        assert listed(database) == ["kept", "put here"]

    def test_only_ones_own_uploads_are_kept_and_ended(self, database):
        row = self.upload(database, "x", NOW)
        for work in (
            lambda: uploads.keep(database, JULIET, row.id, 0, NOW),
            lambda: uploads.end(database, JULIET, row.id, NOW),
            lambda: uploads.keep(database, ROMEO, "nothing", 0, NOW),
            lambda: uploads.end(database, ROMEO, "nothing", NOW),
        ):
            with refused(Reason.MISSING):
                work()
        uploads.end(database, ROMEO, row.id, NOW)
        assert database.execute("SELECT expires FROM files").fetchone() == (NOW,)

    def test_what_was_sent_to_end_is_not_kept(self, database):
        row = self.upload(database, "x", NOW, purpose="ephemeral")
        with refused(Reason.BAD):
            uploads.keep(database, ROMEO, row.id, 0, NOW)

    def test_a_forged_page_is_refused(self, database):
        for after in ("x", "-1.x", "9" * 30, "\u0661.x"):
            with refused(Reason.BAD):
                uploads.page(database, ROMEO, NOW, after, 5)

    def test_the_real_size_counts_in_the_end(self, database):
        row = File(new_id(), ROMEO, "montague.test", "", 1000, "text/plain", PURPOSE, NOW, None, NOW)
        reserve(database, row, FREE)
        uploads.set_size(database, row, 10)
        assert database.execute("SELECT bytes FROM totals WHERE who = ?", (ROMEO,)).fetchone() == (10,)
        assert database.execute("SELECT bytes FROM hours").fetchone() == (10,)
        database.execute("DELETE FROM files")
        with refused(Reason.MISSING):
            uploads.set_size(database, row, 10)


def test_a_folder_of_thousands_is_read_by_its_index(database):
    for number in range(3000):
        folder(database, f"{number:05}")
    plan = database.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM entries e WHERE e.store = ? AND e.parent = ? AND (e.is_file, e.key) > (?, ?)"
        " ORDER BY e.is_file, e.key LIMIT 10",
        (ROMEO, 0, 0, "02000"),
    ).fetchall()
    assert "entries_in_order" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


async def test_an_index_of_before_gets_the_tables(tmp_path):
    with sqlite3.connect(tmp_path / "index.db") as old:
        old.executescript(f"{_FIRST}PRAGMA user_version = 1;")
        row = File(new_id(), ROMEO, "montague.test", "x.png", 10, "image/png", "message", NOW, None, None)
        reserve(old, row, FREE)
    old.close()
    index = Index(tmp_path / "index.db")
    await index.open()
    assert await index.get(row.id) == row
    kept = await index.change(lambda database: uploads.keep(database, ROMEO, row.id, 0, NOW))
    assert kept.name == "x.png"
    await index.close()
