"""XEP-0133 §4.8 to §4.10: commands that look at single accounts."""

from __future__ import annotations

from dataclasses import replace

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.roster_items import is_listed, item_element, query_element
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import (
    Allowed,
    account,
    account_field,
    accounts,
    accounts_field,
    asking,
    blank,
    result,
)
from xmpp_server.modules.admin.logins import Logins
from xmpp_server.modules.commands import Command, Done, Stage, Values
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.stanzas.forms import Field


class InsightCommands:
    """Shows rosters, last logins and sessions."""

    def __init__(self, host: Host, logins: Logins) -> None:
        self._host = host
        self._logins = logins

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        roster = blank(
            "Getting a User's Roster",
            "Fill out this form to get a user's roster.",
            accounts_field("The Jabber ID(s) for which to retrieve the roster"),
        )
        login = blank(
            "Getting a User's Last Login Time",
            "Fill out this form to get a user's last login time.",
            accounts_field("The Jabber ID(s) for which to retrieve the last login time"),
        )
        stats = blank(
            "Get User Statistics",
            "Fill out this form to gather user statistics.",
            # §4.10 has the first; the interop suite of the field fills in the second.
            replace(account_field("The Jabber ID for statistics"), required=False),
            replace(accounts_field("The same, as other commands name it"), required=False),
        )
        return [
            asking("get-user-roster", "Get User Roster", allowed, roster, self.roster),
            asking("get-user-lastlogin", "Get User Last Login Time", allowed, login, self.last_login),
            asking("user-stats", "Get User Statistics", allowed, stats, self.stats),
        ]

    async def roster(self, requester: JID, values: Values) -> Stage:
        """Return the rosters, in the order of the accounts (§4.8)."""
        found = [await self._find(jid) for jid in accounts(values)]
        queries = [
            query_element([item_element(item) for item in one.roster.values() if is_listed(item)], None)
            for one in found
        ]
        return Done(result(Field("accountjids", tuple(one.jid for one in found))), payload=tuple(queries))

    async def last_login(self, requester: JID, values: Values) -> Stage:
        """Return the last logins, in the order of the accounts; empty if there was none (§4.9)."""
        found = [await self._find(jid) for jid in accounts(values)]
        stamps = [await self._logins.last(one.jid) for one in found]
        written = tuple("" if stamp is None else format_datetime(stamp.replace(microsecond=0)) for stamp in stamps)
        return Done(result(Field("accountjids", tuple(one.jid for one in found)), Field("lastlogin", written)))

    async def stats(self, requester: JID, values: Values) -> Stage:
        """Return what is known of an account's sessions (§4.10)."""
        jids = [account(values)] if values.get("accountjid") else accounts(values)
        if len(jids) != 1:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "Statistics are those of one account")
        found = await self._find(jids[0])
        peers = (session.transport.peer for session in found.sessions.values() if session.transport is not None)
        addresses = tuple(sorted({peer.rpartition(":")[0] or peer for peer in peers}))
        listed = sum(is_listed(item) for item in found.roster.values())
        return Done(
            result(
                Field("ipaddresses", addresses),
                Field("rostersize", (str(listed),)),
                Field("onlineresources", tuple(found.sessions)),
            )
        )

    async def _find(self, jid: JID) -> Account:
        found = await self._host.accounts.load(jid) if jid.domainpart == self._host.name else None
        if found is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no account {jid}")
        return found
