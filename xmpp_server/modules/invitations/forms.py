"""XEP-0401 §5: the commands that make invitations, and what they answer."""

from __future__ import annotations

from typing import Protocol

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.commands import Ask, Command, Done, Stage, Values
from xmpp_server.modules.invitations.book import Made, Purpose
from xmpp_server.stanzas.forms import BOOLEANS, Field, FieldType, Form, FormType, hidden_form_type

NODE = "urn:xmpp:invite"
FORM = f"{NODE}#invitation"


class Inviting(Protocol):
    """What the commands do."""

    def is_user(self, jid: JID) -> bool:
        """Tell whether somebody may invite contacts."""

    def is_admin(self, jid: JID) -> bool:
        """Tell whether somebody may make invitations for accounts."""

    def may_let_in(self, jid: JID) -> bool:
        """Tell whether somebody's invitations let strangers make accounts here."""

    async def invite(
        self, purpose: Purpose, inviter: JID | None, username: str = "", *, subscribe: bool = True
    ) -> Made:
        """Make an invitation."""


class InvitationCommands:
    """The two commands."""

    def __init__(self, inviting: Inviting) -> None:
        self._inviting = inviting

    def commands(self) -> list[Command]:
        """Return them."""
        return [
            Command(f"{NODE}#invite", "Invite user", self._inviting.is_user, self._invite),
            Command(f"{NODE}#create-account", "Create account", self._inviting.is_admin, self._ask),
        ]

    async def _invite(self, requester: JID) -> Stage:
        """§5.1: the answer comes at once."""
        may = self._inviting.may_let_in(requester)
        made = await self._inviting.invite(Purpose.CONTACT_OR_ACCOUNT if may else Purpose.CONTACT, requester)
        return _shown(made)

    async def _ask(self, requester: JID) -> Stage:
        """§5.4: which name, and whether to become contacts."""
        fields = (
            hidden_form_type(f"{NODE}#create-account"),
            Field("username", (), FieldType.TEXT_SINGLE, "Username; left empty, the guest chooses"),
            Field("roster-subscription", (), FieldType.BOOLEAN, "Make us each other's contacts"),
        )
        return Ask(Form(FormType.FORM, fields, "Create account"), self._create)

    async def _create(self, requester: JID, values: Values) -> Stage:
        name = next(iter(values.get("username", ())), "")
        subscribe = next(iter(values.get("roster-subscription", ())), "false")
        username = "" if not name else localpart(name, requester.domainpart)
        made = await self._inviting.invite(
            Purpose.ACCOUNT, requester, username, subscribe=BOOLEANS.get(subscribe, False)
        )
        return _shown(made)


def localpart(name: str, domain: str) -> str:
    """Return a name as it stands in addresses.

    Raises:
        StanzaError: not-acceptable; it cannot.

    """
    try:
        found = JID.of(name, domain).localpart
    except JIDMalformed as error:
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"This cannot be a name: {error}") from None
    return found or ""


def _shown(made: Made) -> Done:
    expire = made.invitation.expires.isoformat(timespec="seconds").replace("+00:00", "Z")  # XEP-0082
    fields = (
        hidden_form_type(FORM),
        Field("uri", (made.uri,), FieldType.TEXT_SINGLE, "Link"),
        Field("expire", (expire,), FieldType.TEXT_SINGLE, "Good until"),
    )
    return Done(Form(FormType.RESULT, fields))
