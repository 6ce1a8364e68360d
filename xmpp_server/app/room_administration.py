"""What an administrator does to rooms: the same in a running server and on a stopped one's storage."""

from __future__ import annotations

from collections.abc import Mapping

from xmpp_server.app.asked import address, told
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.core.host import Host
from xmpp_server.jid import JID
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.muc.operations import Facts, Operations


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
        with told():
            return await service.describe(jid)

    async def create(self, arguments: Mapping[str, object]) -> object:
        """Make the room `jid` for `owner`, with a `name`."""
        service, jid = self._room(arguments)
        owner = address(arguments, "owner")
        if owner.localpart is None:
            raise ControlError(f"{owner} is no account: it must look like name@domain")
        name = arguments.get("name")
        with told():
            await service.create(jid, owner.bare, name if isinstance(name, str) else "")
        return {"jid": str(jid)}

    async def delete(self, arguments: Mapping[str, object]) -> object:
        """End the room `jid` for a `reason`."""
        service, jid = self._room(arguments)
        reason = arguments.get("reason")
        with told():
            await service.destroy(jid, reason if isinstance(reason, str) else "")
        return {"jid": str(jid)}

    def _room(self, arguments: Mapping[str, object]) -> tuple[Operations, JID]:
        jid = address(arguments, "jid")
        for service in self._services:
            if service.owns(jid):
                return service, jid
        raise ControlError(f"{jid} is no room here: it must look like name@domain of a chat service")
