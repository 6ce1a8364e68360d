"""The forms of XEP-0133, and what is read from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.commands import Ask, Command, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, hidden_form_type

ADMIN = "http://jabber.org/protocol/admin"

#: Tells whether somebody may use the commands.
Allowed = Callable[[JID], bool]
Submit = Callable[[JID, Values], Awaitable[Stage]]


def node(name: str) -> str:
    """Return the node of a command."""
    return f"{ADMIN}#{name}"


def asking(name: str, label: str, allowed: Allowed, form: Form, submit: Submit) -> Command:
    """Make a command of one form."""

    async def start(requester: JID) -> Stage:
        return Ask(form, submit)

    return Command(node(name), label, allowed, start)


def blank(title: str, instructions: str, *fields: Field) -> Form:
    """Make a form to be filled in."""
    return Form(FormType.FORM, (hidden_form_type(ADMIN), *fields), title, (instructions,))


def result(*fields: Field) -> Form:
    """Make a form that shows a result."""
    return Form(FormType.RESULT, (hidden_form_type(ADMIN), *fields))


def account_field(label: str) -> Field:
    """Return the field for one account."""
    return Field("accountjid", (), FieldType.JID_SINGLE, label, required=True)


def accounts_field(label: str) -> Field:
    """Return the field for accounts."""
    return Field("accountjids", (), FieldType.JID_MULTI, label, required=True)


def lines_field(var: str, label: str, text: str = "", *, required: bool = True) -> Field:
    """Return a field for text of many lines (XEP-0004 §3.3: a value a line)."""
    return Field(var, tuple(text.splitlines()), FieldType.TEXT_MULTI, label, required=required)


def account(values: Values) -> JID:
    """Return the account that was filled in."""
    return _bare(values["accountjid"])[0]


def accounts(values: Values, var: str = "accountjids") -> list[JID]:
    """Return the accounts that were filled in."""
    return _bare(values.get(var, ()))


def text(values: Values, var: str) -> str:
    """Return what was filled in, its lines joined."""
    return "\n".join(values.get(var, ()))


def _bare(addresses: Iterable[str]) -> list[JID]:
    jids = [JID.parse(address).bare for address in addresses]  # a session stands for its account
    for jid in jids:
        if jid.localpart is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"{jid} is not of the form user@host")
    return jids
