"""The way of entries to the archive: in batches, one under way at a time; by the spool while the archive is away.

Everything stays in order. A receipt is held until its entry is committed, there or here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import structlog

from xmpp_server.core.host import Host
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.spool import Spool
from xmpp_server.stanzas.iq import IqType
from xmpp_server.storage.api import StorageError, Write
from xmpp_server.xml.stanza import Receipt, Stanza

log = structlog.get_logger()

#: One batch holds no more bytes than this and one entry.
BATCH_BYTES = 524_288
RETRY_S = 1.0

Item = tuple[bytes, Receipt | None]


class Handover:
    """Hands entries over to one component."""

    def __init__(
        self, host: Host, component: JID, *, batch_entries: int, most_bytes: int, answer_s: float, refuses: bool
    ) -> None:
        self._host = host
        self._component = component
        self._batch_entries = batch_entries
        self._most_bytes = most_bytes
        self._answer_s = answer_s
        self._refuses = refuses
        self._spool = Spool(host)
        self._pending: deque[Item] = deque()
        self._pending_bytes = 0
        self._scheduled = False
        #: Whether a batch is under way, to the archive or to the spool.
        self._busy = False
        self._loading = False
        self._draining = False
        #: How many entries were added, and how many of them are committed.
        self._added = 0
        self._committed = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._overflowing = False

    @property
    def is_connected(self) -> bool:
        """Whether the archive is there."""
        component = self._host.router.components.find(self._component.domainpart)
        return component is not None and component.is_connected

    @property
    def is_expected(self) -> bool:
        """Whether the archive is there, or will be soon."""
        component = self._host.router.components.find(self._component.domainpart)
        return component is not None and component.is_expected

    def has_room(self) -> bool:
        """Tell whether entries can be added.

        Raises:
            StanzaError: resource-constraint; they cannot, and nothing is to pass without being archived.

        """
        if self._pending_bytes + self._spool.bytes < self._most_bytes:
            self._overflowing = False
            return True
        if not self._overflowing:
            self._overflowing = True
            log.error("archive-spool-full", refused=self._refuses)
        if self._refuses:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The archive is away, and no more can be kept for it")
        return False

    def add(self, item: bytes, receipt: Receipt | None = None) -> None:
        """Queue an entry or an erasure; the receipt is held until it is safe."""
        if receipt is not None:
            receipt.hold()
        self._pending.append((item, receipt))
        self._pending_bytes += len(item)
        self._added += 1
        self._go_on()

    def when_archived(self, action: Callable[[], None]) -> None:
        """Do something once all that was added is in the archive: who asks then finds what was said before.

        While the archive is away that takes as long as it is.
        """
        self._waiting.append((self._added, action))
        if not self._spool.is_loaded:
            self._load()
        self._ask()

    def forget(self, action: Callable[[], None]) -> None:
        """Do not do it any more: nobody waits for it."""
        self._waiting = deque(one for one in self._waiting if one[1] is not action)

    def connected(self) -> None:
        """The archive has come: give it what was kept for it."""
        self._host.soon(self._drain)

    # What is new.

    def _go_on(self) -> None:
        """What comes within one turn of the loop, or while a batch is under way, becomes one batch."""
        if not self._scheduled and not self._busy and self._pending:
            self._scheduled = True
            self._host.soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._busy or not self._pending:
            return
        if not self._spool.is_loaded:
            self._load()
            return
        if self._draining and len(self._spool) == 1:
            return  # the last of what was kept is under way: what is new goes behind it, and not to the spool
        batch = self._take()
        self._busy = True
        if len(self._spool) or not self.is_connected:
            self._put_by(batch)
        else:
            self._send(b"".join(item for item, _ in batch), partial(self._sent, batch))

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        size = 0
        while self._pending and len(batch) < self._batch_entries and size < BATCH_BYTES:
            item = self._pending.popleft()
            size += len(item[0])
            batch.append(item)
        self._pending_bytes -= size
        return batch

    def _send(self, items: bytes, on_reply: Callable[[Stanza | None], None]) -> None:
        iqs = self._host.iqs
        store = protocol.store(items)
        iqs.send(
            protocol.request(iqs.new_id(), self._host.jid, self._component, "store", store), on_reply, self._answer_s
        )

    def _sent(self, batch: list[Item], reply: Stanza | None) -> None:
        if _is_result(reply):
            self._settle(batch)
        else:
            log.warning("archive-away", entries=len(batch))
            self._put_by(batch)

    def _put_by(self, batch: list[Item]) -> None:
        """Keep a batch here. It may be in the archive all the same; there an entry is kept once."""
        key, commit = self._spool.put(b"".join(item for item, _ in batch))
        commit.add_done_callback(partial(self._kept, batch, key))

    def _kept(self, batch: list[Item], key: str, commit: Write[None]) -> None:
        if commit.exception() is None:
            self._settle(batch)
            self._drain()
            return
        # Neither the archive nor the disk take it; its senders wait for their acknowledgement.
        self._spool.take_back(key)
        self._pending.extendleft(reversed(batch))
        self._pending_bytes += sum(len(item) for item, _ in batch)
        self._host.runtime.schedule(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._busy = False
        self._go_on()

    def _settle(self, batch: list[Item]) -> None:
        self._busy = False
        self._committed += len(batch)
        for _, receipt in batch:
            if receipt is not None:
                receipt.release()
        self._ask()
        self._go_on()

    def _ask(self) -> None:
        """Let those go on whose questions the archive can answer."""
        while (
            self._waiting
            and self._waiting[0][0] <= self._committed
            and self._spool.is_loaded
            and not len(self._spool)
            and self.is_connected
        ):
            self._waiting.popleft()[1]()

    # What was kept.

    def _load(self) -> None:
        if not self._loading:
            self._loading = True
            self._host.runtime.spawn(self._load_spool(), "archive-spool")

    async def _load_spool(self) -> None:
        try:
            await self._spool.load()
        except StorageError as error:
            log.error("archive-spool-not-read", error=str(error))
            self._host.runtime.schedule(RETRY_S, self._load)
        finally:
            self._loading = False
        if self._spool.is_loaded:
            self._go_on()
            self._drain()
            self._ask()

    def _drain(self) -> None:
        """Give the archive the oldest batch, and then the next."""
        if self._draining or not self.is_connected:
            return
        if not self._spool.is_loaded:
            self._load()
        elif len(self._spool):
            self._draining = True
            self._host.runtime.spawn(self._drain_first(), "archive-drain")
        else:
            self._ask()

    async def _drain_first(self) -> None:
        try:
            items = await self._spool.first()
        except StorageError as error:
            log.error("archive-spool-not-read", error=str(error))
            self._drain_later()
        else:
            self._send(items, self._drained)

    def _drained(self, reply: Stanza | None) -> None:
        if not _is_result(reply):
            self._drain_later()
            return
        self._draining = False
        self._spool.remove_first()
        if not len(self._spool):
            log.info("archive-caught-up")
            self._ask()
            self._go_on()
        self._drain()

    def _drain_later(self) -> None:
        self._draining = False
        self._go_on()
        self._host.runtime.schedule(RETRY_S, self._drain)


def _is_result(reply: Stanza | None) -> bool:
    return reply is not None and reply.type == IqType.RESULT
