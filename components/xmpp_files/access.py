"""Who may use a service: domains and bare JIDs."""

from __future__ import annotations

from collections.abc import Iterable


class Access:
    """Users of the listed domains and the listed users themselves; without a list, those of the domain above ours."""

    def __init__(self, users: Iterable[str], own_domain: str) -> None:
        self._users = frozenset(user.lower() for user in users) or frozenset({own_domain.partition(".")[2]})

    def allows(self, bare_jid: str) -> bool:
        """Tell whether a user may; a domain's own address counts as one of its users."""
        return bare_jid in self._users or bare_jid.rpartition("@")[2] in self._users
