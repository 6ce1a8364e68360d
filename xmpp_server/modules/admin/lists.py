"""XEP-0133 §4.13 to §4.22: how many users there are, and who."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, asking, blank, node, result
from xmpp_server.modules.commands import Command, Done, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType, Option

PAGE = 500
ALL = "none"
MAX_ITEMS = Field(
    "max_items",
    (),
    FieldType.LIST_SINGLE,
    "Maximum number of items to show",
    options=(*(Option(size, size) for size in ("25", "50", "75", "100", "150", "200")), Option(ALL, "None")),
)

#: Return at most so many accounts; None is all.
Lister = Callable[[int | None], Awaitable[list[str]]]


class ListCommands:
    """Counts and lists accounts. An account is online while it has a session, also one that waits for its client."""

    def __init__(self, host: Host, idle_s: float) -> None:
        self._host = host
        self._idle_s = idle_s

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands; those that list active and idle users go by two names in the specification."""
        listers: tuple[tuple[str, Lister, str], ...] = (
            ("registered", self.registered, "registereduserjids"),
            ("disabled", self.disabled, "disableduserjids"),
            ("online", self.online, "onlineuserjids"),
            ("active", self.active, "activeuserjids"),
            ("idle", self.idle, "activeuserjids"),  # §4.22 has no field of its own
        )
        commands = []
        for kind, lister, var in listers:
            title = f"{kind.capitalize()} Users"
            commands.append(self._number(kind, f"Get Number of {title}", allowed, lister))
            form = blank(f"Requesting List of {title}", f"Fill out this form to request the {kind} users.", MAX_ITEMS)
            submit = _submit(f"The list of {kind} users", var, lister)
            commands.append(asking(f"get-{kind}-users-list", f"Get List of {title}", allowed, form, submit))
            if kind in ("active", "idle"):
                commands.append(asking(f"get-{kind}-users", f"Get List of {title}", allowed, form, submit))
        return commands

    def _number(self, kind: str, name: str, allowed: Allowed, lister: Lister) -> Command:
        async def start(requester: JID) -> Stage:
            if kind == "registered":
                number = await self._host.storage.accounts.count(self._host.name)
            else:
                number = len(await lister(None))
            return Done(result(Field(f"{kind}usersnum", (str(number),), label=f"The number of {kind} users")))

        return Command(node(f"get-{kind}-users-num"), name, allowed, start)

    async def registered(self, limit: int | None) -> list[str]:
        """Return the accounts of the host."""
        return await _take(self._all(), limit)

    async def disabled(self, limit: int | None) -> list[str]:
        """Return the accounts that cannot log in; each account of the host is looked at."""

        async def disabled() -> AsyncIterator[JID]:
            async for jid in self._all():
                record = await self._host.storage.accounts.get(jid)
                if record is not None and not record.enabled:
                    yield jid

        return await _take(disabled(), limit)

    async def online(self, limit: int | None) -> list[str]:
        """Return the accounts with sessions."""
        return _sorted(self._host.accounts.active.values(), limit)

    async def active(self, limit: int | None) -> list[str]:
        """Return the accounts that something has come from lately."""
        return _sorted((one for one in self._host.accounts.active.values() if self._is_active(one)), limit)

    async def idle(self, limit: int | None) -> list[str]:
        """Return the accounts with sessions from which nothing has come for long."""
        return _sorted((one for one in self._host.accounts.active.values() if not self._is_active(one)), limit)

    def _is_active(self, account: Account) -> bool:
        since = self._host.now() - self._idle_s
        return any(session.last_received >= since for session in account.sessions.values())

    async def _all(self) -> AsyncIterator[JID]:
        after: str | None = None
        while page := await self._host.storage.accounts.list(self._host.name, after, PAGE):
            for jid in page:
                yield jid
            after = page[-1]


def _submit(label: str, var: str, lister: Lister) -> Callable[[JID, Values], Awaitable[Stage]]:
    async def submit(requester: JID, values: Values) -> Stage:
        [size] = values.get("max_items") or (ALL,)
        jids = await lister(None if size == ALL else int(size))
        return Done(result(Field(var, tuple(jids), FieldType.JID_MULTI, label)))

    return submit


async def _take(jids: AsyncIterator[JID], limit: int | None) -> list[str]:
    taken: list[str] = []
    async for jid in jids:
        if len(taken) == limit:
            break
        taken.append(jid)
    return taken


def _sorted(accounts: Iterable[Account], limit: int | None) -> list[str]:
    return sorted(str(account.jid) for account in accounts)[:limit]
