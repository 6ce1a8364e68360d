"""What an administrator does to rooms: the same in a running server and on a stopped one's storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xmpp_server.app.control import ControlError, Handler
from xmpp_server.core.host import Host
from xmpp_server.errors import StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.muc.operations import Facts, Operations
from xmpp_server.storage.api import StorageError


class RoomAdministration:
    """Commands on rooms; each is a handler of the control socket, and a method for the command line."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        modules = [host.modules.get(Muc) for host in hosts.values()]
        self._services: list[Operations] = [module.operations for module in modules if isinstance(module, Muc)]

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {
            "room.list": self.list,
            "room.show": self.show,
            "room.create": self.create,
            "room.delete": self.delete,
        }

    async def list(self, arguments: Mapping[str, object]) -> object:
        """Return all rooms of all services."""
        found: list[Facts] = []
        for service in self._services:
            found += await service.rooms()
        return found

    async def show(self, arguments: Mapping[str, object]) -> object:
        """Return what there is to tell of the room `jid`."""
        service, jid = self._room(arguments)
        with _told():
            return await service.describe(jid)

    async def create(self, arguments: Mapping[str, object]) -> object:
        """Make the room `jid` for `owner`, with a `name`."""
        service, jid = self._room(arguments)
        owner = _jid(arguments, "owner")
        if owner.localpart is None:
            raise ControlError(f"{owner} is no account: it must look like name@domain")
        name = arguments.get("name")
        with _told():
            await service.create(jid, owner.bare, name if isinstance(name, str) else "")
        return {"jid": str(jid)}

    async def delete(self, arguments: Mapping[str, object]) -> object:
        """End the room `jid` for a `reason`."""
        service, jid = self._room(arguments)
        reason = arguments.get("reason")
        with _told():
            await service.destroy(jid, reason if isinstance(reason, str) else "")
        return {"jid": str(jid)}

    def _room(self, arguments: Mapping[str, object]) -> tuple[Operations, JID]:
        jid = _jid(arguments, "jid")
        for service in self._services:
            if service.owns(jid):
                return service, jid
        raise ControlError(f"{jid} is no room here: it must look like name@domain of a chat service")


def _jid(arguments: Mapping[str, object], name: str) -> JID:
    text = arguments.get(name)
    try:
        return JID.parse(text if isinstance(text, str) else "")
    except JIDMalformed as error:
        raise ControlError(f"{text} is no address: {error}") from None


@contextmanager
def _told() -> Iterator[None]:
    """Turn what can go wrong with a room into what the operator is told."""
    try:
        yield
    except StanzaError as error:
        text = error.text or error.condition.value
        raise ControlError(text[0].lower() + text[1:]) from None
    except StorageError as error:
        raise ControlError(f"the storage failed: {error}") from None
