"""How the archive fails."""

from __future__ import annotations


class ArchiveError(Exception):
    """The database cannot be opened, read or written."""
