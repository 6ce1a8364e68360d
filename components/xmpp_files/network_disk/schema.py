"""The tables of the network disk, beside those of the index and in the same file.

What a store holds counts in `files` as uploads do. An entry is a folder, or the name of a file; files without an entry
are uploads. Files that were put here have an empty name in `files`: no public address leads to them.
"""

from __future__ import annotations

#: The purpose of files that were put here; uploads that are kept have that of their slot.
PURPOSE = "disk"
#: The parent of what lies at the top of a store.
TOP = 0

TABLES = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    store TEXT NOT NULL,
    parent INTEGER NOT NULL,
    is_file INTEGER NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    file TEXT,
    author TEXT NOT NULL,
    changed INTEGER NOT NULL
);
CREATE UNIQUE INDEX entries_by_key ON entries (store, parent, key);
CREATE UNIQUE INDEX entries_in_order ON entries (store, parent, is_file, key);
CREATE UNIQUE INDEX entries_of_file ON entries (file) WHERE file IS NOT NULL;
CREATE TABLE shares (
    token TEXT PRIMARY KEY,
    entry INTEGER NOT NULL,
    store TEXT NOT NULL,
    author TEXT NOT NULL,
    recipient TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER
) WITHOUT ROWID;
CREATE INDEX shares_of_store ON shares (store, token);
CREATE INDEX shares_of_entry ON shares (entry);
CREATE INDEX shares_with ON shares (recipient, token) WHERE recipient != '';
CREATE INDEX shares_by_end ON shares (expires) WHERE expires IS NOT NULL;
-- Links to log in with, and the sessions of browsers; of the secrets only the hash is kept.
CREATE TABLE logins (hash BLOB PRIMARY KEY, jid TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (hash BLOB PRIMARY KEY, jid TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX logins_of ON logins (jid);
CREATE INDEX sessions_of ON sessions (jid);
CREATE TRIGGER file_of_entry_removed AFTER DELETE ON files BEGIN
    DELETE FROM entries WHERE file = old.id;
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    DELETE FROM shares WHERE entry = old.id;
END;
"""
