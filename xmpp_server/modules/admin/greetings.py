"""XEP-0133 §4.23 to §4.28: announcements, the message of the day, the message of welcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import AccountLoaded, PresenceChange, Slot
from xmpp_server.core.session import Session
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, asking, blank, lines_field, node, text
from xmpp_server.modules.commands import Ask, Command, Done, Stage, Values
from xmpp_server.stanzas import message
from xmpp_server.stanzas.message import MessageType
from xmpp_server.storage.api import StorageError
from xmpp_server.xml.stanza import Stanza

#: The kind of document. The host's hold the texts, an account's the ids of those it has been shown.
KIND = "greetings"
MOTD = "motd"
WELCOME = "welcome"
#: So many accounts are told before everybody else has a turn.
ACCOUNTS_A_TURN = 100

log = structlog.get_logger()


class Greeting(msgspec.Struct, frozen=True):
    """A text, when it was set, and under which id it counts as seen."""

    id: str
    since: datetime
    text: str


class Seen:
    """The ids of the greetings that an account has been shown."""

    __slots__ = ("ids",)

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}


class Greetings:
    """Shows each text once to each account, when a resource of it becomes available."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: None until it is read from storage, when it is needed first.
        self._greetings: dict[str, Greeting] | None = None
        self._seen: Slot[Seen] = Slot("greetings", Seen)
        host.accounts.document_kinds.add(KIND)
        host.hooks.account_loaded.add(self._loaded)
        host.hooks.presence_changed.add(self._greet)

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        announcement = blank(
            "Making an Announcement",
            "Fill out this form to make an announcement to all active users of this service.",
            lines_field("announcement", "Announcement"),
        )
        return [
            asking("announce", "Send Announcement to Online Users", allowed, announcement, self.announce),
            self._setting("set-motd", "Set Message of the Day", MOTD, allowed, fresh=True),
            self._setting("edit-motd", "Edit Message of the Day", MOTD, allowed, fresh=False),
            self._deleting("delete-motd", "Delete Message of the Day", MOTD, allowed),
            self._setting("set-welcome", "Set Welcome Message", WELCOME, allowed, fresh=True),
            self._deleting("delete-welcome", "Delete Welcome Message", WELCOME, allowed),
        ]

    async def announce(self, requester: JID, values: Values) -> Stage:
        """Send a headline to everybody who is there (§4.23)."""
        self.tell_all(text(values, "announcement"))
        return Done()

    def tell_all(self, body: str) -> None:
        """Send a headline to everybody who is there; it may take a while."""
        self._host.runtime.spawn(self._tell_all(body), "announcement")

    async def _tell_all(self, body: str) -> None:
        for number, account in enumerate(tuple(self._host.accounts.active.values()), 1):
            self._send(message.build(self._host.jid, account.jid, type=MessageType.HEADLINE, body=body))
            if number % ACCOUNTS_A_TURN == 0:
                await self._host.runtime.sleep(0)

    def _setting(self, name: str, label: str, key: str, allowed: Allowed, *, fresh: bool) -> Command:
        async def start(requester: JID) -> Stage:
            current = (await self._read()).get(key)
            field = lines_field(key, label, "" if current is None else current.text)
            return Ask(blank(label, "Fill out this form to set the message.", field), submit)

        async def submit(requester: JID, values: Values) -> Stage:
            greetings = await self._read()
            old = None if fresh else greetings.get(key)  # an edited text is not shown again
            now = self._host.utcnow()
            greeting = Greeting(old.id if old else self._host.ids.new(), old.since if old else now, text(values, key))
            await self._host.storage.documents.put(self._host.jid, KIND, key, msgspec.json.encode(greeting))
            greetings[key] = greeting
            return Done()

        return Command(node(name), label, allowed, start)

    def _deleting(self, name: str, label: str, key: str, allowed: Allowed) -> Command:
        async def start(requester: JID) -> Stage:
            greetings = await self._read()
            if key not in greetings:
                return Done(note="There was no such message")
            await self._host.storage.documents.remove(self._host.jid, KIND, key)
            greetings.pop(key, None)
            return Done()

        return Command(node(name), label, allowed, start)

    async def _read(self) -> dict[str, Greeting]:
        if self._greetings is None:
            stored = await self._host.storage.documents.all(self._host.jid, KIND)
            greetings = {key: msgspec.json.decode(data, type=Greeting) for key, data in stored.items()}
            if self._greetings is None:
                self._greetings = greetings
        return self._greetings

    def _loaded(self, event: AccountLoaded) -> None:
        stored = event.documents.get(KIND)
        if stored:
            self._seen.get(event.account).ids = {key: ident.decode() for key, ident in stored.items()}

    def _greet(self, change: PresenceChange) -> None:
        session = change.session
        if change.old is not None or change.new is None or session.priority < 0:
            return
        if self._greetings is None:
            self._host.runtime.spawn(self._read_and_show(session), "greetings")
        elif self._greetings:
            self._show(session, self._greetings)

    async def _read_and_show(self, session: Session) -> None:
        try:
            self._show(session, await self._read())
        except StorageError as error:
            log.error("greetings-not-read", error=str(error))

    def _show(self, session: Session, greetings: Mapping[str, Greeting]) -> None:
        account = session.account
        for key, greeting in greetings.items():
            if self._is_due(account, key, greeting):
                self._seen.get(account).ids[key] = greeting.id
                if not account.anonymous:
                    self._host.storage.documents.put(account.jid, KIND, key, greeting.id.encode())
                self._send(message.build(self._host.jid, session.jid, body=greeting.text))

    def _is_due(self, account: Account, key: str, greeting: Greeting) -> bool:
        seen = self._seen.peek(account)
        shown = None if seen is None else seen.ids.get(key)
        if key == WELCOME:  # for accounts that are new, and only once (§4.27)
            return shown is None and account.record is not None and account.record.created >= greeting.since
        return shown != greeting.id

    def _send(self, stanza: Stanza) -> None:
        wait = self._host.router.route(stanza)
        if wait is not None:
            self._host.runtime.spawn(self._host.router.guard(stanza, wait), "greeting")
