"""Who may what: from the lists in the configuration, and from affiliations in rooms."""

from __future__ import annotations

from enum import IntEnum

from xmpp_bot.config import Config
from xmpp_bot.messages import Message


class Role(IntEnum):
    """What somebody is to the bot; a higher one may all that a lower one may."""

    ANYBODY = 0
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


_AFFILIATIONS = {"member": Role.MEMBER, "admin": Role.ADMIN, "owner": Role.OWNER}


def role_of(message: Message, config: Config) -> Role:
    """Tell the role of a sender; an affiliation counts in its room only."""
    if message.user in config.owners:
        return Role.OWNER
    if message.user in config.admins:
        return Role.ADMIN
    if config.room_roles and message.room:
        return _AFFILIATIONS.get(message.affiliation, Role.ANYBODY)
    return Role.ANYBODY
