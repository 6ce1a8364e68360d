"""XEP-0133 §4.29: who administers the server."""

from __future__ import annotations

import structlog

from xmpp_server.core.administrators import Administrators
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, accounts, blank, node
from xmpp_server.modules.commands import Ask, Command, Done, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType
from xmpp_server.storage.api import NoSuchAccountError

VAR = "adminjids"

log = structlog.get_logger()


class AdminListCommands:
    """Edits the list of administrators; those of the configuration are on it, and stay."""

    def __init__(self, administrators: Administrators) -> None:
        self._administrators = administrators

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        return [Command(node("edit-admin"), "Edit Admin List", allowed, self.start)]

    async def start(self, requester: JID) -> Stage:
        """Show the list."""
        configured = sorted(self._administrators.configured)
        listed = dict.fromkeys([*configured, *self._administrators.named])
        fields = [Field(VAR, tuple(map(str, listed)), FieldType.JID_MULTI, "The admin list")]
        if configured:
            text = f"The configuration names these: {', '.join(map(str, configured))}"
            fields.append(Field(values=(text,), type=FieldType.FIXED))
        instructions = "Fill out this form to edit the list of accounts that may administer this server."
        return Ask(blank("Editing the Admin List", instructions, *fields), self.submit)

    async def submit(self, requester: JID, values: Values) -> Stage:
        """Put a list in force, if all accounts on it exist."""
        wanted = accounts(values, VAR)
        missing = sorted(self._administrators.configured.difference(wanted))
        if missing:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"The configuration names {', '.join(map(str, missing))}")
        try:
            await self._administrators.replace(wanted)
        except NoSuchAccountError as error:
            raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no account {error} here") from None
        log.info("administrators-changed", by=str(requester.bare), named=list(map(str, self._administrators.named)))
        return Done()
