"""Who administers the server: whom the configuration names, and whom these have named since (XEP-0133 §4.29)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from typing import TYPE_CHECKING

from xmpp_server.jid import JID
from xmpp_server.storage.api import AccountRecord, NoSuchAccountError

if TYPE_CHECKING:
    from xmpp_server.core.host import Host

#: The kind of a host's documents that name administrators by their localparts. Each holds when the account was made:
#: another one that has the name later is not meant.
KIND = "administrator"


class Administrators:
    """Keeps the list. Those of the configuration stay on it whatever is said."""

    def __init__(self, configured: Iterable[str]) -> None:
        """Begin with bare JIDs from the configuration; `load` adds the rest."""
        self.configured = frozenset(JID.parse(name) for name in configured)
        self._named: set[JID] = set()
        self._all = set(self.configured)
        self._hosts: dict[str, Host] = {}

    @property
    def jids(self) -> Set[JID]:
        """All of them, as bare JIDs; this set changes as they do."""
        return self._all

    @property
    def named(self) -> list[JID]:
        """Those that administrators have named, sorted."""
        return sorted(self._named)

    async def load(self, hosts: Iterable[Host]) -> None:
        """Read who was named at the hosts of the server, and forget those whose accounts are gone."""
        for host in hosts:
            self._hosts[host.name] = host
            host.hooks.account_deleted.add(self._deleted)
            for localpart, made in (await host.storage.documents.all(host.jid, KIND)).items():
                jid = JID.of(localpart, host.name)
                if _mark(await host.storage.accounts.get(jid)) == made:
                    self._named.add(jid)
                else:
                    host.storage.documents.remove(host.jid, KIND, localpart)
        self._all |= self._named

    async def replace(self, jids: Collection[JID]) -> None:
        """Make these the named ones; those that the configuration names as well need not be among them.

        Raises:
            NoSuchAccountError: One is no account of the server. Nobody has lost or got anything.
            StorageError: The list cannot be stored; who was written down by then is on it.

        """
        wanted = set(jids) - self.configured
        marks = {jid: _mark(await self._record(jid)) for jid in wanted - self._named}
        if None in marks.values():
            raise NoSuchAccountError(next(str(jid) for jid in sorted(marks) if marks[jid] is None))
        for jid, mark in marks.items():
            await self._name(jid, mark or b"")
        for jid in self._named - wanted:
            await self._remove(jid)

    async def _name(self, jid: JID, mark: bytes) -> None:
        host = self._hosts[jid.domainpart]
        await host.storage.documents.put(host.jid, KIND, jid.localpart or "", mark)
        if _mark(await self._record(jid)) == mark:  # it may have been deleted meanwhile
            self._named.add(jid)
            self._all.add(jid)

    async def _remove(self, jid: JID) -> None:
        host = self._hosts[jid.domainpart]
        await host.storage.documents.remove(host.jid, KIND, jid.localpart or "")
        self._forget(jid)

    async def _record(self, jid: JID) -> AccountRecord | None:
        host = self._hosts.get(jid.domainpart)
        return None if host is None or jid.localpart is None else await host.storage.accounts.get(jid)

    def _deleted(self, jid: JID) -> None:
        if jid in self._named:
            host = self._hosts[jid.domainpart]
            host.storage.documents.remove(host.jid, KIND, jid.localpart or "")
            self._forget(jid)

    def _forget(self, jid: JID) -> None:
        self._named.discard(jid)
        if jid not in self.configured:
            self._all.discard(jid)


def _mark(record: AccountRecord | None) -> bytes | None:
    return None if record is None else record.created.isoformat().encode()
