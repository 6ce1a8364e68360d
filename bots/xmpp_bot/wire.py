"""What the engine needs of a connection; the client and the tests' double have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from xmpp_bot.messages import Message, Outgoing


class Wire(Protocol):
    """A connection to a server, or what passes for one."""

    def transmit(self, message: Outgoing, written: Callable[[], None]) -> None:
        """Send a message, and tell when it is out; while there is no session nothing happens at all."""

    async def upload(self, path: Path) -> str:
        """Give a file to the server; return its address.

        Raises:
            Refusal: There is no service, or it does not take the file.

        """

    async def kick(self, room: str, nick: str, reason: str) -> None:
        """Put an occupant out of a room."""

    async def retract(self, room: str, stanza_id: str, reason: str) -> None:
        """Take a message back in everybody's view (XEP-0425)."""

    async def search(self, room: str, text: str, limit: int) -> list[Message]:
        """Return the latest messages of a room's archive with the words of a text, oldest first.

        Raises:
            Refusal: It cannot be searched.

        """

    def occupants(self, room: str) -> list[str]:
        """Nicks in a room, the bot's own too."""
