"""XEP-0401, XEP-0379, XEP-0445: makes invitations, lets in who shows their tokens, and brings the two together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Literal
from urllib.parse import quote

import msgspec
import structlog

from xmpp_server.core.host import Host
from xmpp_server.core.module import Inbound, Module, Order, Verdict, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.invitations.book import GONE, Book, Invitation, Made, Purpose
from xmpp_server.modules.invitations.forms import InvitationCommands
from xmpp_server.modules.register import Register, Strangers
from xmpp_server.storage.api import RosterItem
from xmpp_server.xml.element import tag
from xmpp_server.xml.namespaces import PREAUTH

#: Who may let strangers make accounts.
Accounts = Literal["everybody", "admins", "operator"]

_PREAUTH = tag(PREAUTH, "preauth")

log = structlog.get_logger()


class InvitationsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[modules.invitations]`: who lets strangers make accounts, how many wait at a time, how long they are good."""

    accounts: Accounts = "everybody"
    per_user: int = 20
    valid_s: float = 604_800.0


class Invitations(Module):
    """Keeps the invitations of a host."""

    name = "invitations"
    xeps = (
        Xep(379, "0.3.3", "the server approves who shows a token of its own; names in links are the client's"),
        Xep(401, "0.6.0", "no landing page"),
        Xep(445, "0.2.0"),
    )
    needs = (Roster, Presence, Commands)
    Config = InvitationsConfig
    config: InvitationsConfig

    def register(self, host: Host) -> None:
        """Add the commands, and take tokens of strangers and of contacts-to-be."""
        self._host = host
        self._roster = host.module(Roster)
        self._presence = host.module(Presence)
        register = host.modules.get(Register)
        self._register = register if isinstance(register, Register) else None
        if self._register is not None:
            self._register.hosting = self
        self.book = Book(host)
        for command in InvitationCommands(self).commands():
            host.module(Commands).add(command)
        host.hooks.presence_in.add(self._asked, Order.ANNOTATE)
        host.hooks.account_deleted.add(self._deleted)

    # Making them.

    @property
    def _is_closed(self) -> bool:
        return self._register is None or self._register.strangers is Strangers.NOBODY

    def may_let_in(self, jid: JID) -> bool:
        """Tell whether somebody's invitations let strangers make accounts here."""
        if self._is_closed or self.config.accounts == "operator":
            return False
        return self.config.accounts == "everybody" or jid.bare in self._host.admins

    def is_user(self, jid: JID) -> bool:
        """Tell whether somebody has an account here that invitations can come from."""
        account = self._host.accounts.get(jid.localpart or "") if jid.domainpart == self._host.name else None
        return account is not None and not account.anonymous and not account.deleted

    def is_admin(self, jid: JID) -> bool:
        """Tell whether somebody may keep names for accounts to come."""
        return jid.bare in self._host.admins and not self._is_closed

    async def invite(
        self, purpose: Purpose, inviter: JID | None, username: str = "", *, subscribe: bool = True, valid_s: float = 0.0
    ) -> Made:
        """Make an invitation.

        Args:
            purpose: What it is good for.
            inviter: Who invites; None is the operator.
            username: The localpart that the account will have; empty, the guest chooses.
            subscribe: Make inviter and guest each other's contacts.
            valid_s: How long it is good; 0 takes the configuration's.

        Raises:
            StanzaError: not-allowed; nobody makes accounts here. conflict; the name is taken or kept for somebody.
                resource-constraint; the inviter has too many. jid-malformed.
            StorageError: It could not be written.

        """
        if purpose is not Purpose.CONTACT and self._is_closed:
            raise StanzaError(Condition.NOT_ALLOWED, "Registration is closed (auth.registration)")
        if username:
            await self._check_free(username)
        if inviter is not None and inviter.bare not in self._host.admins:
            mine = [one for one in (await self.book.all()).values() if one.inviter == str(inviter.bare)]
            if len(mine) >= self.config.per_user:
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"{len(mine)} invitations of yours are not used yet")
        now = self._host.utcnow()
        invitation = Invitation(
            purpose=purpose,
            created=now,
            expires=now + timedelta(seconds=valid_s or self.config.valid_s),
            inviter="" if inviter is None else str(inviter.bare),
            username=username,
            subscribe=subscribe and inviter is not None,
        )
        ident, token = await self.book.add(invitation)
        log.info("invited", invitation=ident, inviter=invitation.inviter, purpose=str(purpose), username=username)
        return Made(ident, self._uri(invitation, token), invitation)

    async def _check_free(self, username: str) -> None:
        if await self._host.accounts.load(JID.of(username, self._host.name)) is not None:
            raise StanzaError(Condition.CONFLICT, "This name is taken")
        if await self.book.is_kept_back(username):
            raise StanzaError(Condition.CONFLICT, "This name is kept for another invitation")

    def _uri(self, invitation: Invitation, token: str) -> str:
        """Write the link (XEP-0401 §5.1, §5.4)."""
        if invitation.purpose is Purpose.ACCOUNT:
            return f"xmpp:{_address(invitation.username, self._host.name)}?register;preauth={token}"
        inviter = JID.parse(invitation.inviter)
        more = ";ibr=y" if invitation.purpose is Purpose.CONTACT_OR_ACCOUNT else ""
        return f"xmpp:{_address(inviter.localpart or '', inviter.domainpart)}?roster;preauth={token}{more}"

    # Making accounts: `register.Hosting`.

    async def admit(self, token: str) -> str:
        """Return the id of the invitation of a token (XEP-0445 §4)."""
        found = await self.book.find(token)
        if found is None or found[1].purpose is Purpose.CONTACT or not await self._is_good(found[1]):
            raise StanzaError(Condition.ITEM_NOT_FOUND, GONE, echo=False)
        return found[0]

    async def _is_good(self, invitation: Invitation) -> bool:
        """Tell whether the inviter may still invite: who was disabled may not."""
        if not invitation.inviter:
            return True
        account = await self._host.accounts.load(JID.parse(invitation.inviter))
        return account is not None and account.record is not None and account.record.enabled

    async def name_for(self, ident: str) -> str:
        """Return the localpart that an invitation is for, or empty."""
        return (await self._known(ident)).username

    @asynccontextmanager
    async def take_up(self, ident: str, localpart: str) -> AsyncIterator[None]:
        """Let an account be made with an invitation, or with none."""
        if not ident:
            await self._check_kept_back(localpart)
            yield
            return
        invitation = await self._known(ident)
        if invitation.username and invitation.username != localpart:
            raise StanzaError(
                Condition.NOT_ACCEPTABLE, f"This invitation is for the name {invitation.username}", echo=False
            )
        await self._check_kept_back(localpart, ident)
        with self.book.claimed(ident):
            yield
            await self.book.remove(ident)
        log.info("invitation-used", invitation=ident, inviter=invitation.inviter, username=localpart)
        if invitation.subscribe and invitation.inviter:
            await self._introduce(JID.parse(invitation.inviter), JID.of(localpart, self._host.name))

    async def _known(self, ident: str) -> Invitation:
        invitation = await self.book.get(ident)
        if invitation is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, GONE, echo=False)
        return invitation

    async def _check_kept_back(self, localpart: str, ident: str = "") -> None:
        if await self.book.is_kept_back(localpart, ident):
            raise StanzaError(Condition.CONFLICT, "This name is kept for somebody", echo=False)

    async def _introduce(self, inviter: JID, guest: JID) -> None:
        """Make two accounts each other's contacts (XEP-0401 §5.5); what fails can still be done by hand."""
        for owner, contact in ((inviter, guest), (guest, inviter)):
            account = await self._host.accounts.load(owner)
            if account is not None:
                try:
                    await self._roster.change(account, contact, partial(_mutual, contact))
                except StanzaError as error:
                    log.warning("not-introduced", account=str(owner), contact=str(contact), reason=error.text)

    # Contacts: XEP-0379 §3.5.

    def _asked(self, event: Inbound) -> Verdict:
        stanza = event.stanza
        if stanza.type != "subscribe" or _PREAUTH not in stanza.children:
            return None
        return self._befriend(event)

    async def _befriend(self, event: Inbound) -> None:
        """Approve a request with a token of ours; everybody else's goes on as ever (§5.1)."""
        preauth = event.stanza.element.find("preauth", PREAUTH)
        token = "" if preauth is None else preauth.get("token") or ""
        account = event.account
        found = await self.book.find(token)
        if found is None or found[1].inviter != account.jid or found[1].purpose is Purpose.ACCOUNT:
            await self._presence.receive_request(account, event.stanza)
            return
        try:
            with self.book.claimed(found[0]):
                await self._presence.befriend(account, event.stanza)
                await self.book.remove(found[0])
        except StanzaError:
            await self._presence.receive_request(account, event.stanza)
            return
        log.info("invitation-used", invitation=found[0], inviter=str(account.jid), contact=str(event.stanza.sender))

    def _deleted(self, jid: JID) -> None:
        self._host.runtime.spawn(self._revoke_all(jid), "invitations of a deleted account")

    async def _revoke_all(self, jid: JID) -> None:
        for ident, invitation in (await self.book.all()).items():
            if invitation.inviter == jid:
                await self.book.remove(ident)


def _mutual(contact: JID, item: RosterItem | None) -> RosterItem:
    return replace(item or RosterItem(contact), subscription="both", ask=False, approved=False, pending_in=None)


def _address(localpart: str, domainpart: str) -> str:
    """Write a bare address as it stands in a link (RFC 5122 §2.2)."""
    name = quote(localpart, safe="!$*+,-._~") + "@" if localpart else ""
    return name + quote(domainpart, safe=".[]:-")
