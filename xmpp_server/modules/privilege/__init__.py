"""XEP-0356: Privileged Entity: what components may do for accounts, a file for each kind of privilege."""

from xmpp_server.modules.privilege.module import Privilege

__all__ = ["Privilege"]
