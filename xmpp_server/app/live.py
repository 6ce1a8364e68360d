"""What the command line asks of a running server: its state and its sessions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xmpp_server import __version__
from xmpp_server.app.asked import address
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.errors import StreamCondition, StreamError

if TYPE_CHECKING:
    from xmpp_server.core.host import Host
    from xmpp_server.core.session import Session


class LiveHosts:
    """The hosts of this process, to the command line."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        addresses: Mapping[str, list[str]],
        components: Callable[[], list[dict[str, object]]] = list,
        links: Callable[[], list[dict[str, object]]] = list,
    ) -> None:
        self._hosts = hosts
        self._addresses = addresses
        self._components = components
        self._links = links
        self._started = datetime.now(UTC)

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {
            "status": self.status,
            "session.list": self.sessions,
            "session.kick": self.kick,
            "component.list": self.components,
        }

    async def status(self, _arguments: Mapping[str, object]) -> object:
        """Tell how the server is."""
        sessions = list(self._sessions())
        hibernated = sum(session.transport is None for session in sessions)
        return {
            "running": True,
            "version": __version__,
            "pid": os.getpid(),
            "started": self._started.isoformat(timespec="seconds"),
            "domains": list(self._hosts),
            "addresses": dict(self._addresses),
            "sessions": len(sessions) - hibernated,
            "hibernated": hibernated,
            "s2s": sum(row["state"] == "open" for row in self._links()),
            "components": {str(row["component"]): row["state"] for row in self._components()},
        }

    async def components(self, _arguments: Mapping[str, object]) -> object:
        """List the external components."""
        return self._components()

    async def sessions(self, _arguments: Mapping[str, object]) -> object:
        """List all sessions."""
        return sorted((_row(session) for session in self._sessions()), key=lambda row: str(row["jid"]))

    async def kick(self, arguments: Mapping[str, object]) -> object:
        """End the session of a full JID, or all of a bare one."""
        jid = address(arguments, "jid")
        sessions = [session for session in self._sessions() if jid in (session.jid, session.jid.bare)]
        if not sessions:
            raise ControlError(f"{jid} has no session")
        for session in sessions:
            session.end(StreamError(StreamCondition.POLICY_VIOLATION, "Ended by the administrator"))
        return {"jid": str(jid), "ended": len(sessions)}

    def _sessions(self) -> Iterator[Session]:
        for host in self._hosts.values():
            for account in host.accounts.active.values():
                yield from account.sessions.values()


def _row(session: Session) -> dict[str, object]:
    return {
        "jid": str(session.jid),
        "state": "hibernated" if session.transport is None else "connected",
        "peer": str(getattr(session.transport, "peer", "")),
        "presence": "unavailable" if session.presence is None else "available",
        "priority": session.priority,
        "resumable": session.sm is not None and session.sm.resumable,
        "idle_s": round(session.host.now() - session.last_received),
        "bound": session.bound_at.isoformat(timespec="seconds"),
    }
