"""What is remembered between visits to a CA: how it went with each certificate."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from xmpp_server.app.acme.job import Tried
from xmpp_server.net.self_signed import write_private

FILE_NAME = "state.json"


class Memory:
    """The state in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._tried = _read(self._path)

    def of(self, path: str) -> Tried:
        """Return what is known of a certificate."""
        return self._tried.get(Path(path).name, Tried())

    def succeeded(self, path: str, directory: str) -> None:
        """Note that a certificate was issued.

        Raises:
            OSError: It cannot be written down.

        """
        self._note(path, Tried(directory=directory, tried_at=time.time()))

    def failed(self, path: str, error: str) -> None:
        """Note that a certificate could not be had.

        Raises:
            OSError: It cannot be written down.

        """
        old = self.of(path)
        self._note(path, msgspec.structs.replace(old, tried_at=time.time(), error=error, failures=old.failures + 1))

    def _note(self, path: str, tried: Tried) -> None:
        self._tried[Path(path).name] = tried
        write_private(self._path, msgspec.json.encode(self._tried))


def _read(path: Path) -> dict[str, Tried]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Tried])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return {}  # nothing is lost but what was wrong last time, and one renewal comes early
