"""XEP-0133: Service Administration, as ad-hoc commands for the administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from xmpp_server.core.administrators import Administrators
from xmpp_server.core.domain_rules import DomainRules
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.host import Host
from xmpp_server.core.module import Module, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.admin.accounts import AccountCommands
from xmpp_server.modules.admin.admins import AdminListCommands
from xmpp_server.modules.admin.domains import DomainCommands
from xmpp_server.modules.admin.forms import node
from xmpp_server.modules.admin.greetings import Greetings
from xmpp_server.modules.admin.insight import InsightCommands
from xmpp_server.modules.admin.lists import ListCommands
from xmpp_server.modules.admin.logins import Logins
from xmpp_server.modules.admin.rights import RightsCommands
from xmpp_server.modules.admin.service import ServiceCommands
from xmpp_server.modules.commands import Command, Commands, Stage

#: What is not offered, and why.
UNSUPPORTED = {
    "get-user-password": "Passwords are not kept, only keys that are derived from them",
}


class AdminConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Users from whom nothing has come for `idle_s` are idle; logins are dated to within `login_precision_s`."""

    idle_s: float = 600.0
    login_precision_s: float = 3600.0


class Admin(Module):
    """Adds the commands."""

    name = "admin"
    xeps = (Xep(133, "1.3.1", f"without {', '.join(UNSUPPORTED)}"),)
    needs = (Commands,)
    Config = AdminConfig
    config: AdminConfig

    def register(self, host: Host) -> None:
        """Add what there is, and the refusals of what there is not."""
        self._host = host
        self._engine = host.module(Commands)
        self._greetings = Greetings(host)
        logins = Logins(host, self.config.login_precision_s)
        for group in (
            AccountCommands(host),
            InsightCommands(host, logins),
            ListCommands(host, self.config.idle_s),
            self._greetings,
        ):
            for command in group.commands(self.is_admin):
                self._engine.add(command)
        for name, reason in UNSUPPORTED.items():
            self._engine.add(Command(node(name), name, self.is_admin, _refuse(reason), listed=False))

    def is_admin(self, jid: JID) -> bool:
        """Tell whether a requester is among the admins."""
        return jid.bare in self._host.admins

    def offer_admins(self, administrators: Administrators) -> None:
        """Add the editing of the list of administrators."""
        for command in AdminListCommands(administrators).commands(self.is_admin):
            self._engine.add(command)

    def offer_domains(self, rules: DomainRules) -> None:
        """Add the editing of the blacklist and the whitelist, for a server that talks to others."""
        for command in DomainCommands(rules).commands(self.is_admin):
            self._engine.add(command)

    def offer_rights(self, rights: FederationRights) -> None:
        """Add the editing of who has to do with others, for a server that talks to others."""
        for command in RightsCommands(self._host, rights).commands(self.is_admin):
            self._engine.add(command)

    def offer_service(self, stop: Callable[[bool], None]) -> None:
        """Add restart and shutdown, for an application that can: `stop` is called with true for a restart."""
        for command in ServiceCommands(self._host, stop, self._greetings.tell_all).commands(self.is_admin):
            self._engine.add(command)


def _refuse(reason: str) -> Callable[[JID], Awaitable[Stage]]:
    async def start(requester: JID) -> Stage:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, reason)

    return start
