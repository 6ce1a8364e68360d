"""XEP-0045: Multi-User Chat. `PARTS` is the whole list of what the service consists of."""

from __future__ import annotations

from xmpp_server.modules.muc.activity import Activity
from xmpp_server.modules.muc.admin_commands import AdminCommands
from xmpp_server.modules.muc.admin_iq import AdminIq
from xmpp_server.modules.muc.avatars import Avatars
from xmpp_server.modules.muc.departed import Departed
from xmpp_server.modules.muc.disco import Discovery
from xmpp_server.modules.muc.hat_commands import HatCommands
from xmpp_server.modules.muc.hats import Hats
from xmpp_server.modules.muc.invitations import Invitations
from xmpp_server.modules.muc.mentions import Mentions
from xmpp_server.modules.muc.messages import Messages
from xmpp_server.modules.muc.moderation import Moderation
from xmpp_server.modules.muc.module import Muc, MucConfig
from xmpp_server.modules.muc.owner_iq import OwnerIq
from xmpp_server.modules.muc.presences import Presences
from xmpp_server.modules.muc.register import Registration
from xmpp_server.modules.muc.relay import Relay
from xmpp_server.modules.muc.restart import Restart
from xmpp_server.modules.muc.retraction import Retraction
from xmpp_server.modules.muc.search import Search
from xmpp_server.modules.muc.shutdown import Shutdown
from xmpp_server.modules.muc.slow_mode import SlowMode
from xmpp_server.modules.muc.tokens import Tokens
from xmpp_server.modules.muc.versioning import Versioning
from xmpp_server.modules.muc.voice import Voice

__all__ = ["Muc", "MucConfig"]

Muc.parts = (
    Presences,
    Messages,
    AdminIq,
    OwnerIq,
    Invitations,
    Voice,
    Registration,
    Discovery,
    Relay,
    Restart,
    Departed,
    Retraction,
    Moderation,
    AdminCommands,
    Search,
    Avatars,
    Hats,
    HatCommands,
    SlowMode,
    Activity,
    Mentions,
    Tokens,
    Shutdown,
    Versioning,
)
