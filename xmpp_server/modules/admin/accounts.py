"""XEP-0133 §4.1 to §4.7: commands that change accounts."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.provisioning import AccountExistsError
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import (
    Allowed,
    account,
    account_field,
    accounts,
    accounts_field,
    asking,
    blank,
    text,
)
from xmpp_server.modules.commands import Command, Done, Stage, Values
from xmpp_server.sasl.credentials import PasswordError
from xmpp_server.stanzas.forms import Field, FieldType, Form
from xmpp_server.storage.api import NoSuchAccountError

PASSWORD = Field("password", (), FieldType.TEXT_PRIVATE, "The password for this account", required=True)
AGAIN = Field("password-verify", (), FieldType.TEXT_PRIVATE, "Retype password")


class AccountCommands:
    """Adds, changes and deletes accounts, and ends sessions."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._provisioning = host.provisioning

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        add = blank(
            "Adding a User",
            "Fill out this form to add a user.",
            account_field("The Jabber ID for the account to be added"),
            PASSWORD,
            AGAIN,
        )
        password = blank(
            "Changing a User Password",
            "Fill out this form to change a user's password.",
            account_field("The Jabber ID for this account"),
            PASSWORD,
        )
        several = (
            ("delete-user", "Delete User", "Deleting a User", "delete a user", "to delete", self.delete),
            ("disable-user", "Disable User", "Disabling a User", "disable a user", "to disable", self.disable),
            ("reenable-user", "Re-Enable User", "Re-Enable a User", "re-enable a user", "to re-enable", self.enable),
            (
                "end-user-session",
                "End User Session",
                "Ending a User Session",
                "end a user's session",
                "for which to end sessions",
                self.end,
            ),
        )
        return [
            asking("add-user", "Add User", allowed, add, self.add),
            asking("change-user-password", "Change User Password", allowed, password, self.change_password),
            *(
                asking(name, label, allowed, _form_for_several(title, doing, purpose), submit)
                for name, label, title, doing, purpose, submit in several
            ),
        ]

    async def add(self, requester: JID, values: Values) -> Stage:
        """Make an account (§4.1)."""
        jid = account(values)
        self._check_ours(jid)
        password = text(values, "password")
        if text(values, "password-verify") not in ("", password):
            raise StanzaError(Condition.NOT_ACCEPTABLE, "The passwords are not the same")
        try:
            await self._provisioning.create(jid, password)
        except AccountExistsError:
            raise StanzaError(Condition.CONFLICT, f"{jid} exists already") from None
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"This cannot be a password: {error}") from None
        return Done()

    async def delete(self, requester: JID, values: Values) -> Stage:
        """Delete accounts with all they own (§4.2)."""
        for jid in await self._existing(requester, values):
            await self._provisioning.delete(jid)
        return Done()

    async def disable(self, requester: JID, values: Values) -> Stage:
        """End sessions and let nobody log in (§4.3)."""
        for jid in await self._existing(requester, values):
            await self._provisioning.set_enabled(jid, enabled=False)
        return Done()

    async def enable(self, requester: JID, values: Values) -> Stage:
        """Let users log in again (§4.4)."""
        for jid in await self._existing(None, values):
            await self._provisioning.set_enabled(jid, enabled=True)
        return Done()

    async def end(self, requester: JID, values: Values) -> Stage:
        """End the sessions of bare JIDs, and those of full JIDs (§4.5)."""
        ended: list[Session] = []
        for jid in map(JID.parse, values["accountjids"]):
            self._check_ours(jid)
            found = self._host.accounts.get(jid.localpart or "")
            sessions = {} if found is None else found.sessions
            if jid.resourcepart is None:
                ended += sessions.values()
            elif jid.resourcepart in sessions:
                ended.append(sessions[jid.resourcepart])
            else:
                raise StanzaError(Condition.ITEM_NOT_FOUND, f"{jid} has no session")

        def end() -> None:
            for session in ended:
                session.end(StreamError(StreamCondition.POLICY_VIOLATION, "Ended by the administrator"))

        self._host.soon(end)  # one of them may wait for the answer
        return Done()

    async def change_password(self, requester: JID, values: Values) -> Stage:
        """Set a password (§4.7)."""
        jid = account(values)
        try:
            await self._provisioning.set_password(jid, text(values, "password"))
        except NoSuchAccountError:
            raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no account {jid}") from None
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"This cannot be a password: {error}") from None
        return Done()

    async def _existing(self, requester: JID | None, values: Values) -> list[JID]:
        """Return accounts that all exist, so that nothing is done by halves; the requester is not among them."""
        jids = accounts(values)
        for jid in jids:
            self._check_ours(jid)
            if requester is not None and jid == requester.bare:
                raise StanzaError(Condition.NOT_ALLOWED, "Not to yourself")
            if await self._host.storage.accounts.get(jid) is None:
                raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no account {jid}")
        return jids

    def _check_ours(self, jid: JID) -> None:
        if jid.domainpart != self._host.name:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"{jid} is not of {self._host.name}")


def _form_for_several(title: str, doing: str, purpose: str) -> Form:
    return blank(title, f"Fill out this form to {doing}.", accounts_field(f"The Jabber ID(s) {purpose}"))
