"""Roster groups that the operator keeps: their members see each other without having asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from xmpp_server.jid import JID
from xmpp_server.storage.api import RosterItem


class SharedGroups:
    """Which accounts share which groups. Accounts with the same items share the objects."""

    def __init__(self, groups: Mapping[str, Sequence[JID]]) -> None:
        self._groups = {
            name: tuple(dict.fromkeys(member.bare for member in members)) for name, members in groups.items()
        }
        self._of: dict[JID, list[str]] = {}
        for name, members in sorted(self._groups.items()):
            for member in members:
                self._of.setdefault(member, []).append(name)
        self._items: dict[tuple[JID, tuple[str, ...]], RosterItem] = {}

    def items(self, owner: JID) -> dict[str, RosterItem]:
        """Return the entries that an account has by its groups, by JID."""
        names: dict[JID, list[str]] = {}
        for name in self._of.get(owner, ()):
            for member in self._groups[name]:
                if member != owner:
                    names.setdefault(member, []).append(name)
        return {str(member): self._item(member, tuple(shared)) for member, shared in names.items()}

    def version(self, owner: JID) -> str:
        """Return a part of the roster's version that changes with the groups; empty for who is in none."""
        items = self.items(owner)
        if not items:
            return ""
        text = "\n".join(f"{jid}\t{item.groups}" for jid, item in sorted(items.items()))
        return sha256(text.encode()).hexdigest()[:12]

    def _item(self, member: JID, names: tuple[str, ...]) -> RosterItem:
        key = (member, names)
        if key not in self._items:
            self._items[key] = RosterItem(member, member.localpart or "", "both", groups=names)
        return self._items[key]


def merged(shared: RosterItem, own: RosterItem | None) -> RosterItem:
    """Return the entry that clients see, of what the groups say and what the user has set."""
    if own is None:
        return shared
    groups = tuple(dict.fromkeys((*shared.groups, *own.groups)))
    return replace(shared, name=own.name or shared.name, groups=groups)
