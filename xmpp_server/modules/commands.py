"""XEP-0050: Ad-Hoc Commands of the server: the engine; other modules add the commands."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, IqRequest, IqType, Module, To, Xep
from xmpp_server.core.runtime import Timer
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.forms import Form, FormType, accept
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMMANDS, DATA_FORMS

#: Language tags as far as their letters go (BCP 47).
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


class Action(StrEnum):
    """What the requester wants (§4.1)."""

    EXECUTE = "execute"
    CANCEL = "cancel"
    PREV = "prev"
    NEXT = "next"
    COMPLETE = "complete"


ACTIONS = {member.value: member for member in Action}

#: What the requester can mend by filling in the form again: told as a note, and the stage stays as it was.
MENDABLE = frozenset(
    (
        Condition.CONFLICT,
        Condition.ITEM_NOT_FOUND,
        Condition.JID_MALFORMED,
        Condition.NOT_ACCEPTABLE,
        Condition.NOT_ALLOWED,
    )
)

#: What was filled in, by field; fields left out are absent.
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Ask:
    """A stage that wants a form filled in. `last` tells that no other stage follows."""

    form: Form
    submit: Callable[[JID, Values], Awaitable[Stage]]
    last: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The end: a result to show, or a note, or neither. `payload` goes into the result form as it is."""

    form: Form | None = None
    note: str = ""
    payload: tuple[Element, ...] = ()


Stage = Ask | Done


@dataclass(frozen=True, slots=True)
class Command:
    """A command: who may use it, and how it begins. `start` and `submit` get the requester's full JID."""

    node: str
    name: str
    allowed: Callable[[JID], bool]
    start: Callable[[JID], Awaitable[Stage]]
    listed: bool = True


class CommandsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a stage waits for its form, and how many commands one requester may have under way."""

    session_timeout_s: float = 900.0
    sessions_per_requester: int = 10
    sessions: int = 1000


class _Session:
    """A command under way (§3.3)."""

    __slots__ = ("command", "requester", "stages", "timer")

    def __init__(self, command: Command, requester: JID, timer: Timer) -> None:
        self.command = command
        self.requester = requester
        self.timer = timer
        self.stages: list[Ask] = []


def refusal(app: str, text: str = "") -> StanzaError:
    """Make an error of §4.4: bad-request with a condition of its own."""
    return StanzaError(Condition.BAD_REQUEST, text, app=(app, COMMANDS))


class Commands(Module):
    """Runs commands through their stages."""

    name = "commands"
    xeps = (Xep(50, "1.3.0", "the server speaks English: another xml:lang is no error"),)
    features = (COMMANDS,)
    Config = CommandsConfig
    config: CommandsConfig

    def register(self, host: Host) -> None:
        """Take `<command/>` and list what there is."""
        self._host = host
        self._commands: dict[str, Command] = {}
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        #: Ids of sessions that are over, to tell them from those that never were (§4.4).
        self._over: OrderedDict[str, None] = OrderedDict()
        for whom in To:  # an account answers its owner alone, for the server
            host.on_iq(IqType.SET, whom, f"{COMMANDS} command", self.execute)
        host.hooks.server_disco.add(self.describe)
        host.hooks.account_disco.add(self.describe_account)

    # For other modules.

    def add(self, command: Command) -> None:
        """Add a command.

        Raises:
            ValueError: Its node is taken.

        """
        if command.node in self._commands:
            raise ValueError(f"two commands {command.node}")
        self._commands[command.node] = command

    # Discovery.

    def describe_account(self, disco: Disco) -> None:
        """Answer owners as the server does: tools of administrators ask their own account."""
        if disco.account is None or disco.requester is None or disco.requester.bare != disco.account.jid:
            return
        if disco.node:
            self.describe(disco)
        elif any(self._usable(disco.requester)):
            disco.features.add(COMMANDS)

    def _usable(self, requester: JID | None) -> Iterator[Command]:
        for command in self._commands.values():
            if command.listed and requester is not None and command.allowed(requester):
                yield command

    def describe(self, disco: Disco) -> None:
        """Answer for the list and for each command (§2.2)."""
        if disco.node == COMMANDS:
            disco.identities.append(("automation", "command-list", "Commands"))
            disco.features.add(COMMANDS)
            disco.items += [
                (str(disco.entity), command.node, command.name) for command in self._usable(disco.requester)
            ]
            return
        found = self._commands.get(disco.node)
        if found is not None:
            if disco.requester is None or not found.allowed(disco.requester):
                raise StanzaError(Condition.FORBIDDEN)
            disco.identities.append(("automation", "command-node", found.name))
            disco.features.update((COMMANDS, DATA_FORMS))

    # Execution.

    async def execute(self, request: IqRequest) -> Element:
        """Take one step of a command.

        Raises:
            StanzaError: See §4.4; and what the command itself raises.

        """
        payload = request.payload
        action = ACTIONS.get(payload.get("action", "execute") or "")
        if action is None:
            raise refusal("malformed-action", "An action is execute, cancel, prev, next or complete")
        language = payload.get("xml:lang")
        if language and not _LANGUAGE.fullmatch(language):
            raise refusal("bad-locale")
        command = self._commands.get(payload.get("node") or "")
        if command is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such command")
        if not command.allowed(request.sender):
            raise StanzaError(Condition.FORBIDDEN)
        ident = payload.get("sessionid")
        if ident is None:
            return await self._begin(request, command, action)
        session = self._find(ident, command, request.sender)
        if action is Action.CANCEL:
            self._forget(ident)
            return _answer(command, ident, "canceled")
        if action is Action.PREV:
            return self._back(ident, session)
        return await self._submit(request, ident, session, action)

    async def _begin(self, request: IqRequest, command: Command, action: Action) -> Element:
        if action is not Action.EXECUTE:
            raise refusal("bad-action", "A command begins with execute")
        stage = await command.start(request.sender)
        ident = self._host.ids.new()
        if isinstance(stage, Done):
            self._note_over(ident)
            return _completed(command, ident, stage)
        self._make_room(request.sender)
        session = _Session(command, request.sender, self._timer(ident))
        session.stages.append(stage)
        self._sessions[ident] = session
        return _executing(command, ident, session.stages)

    def _find(self, ident: str, command: Command, requester: JID) -> _Session:
        """Find a session; it belongs to one requester and one command (§3.3)."""
        session = self._sessions.get(ident)
        if session is None:
            if ident in self._over:
                raise StanzaError(Condition.NOT_ALLOWED, type=ErrorType.CANCEL, app=("session-expired", COMMANDS))
            raise refusal("bad-sessionid")
        if session.command is not command or session.requester != requester:
            raise refusal("bad-sessionid")
        return session

    def _back(self, ident: str, session: _Session) -> Element:
        if len(session.stages) < 2:
            raise refusal("bad-action", "This is the first stage")
        session.stages.pop()
        self._renew(ident, session)
        return _executing(session.command, ident, session.stages)

    async def _submit(self, request: IqRequest, ident: str, session: _Session, action: Action) -> Element:
        ask = session.stages[-1]
        if action is (Action.NEXT if ask.last else Action.COMPLETE):
            raise refusal("bad-action", "That is not among the actions of this stage")
        try:
            stage = await ask.submit(request.sender, _values(ask.form, request.payload))
        except StanzaError as error:
            if error.condition not in MENDABLE:
                raise
            self._renew(ident, session)
            return _executing(session.command, ident, session.stages, error.text or error.condition.value)
        if isinstance(stage, Done):
            self._forget(ident)
            return _completed(session.command, ident, stage)
        session.stages.append(stage)
        self._renew(ident, session)
        return _executing(session.command, ident, session.stages)

    # Lifetime (§3.3).

    def _timer(self, ident: str) -> Timer:
        return self._host.runtime.schedule(self.config.session_timeout_s, lambda: self._forget(ident))

    def _renew(self, ident: str, session: _Session) -> None:
        session.timer.cancel()
        session.timer = self._timer(ident)

    def _forget(self, ident: str) -> None:
        session = self._sessions.pop(ident, None)
        if session is not None:
            session.timer.cancel()
            self._note_over(ident)

    def _note_over(self, ident: str) -> None:
        self._over[ident] = None
        if len(self._over) > self.config.sessions:
            self._over.popitem(last=False)

    def _make_room(self, requester: JID) -> None:
        """End the oldest session of a requester who has too many, and the oldest of all if those are too many."""
        own = [ident for ident, session in self._sessions.items() if session.requester.bare == requester.bare]
        if len(own) >= self.config.sessions_per_requester:
            self._forget(own[0])
        if len(self._sessions) >= self.config.sessions:
            self._forget(next(iter(self._sessions)))


def _values(form: Form, payload: Element) -> Values:
    """Read what was filled in. A cancelled form counts as submitted (§3.5.1).

    Raises:
        StanzaError: not-acceptable; the user has filled in a wrong value, or none. bad-payload; the client has not
            sent the form that it was asked for (§4.4).

    """
    try:
        submitted = Form.of(payload)
        if submitted is None:
            raise refusal("bad-payload", "The form is missing")
        missing = [field.var for field in form.fields if field.required and submitted.field(field.var) is None]
        if missing:
            raise refusal("bad-payload", f"Required: {', '.join(missing)}")
        return accept(form, Form(FormType.SUBMIT, submitted.fields))
    except StanzaError as error:
        if error.condition is Condition.NOT_ACCEPTABLE:
            raise
        raise refusal("bad-payload", error.text) from None


def _answer(command: Command, ident: str, status: str, children: Sequence[Element] = ()) -> Element:
    attrs = {"node": command.node, "sessionid": ident, "status": status, "xml:lang": "en"}
    element = Element("command", COMMANDS, attrs)
    element.children.extend(children)
    return element


def _executing(command: Command, ident: str, stages: Sequence[Ask], flaw: str = "") -> Element:
    """Return the stage's form with what may be done with it (§3.4), and what was wrong with the last try (§4.3)."""
    default = Action.COMPLETE if stages[-1].last else Action.NEXT
    actions = Element("actions", COMMANDS, {"execute": default.value})
    if len(stages) > 1:
        actions.add("prev")
    actions.add(default.value)
    notes = [Element("note", COMMANDS, {"type": "error"}, flaw)] if flaw else []
    return _answer(command, ident, "executing", (actions, *notes, stages[-1].form.to_element()))


def _completed(command: Command, ident: str, done: Done) -> Element:
    children = []
    if done.note:
        children.append(Element("note", COMMANDS, {"type": "info"}, done.note))
    if done.form is not None:
        form = done.form.to_element()
        form.children.extend(done.payload)
        children.append(form)
    return _answer(command, ident, "completed", children)
