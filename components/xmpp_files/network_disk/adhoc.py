"""XEP-0050: Ad-Hoc Commands, without anything to remember between two steps.

What was filled in so far is in the session id, which the client gives back (§3.3). Nothing there is trusted more than
what is in a form: each step checks all of it anew. So there is nothing to fill up, and a restart interrupts nobody.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

import msgspec
from slixmpp import JID

from components.xmpp_component.errors import Condition, ErrorType, RequestError
from components.xmpp_component.link import Link
from components.xmpp_files.network_disk import forms
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.storage import FullError, StorageError

NS = "http://jabber.org/protocol/commands"
_MAX_SESSION_CHARS = 16_384
_MAX_REQUEST_FIELDS = 60

_CONDITIONS: dict[Reason, tuple[Condition, ErrorType]] = {
    Reason.BAD: ("bad-request", "modify"),
    Reason.MISSING: ("item-not-found", "cancel"),
    Reason.FORBIDDEN: ("forbidden", "auth"),
    Reason.TAKEN: ("not-acceptable", "modify"),
    Reason.FULL: ("resource-constraint", "wait"),
}
_decoder = msgspec.json.Decoder(dict[str, list[str]])


@dataclass(frozen=True, slots=True)
class Call:
    """A command on its way: who runs it (a bare JID), what was filled in so far, and when (seconds since 1970)."""

    who: str
    values: dict[str, list[str]]
    now: int

    def given(self, var: str) -> bool:
        """Tell whether a field was filled in."""
        return var in self.values

    def one(self, var: str, default: str = "") -> str:
        """Return a field's first value."""
        return next(iter(self.values.get(var, ())), default).strip()

    def many(self, var: str) -> Sequence[str]:
        """Return a field's values."""
        return [value for value in self.values.get(var, ()) if value.strip()]


class Ask(Exception):  # noqa: N818 - not an error
    """More has to be filled in."""

    def __init__(self, form: ET.Element) -> None:
        super().__init__()
        self.form = form


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says in the end; with `more` there is a next page, for which these values are put down."""

    note: str = ""
    form: ET.Element | None = None
    more: dict[str, list[str]] = field(default_factory=dict)


Run = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    node: str
    name: str
    run: Run


class Commands:
    """Serves commands on a link.

    Args:
        link: The domain that has them.
        commands: All of them, in the order of menus.
        clock: Tells the seconds since 1970.

    """

    def __init__(self, link: Link, commands: Sequence[Command], clock: Callable[[], float]) -> None:
        self._commands = {command.node: command for command in commands}
        self._clock = clock
        disco = link.plugin["xep_0030"]
        disco.add_feature(NS)
        disco.add_identity("automation", "command-list", "Commands", node=NS)
        for command in commands:
            disco.add_item(jid=link.domain, name=command.name, node=NS, subnode=command.node)
            disco.add_identity("automation", "command-node", command.name, node=command.node)
            for feature in (NS, forms.NS):
                disco.add_feature(feature, node=command.node)
        link.answers({"set": self.answer}, f"{{{NS}}}command")

    async def answer(self, request: ET.Element, sender: str) -> ET.Element:
        """Do one step.

        Raises:
            RequestError: What was filled in does not do, or is not allowed.

        """
        node = request.get("node", "")
        command = self._commands.get(node)
        if command is None:
            raise RequestError("item-not-found", "cancel", "There is no such command")
        action = request.get("action", "execute")
        if action not in ("execute", "next", "prev", "complete", "cancel"):
            raise RequestError("bad-request", "modify", "The action is malformed")
        session = request.get("sessionid", "")
        if action == "cancel":
            return _element(node, session or _session({}), "canceled")
        values = {} if action == "prev" or not session else _values(session)
        if action == "complete" and "after" in values:  # of a list: no next page
            return _element(node, session, "completed")
        values |= {var: given for var, given in forms.submitted(request).items() if var != "after"}
        if len(values) > _MAX_REQUEST_FIELDS:
            raise RequestError("not-acceptable", "modify", "The form is too large")
        return await self._step(command, Call(JID(sender).bare, values, int(self._clock())))

    async def _step(self, command: Command, call: Call) -> ET.Element:
        try:
            answer = await command.run(call)
        except Ask as ask:
            element = _element(command.node, _session(call.values), "executing")
            _allow(element, "complete")
            element.append(ask.form)
            return element
        except DiskError as error:
            condition, kind = _CONDITIONS[error.reason]
            raise RequestError(condition, kind, error.text) from None
        except StorageError as error:
            full = isinstance(error, FullError)
            raise RequestError("resource-constraint" if full else "internal-server-error", "wait") from error
        status = "executing" if answer.more else "completed"
        element = _element(command.node, _session(call.values | answer.more), status)
        if answer.more:
            _allow(element, "next", "complete")
        if answer.note:
            ET.SubElement(element, f"{{{NS}}}note", type="info").text = answer.note
        if answer.form is not None:
            element.append(answer.form)
        return element


def _element(node: str, session: str, status: str) -> ET.Element:
    return ET.Element(f"{{{NS}}}command", node=node, sessionid=session, status=status)


def _allow(command: ET.Element, *actions: str) -> None:
    element = ET.SubElement(command, f"{{{NS}}}actions", execute=actions[0])
    for action in actions:
        ET.SubElement(element, f"{{{NS}}}{action}")


def _session(values: dict[str, list[str]]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


def _values(session: str) -> dict[str, list[str]]:
    if len(session) > _MAX_SESSION_CHARS:
        raise RequestError("not-acceptable", "modify", "The session is too long")
    try:
        return _decoder.decode(base64.b64decode(session.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise RequestError("bad-request", "modify", "There is no such session") from None
