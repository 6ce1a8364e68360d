"""XEP-0401, XEP-0379, XEP-0445: invitations: tokens that make contacts of strangers, and let them make accounts."""

from xmpp_server.modules.invitations.book import Invitation, Purpose
from xmpp_server.modules.invitations.module import Accounts, Invitations, InvitationsConfig

__all__ = ["Accounts", "Invitation", "Invitations", "InvitationsConfig", "Purpose"]
