"""Which domains elsewhere are talked to: what the configuration says, and what administrators have added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import msgspec

from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.storage.api import Documents

#: The kind of document that holds what administrators have added: a list of patterns for each rule.
KIND = "domain-rules"


class Rule(StrEnum):
    """What a list is for; where a domain is on both, BLOCK counts."""

    #: If there is anything on it, nobody else is talked to.
    ALLOW = "allow"
    BLOCK = "block"


class PatternError(ValueError):
    """Something is neither a domain nor "*." and a domain."""


def prepared(domain: str) -> str:
    """Return a domain in the form that addresses have, or in lower case where it cannot be part of one."""
    try:
        return JID.parse(domain).domainpart
    except JIDMalformed:
        return domain.lower()


def checked(pattern: str) -> str:
    """Return a pattern in its prepared form.

    Raises:
        PatternError: It is none.

    """
    star = "*." if pattern.startswith("*.") else ""
    try:
        jid = JID.parse(pattern.removeprefix(star))
    except JIDMalformed:
        raise PatternError(pattern) from None
    if not jid.is_domain:
        raise PatternError(pattern)
    return star + jid.domainpart


class DomainList:
    """Domains by name, or "*.example.net": all below one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._parents: set[str] = set()
        for pattern in patterns:
            star = pattern.startswith("*.")
            name = prepared(pattern[2:] if star else pattern)
            (self._parents if star else self._names).add(name)

    def __bool__(self) -> bool:
        return bool(self._names or self._parents)

    def __contains__(self, domain: str) -> bool:
        if domain in self._names:
            return True
        parent = domain
        while self._parents and "." in parent:
            parent = parent.partition(".")[2]
            if parent in self._parents:
                return True
        return False


class DomainRules:
    """The two lists of a server. What was added is kept for each of its domains, so that any of them may go."""

    def __init__(self, allow: Sequence[str], block: Sequence[str], documents: Documents, owners: Sequence[JID]) -> None:
        """Begin with what is configured; `load` adds the rest.

        Args:
            allow: What the configuration allows.
            block: What it blocks.
            documents: Where to keep what is added.
            owners: The domains of the server.

        """
        self.configured = {Rule.ALLOW: tuple(allow), Rule.BLOCK: tuple(block)}
        self.added: dict[Rule, tuple[str, ...]] = {Rule.ALLOW: (), Rule.BLOCK: ()}
        #: Called after a change: what is not admitted any more is to be cut off.
        self.changed: Callable[[], None] = lambda: None
        self._documents = documents
        self._owners = owners
        self._compile()

    def _compile(self) -> None:
        self._allow, self._block = (DomainList(self.configured[rule] + self.added[rule]) for rule in Rule)

    async def load(self) -> None:
        """Read what was added before."""
        for owner in self._owners:
            stored = await self._documents.all(owner, KIND)
            if stored:
                for rule in Rule:
                    if rule in stored:
                        self.added[rule] = msgspec.json.decode(stored[rule], type=tuple[str, ...])
                self._compile()
                return

    def admits(self, domain: str) -> bool:
        """Tell whether a domain is talked to, in either direction."""
        return domain not in self._block and (not self._allow or domain in self._allow)

    async def replace(self, rule: Rule, patterns: Iterable[str]) -> None:
        """Replace what was added to a list; it is in force once it is stored.

        Raises:
            PatternError: One is neither a domain nor "*." and a domain.
            StorageError: It cannot be stored.

        """
        added = tuple(dict.fromkeys(checked(pattern) for pattern in patterns))
        for commit in [
            self._documents.put(owner, KIND, rule.value, msgspec.json.encode(added)) for owner in self._owners
        ]:
            await commit
        self.added[rule] = added
        self._compile()
        self.changed()
