"""How requests fail."""

from __future__ import annotations


class RequestError(Exception):
    """An error stanza: its condition (RFC 6120 §8.3.3), its type, and a text for people."""

    def __init__(self, condition: str, kind: str, text: str = "") -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.kind = kind
        self.text = text


class ArchiveError(Exception):
    """The database cannot be opened, read or written."""
