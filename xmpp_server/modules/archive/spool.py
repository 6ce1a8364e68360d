"""Batches for an archive that is away, in the server's own storage, in the order of their coming."""

from __future__ import annotations

from collections import deque

from xmpp_server.core.host import Host
from xmpp_server.storage.api import Commit

#: The kind of the host's documents; their keys are ids, which grow.
KIND = "archive-spool"


class Spool:
    """A queue on disk."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: Keys and sizes, the oldest first.
        self._batches: deque[tuple[str, int]] = deque()
        self.is_loaded = False
        #: Of all batches.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._batches)

    async def load(self) -> None:
        """Find what was left by an earlier process; raises StorageError."""
        stored = await self._host.storage.documents.all(self._host.jid, KIND)
        self._batches = deque((key, len(stored[key])) for key in sorted(stored))
        self.bytes = sum(size for _, size in self._batches)
        self.is_loaded = True

    def put(self, items: bytes) -> tuple[str, Commit]:
        """Append a batch; return its key."""
        key = self._host.ids.new()
        self._batches.append((key, len(items)))
        self.bytes += len(items)
        return key, self._host.storage.documents.put(self._host.jid, KIND, key, items)

    def take_back(self, key: str) -> None:
        """Forget the batch that was put last: it could not be written."""
        if self._batches and self._batches[-1][0] == key:  # else the archive has got it meanwhile
            _, size = self._batches.pop()
            self.bytes -= size

    async def first(self) -> bytes:
        """Return the oldest batch, empty if it is not there any more; raises StorageError."""
        key, _ = self._batches[0]
        return await self._host.storage.documents.get(self._host.jid, KIND, key) or b""

    def remove_first(self) -> None:
        """Forget the oldest batch: it is archived."""
        key, size = self._batches.popleft()
        self.bytes -= size
        self._host.storage.documents.remove(self._host.jid, KIND, key)
