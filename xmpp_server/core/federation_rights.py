"""Who of ours has nothing to do with other servers: as configured, and as administrators have said since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xmpp_server.core.domain_rules import DomainList, PatternError
from xmpp_server.core.domain_rules import checked as checked_domain
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.storage.api import Documents

if TYPE_CHECKING:
    from xmpp_server.core.host import Host

#: The kind of a host's documents that hold what administrators have said: one for each account, by its localpart.
KIND = "local-only"


def checked(pattern: str) -> str:
    """Return a pattern in its prepared form: an account, accounts like "guest-*@example.org", or domains.

    Raises:
        PatternError: It is none.

    """
    localpart, at, domain = pattern.rpartition("@")
    if not at:
        return checked_domain(pattern)
    try:
        jid = JID.parse(f"{localpart.replace('*', 'x') or '@'}@{domain}")
    except JIDMalformed:
        raise PatternError(pattern) from None
    if jid.resourcepart is not None:
        raise PatternError(pattern)
    return f"{localpart.lower() if '*' in localpart else jid.localpart}@{jid.domainpart}"


class FederationRights:
    """Tells which accounts, rooms and whole domains of ours neither send to other servers nor hear from them."""

    def __init__(self, patterns: Sequence[str], documents: Documents) -> None:
        """Begin with what is configured; `load` adds the rest.

        Args:
            patterns: See `checked`; what is none counts for nothing.
            documents: Where to keep what administrators say.

        """
        self._documents = documents
        self._domains = DomainList(pattern for pattern in patterns if "@" not in pattern)
        accounts = [checked(pattern) for pattern in patterns if "@" in pattern]
        self._configured = {JID.parse(pattern) for pattern in accounts if "*" not in pattern}
        self._said: set[JID] = set()
        self._accounts: frozenset[JID] = frozenset(self._configured)
        self._like = _any_of(pattern for pattern in accounts if "*" in pattern)

    async def load(self, hosts: Iterable[JID]) -> None:
        """Read what administrators have said of the accounts of some domains."""
        for host in hosts:
            stored = await self._documents.all(host, KIND)
            self._said |= {JID.of(localpart, host.domainpart) for localpart in stored}
        self._accounts = frozenset(self._configured | self._said)

    def confines(self, jid: JID) -> bool:
        """Tell whether there is no way between an address of ours and other servers, in either direction."""
        if self._accounts and jid.bare in self._accounts:
            return True
        if self._domains and jid.domainpart in self._domains:
            return True
        return self._like is not None and self._like.fullmatch(str(jid.bare)) is not None

    def confines_domain(self, domain: str) -> bool:
        """Tell whether nobody of a domain of ours has to do with other servers."""
        return bool(self._domains) and domain in self._domains

    def said_of(self, domain: str) -> list[JID]:
        """Return the accounts of a domain that administrators have cut off, sorted."""
        return sorted(jid for jid in self._said if jid.domainpart == domain)

    async def confine(self, account: JID, host: Host) -> None:
        """Cut an account off from other servers.

        Its sessions end just before, so that contacts and rooms elsewhere see it leave; its clients come back by
        themselves.

        Raises:
            StorageError: It cannot be stored; nothing has changed.

        """
        await self._documents.put(*_place(account), b"")
        found = host.accounts.get(account.localpart or "")
        if found is not None:
            host.sessions.end_account(found, StreamError(StreamCondition.RESET, "Your rights have changed"))
        self._said.add(account)
        self._accounts |= {account}

    async def release(self, account: JID) -> bool:
        """Take that back; false if the configuration still says so.

        Raises:
            StorageError: It cannot be stored; nothing has changed.

        """
        await self._documents.remove(*_place(account))
        self._said.discard(account)
        self._accounts = frozenset(self._configured | self._said)
        return not self.confines(account)


def _place(account: JID) -> tuple[JID, str, str]:
    return JID.parse(account.domainpart), KIND, account.localpart or ""


def _any_of(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """Compile patterns with "*" for any characters of a localpart."""
    alternatives = [".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns]
    return re.compile("|".join(alternatives), re.DOTALL) if alternatives else None
