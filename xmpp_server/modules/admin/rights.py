"""A command beside those of XEP-0133: which accounts have nothing to do with other servers."""

from __future__ import annotations

import structlog

from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.host import Host
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, accounts, blank, node
from xmpp_server.modules.commands import Ask, Command, Done, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType

log = structlog.get_logger()

_INSTRUCTIONS = "Fill out this form to edit the list of accounts that neither send to other servers nor hear from them."


class RightsCommands:
    """Edits what administrators have said, beside what the configuration does."""

    def __init__(self, host: Host, rights: FederationRights) -> None:
        self._host = host
        self._rights = rights

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        return [Command(node("edit-local-only"), "Edit Accounts without Other Servers", allowed, self.start)]

    async def start(self, requester: JID) -> Stage:
        """Show the list."""
        listed = tuple(str(jid) for jid in self._rights.said_of(self._host.name))
        field = Field("accountjids", listed, FieldType.JID_MULTI, "The accounts")
        return Ask(blank("Editing Accounts without Other Servers", _INSTRUCTIONS, field), self.submit)

    async def submit(self, requester: JID, values: Values) -> Stage:
        """Put a list in force, if all accounts on it exist."""
        wanted = dict.fromkeys(accounts(values))
        listed = self._rights.said_of(self._host.name)
        added = [jid for jid in wanted if jid not in listed]
        for jid in added:
            if jid.domainpart != self._host.name:
                raise StanzaError(Condition.NOT_ACCEPTABLE, f"{jid} is not of {self._host.name}")
            if jid == requester.bare:
                raise StanzaError(Condition.NOT_ALLOWED, "Not to yourself: this session would end")
            if await self._host.storage.accounts.get(jid) is None:
                raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no account {jid}")
        for jid in added:
            await self._rights.confine(jid, self._host)
        for jid in listed:
            if jid not in wanted:
                await self._rights.release(jid)
        log.info("local-only-changed", by=str(requester.bare), accounts=[str(jid) for jid in wanted])
        return Done()
