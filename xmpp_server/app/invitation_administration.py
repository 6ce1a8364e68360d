"""What an administrator does with invitations: the same in a running server and on a stopped one's storage."""

from __future__ import annotations

from collections.abc import Mapping

from xmpp_server.app.asked import address, told
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.core.host import Host
from xmpp_server.jid import JID
from xmpp_server.modules.invitations import Invitation, Invitations, Purpose

#: Fewer characters of an id say nothing.
ID_CHARS = 6


class InvitationAdministration:
    """Commands on invitations; each is a handler of the control socket, and a method for the command line."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        found = {name: host.modules.get(Invitations) for name, host in hosts.items()}
        self._hosts = hosts
        self._modules = {name: module for name, module in found.items() if isinstance(module, Invitations)}

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {
            "invitation.create": self.create,
            "invitation.list": self.list,
            "invitation.revoke": self.revoke,
        }

    async def create(self, arguments: Mapping[str, object]) -> object:
        """Invite to the account or domain `target`, in the name of the account `by`, for `valid_s` seconds."""
        target = address(arguments, "target")
        module = self._modules.get(target.domainpart)
        if module is None:
            raise ControlError(f"{target.domainpart} invites nobody; domains: {', '.join(self._modules) or 'none'}")
        inviter = address(arguments, "by") if arguments.get("by") else None
        if inviter is not None and await self._is_missing(inviter, target.domainpart):
            raise ControlError(f"there is no account {inviter} on {target.domainpart}")
        valid_s = arguments.get("valid_s")
        with told():
            made = await module.invite(
                Purpose.ACCOUNT,
                inviter,
                target.localpart or "",
                valid_s=float(valid_s) if isinstance(valid_s, int | float) else 0.0,
            )
        return {**_row(made.ident, target.domainpart, made.invitation), "uri": made.uri}

    async def _is_missing(self, jid: JID, domain: str) -> bool:
        if jid.localpart is None or jid.domainpart != domain:
            return True
        with told():
            return await self._hosts[domain].accounts.load(jid.bare) is None

    async def list(self, _arguments: Mapping[str, object]) -> object:
        """Return those that may still be used, of all hosts."""
        with told():
            return [
                _row(ident, host, invitation)
                for host, module in self._modules.items()
                for ident, invitation in (await module.book.all()).items()
            ]

    async def revoke(self, arguments: Mapping[str, object]) -> object:
        """Forget the invitation whose id begins with `id`."""
        start = str(arguments.get("id") or "")
        if len(start) < ID_CHARS:
            raise ControlError(f"give {ID_CHARS} characters of the id at least")
        with told():
            found = [
                (module, ident)
                for module in self._modules.values()
                for ident in await module.book.all()
                if ident.startswith(start)
            ]
            if len(found) != 1:
                raise ControlError(f"{len(found) or 'no'} invitations begin with {start}")
            module, ident = found[0]
            await module.book.remove(ident)
        return {"id": ident}


def _row(ident: str, host: str, invitation: Invitation) -> dict[str, object]:
    return {
        "id": ident,
        "host": host,
        "purpose": str(invitation.purpose),
        "username": invitation.username,
        "inviter": invitation.inviter,
        "created": invitation.created.isoformat(timespec="seconds"),
        "expires": invitation.expires.isoformat(timespec="seconds"),
    }
