"""A slixmpp client that records what it hears, so that a test can assert what was *received*."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import slixmpp

from tests.peers import DOMAIN, PASSWORD, Address, trusting

TIMEOUT_S = 10.0
PLUGINS = ("xep_0030", "xep_0045", "xep_0049", "xep_0054", "xep_0191", "xep_0198", "xep_0199", "xep_0203", "xep_0280")


@dataclass(frozen=True)
class Heard:
    """A message or presence that arrived. `kind` is its type, for carbons "sent" or "received"."""

    sender: str
    kind: str
    text: str = ""
    delayed: bool = False


class SlixClient(slixmpp.ClientXMPP):
    """One resource of a user, on TLS by STARTTLS; nothing is approved or subscribed to unless a test says so."""

    def __init__(self, user: str, resource: str = "slix", *, plugins: Iterable[str] = PLUGINS) -> None:
        super().__init__(f"{user}@{DOMAIN}/{resource}", PASSWORD)
        self.ssl_context = trusting()
        self.enable_direct_tls = False
        self.auto_authorize = None
        self.auto_subscribe = False
        self.heard: list[Heard] = []
        self._changed = asyncio.Event()
        for plugin in plugins:
            self.register_plugin(plugin)
        self.add_event_handler("message", self._on_message)
        self.add_event_handler("message_error", self._on_message)
        self.add_event_handler("carbon_received", lambda message: self._on_carbon(message, "received"))
        self.add_event_handler("carbon_sent", lambda message: self._on_carbon(message, "sent"))
        for event in ("available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            self.add_event_handler(f"presence_{event}", self._on_presence)

    async def online(self, address: Address, *, available: bool = True) -> SlixClient:
        """Log in, fetch the roster, and become available."""
        started: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def fail(failure: object) -> None:
            if not started.done():
                started.set_exception(PermissionError(str(failure)))

        self.add_event_handler("session_start", started.set_result, disposable=True)
        self.add_event_handler("failed_all_auth", fail, disposable=True)
        self.connect(*address)
        await asyncio.wait_for(started, TIMEOUT_S)
        if available:
            await self.get_roster(timeout=TIMEOUT_S)
            self.send_presence()
            await self.hears(lambda one: one.kind == "available" and one.sender == self.boundjid.full)
        return self

    async def offline(self) -> None:
        """End the stream in good order, so that nothing waits to be resumed."""
        if self.is_connected():
            await self.disconnect()

    def say(self, to: str, text: str) -> None:
        """Send a chat message."""
        self.send_message(mto=slixmpp.JID(to), mbody=text, mtype="chat")

    async def settle(self) -> None:
        """Wait until the server has taken what was sent before."""
        await self.plugin["xep_0199"].ping(slixmpp.JID(DOMAIN))

    async def hears(self, wanted: Callable[[Heard], bool], timeout_s: float = TIMEOUT_S) -> Heard:
        """Return the first thing heard that is wanted, now or within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for one in self.heard:
                        if wanted(one):
                            return one
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.boundjid} has not heard it, but {self.heard}") from None

    async def hears_text(self, text: str, kind: str = "chat", timeout_s: float = TIMEOUT_S) -> Heard:
        """Wait for a message by its text."""
        return await self.hears(lambda one: one.text == text and one.kind == kind, timeout_s)

    async def hears_presence(self, kind: str, sender: str, timeout_s: float = TIMEOUT_S) -> Heard:
        """Wait for a presence by its type and (the beginning of) its sender."""
        return await self.hears(lambda one: one.kind == kind and one.sender.startswith(sender), timeout_s)

    def texts(self, kind: str = "chat") -> list[str]:
        """All texts heard, in their order."""
        return [one.text for one in self.heard if one.kind == kind]

    def forget(self) -> None:
        """Start a new page."""
        self.heard.clear()

    def note(self, one: Heard) -> None:
        """Add something to what was heard."""
        self.heard.append(one)
        self._changed.set()

    def _on_message(self, message: slixmpp.Message) -> None:
        if (
            message.xml.find("{urn:xmpp:carbons:2}sent") is None
            and message.xml.find("{urn:xmpp:carbons:2}received") is None
        ):
            delayed = message.xml.find("{urn:xmpp:delay}delay") is not None
            self.note(Heard(message["from"].full, message["type"], message["body"], delayed))

    def _on_carbon(self, message: slixmpp.Message, kind: str) -> None:
        inner = message[f"carbon_{kind}"]
        self.note(Heard(inner["from"].full, kind, inner["body"]))

    def _on_presence(self, presence: slixmpp.Presence) -> None:
        kind = presence.xml.get("type", "available")
        self.note(Heard(presence["from"].full, kind, presence["status"]))
