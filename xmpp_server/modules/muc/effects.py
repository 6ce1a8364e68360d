"""What a room answers with: what is to be told to whom. Other files write these as XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from xmpp_server.jid import JID
from xmpp_server.modules.muc.occupants import Portrait, Seat
from xmpp_server.modules.muc.roles import Affiliation


class Status(IntEnum):
    """The status codes (XEP-0045 §16.6.2)."""

    NON_ANONYMOUS = 100
    AFFILIATION_CHANGED = 101
    CONFIGURED = 104
    SELF = 110
    LOGGING = 170
    LOGGING_OFF = 171
    NOW_NON_ANONYMOUS = 172
    NOW_SEMI_ANONYMOUS = 173
    CREATED = 201
    NICK_CHANGED_BY_SERVICE = 210
    BANNED = 301
    NEW_NICK = 303
    KICKED = 307
    AFFILIATION_LOST = 321
    MEMBERS_ONLY_NOW = 322
    SHUTDOWN = 332
    ERROR = 333


@dataclass(frozen=True, slots=True)
class Destruction:
    """Why a room is gone, and where to go instead (§10.9)."""

    venue: JID | None = None
    reason: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """An occupant's presence, for some clients. `own_codes` and `id` are for the occupant's own clients alone."""

    portrait: Portrait
    to: Sequence[Seat]
    codes: tuple[Status, ...] = ()
    own_codes: tuple[Status, ...] = ()
    actor: str = ""
    reason: str = ""
    new_nick: str = ""
    destroyed: Destruction | None = None
    id: str | None = None
    #: The versions of the affiliations before and after (XEP-0463).
    versions: tuple[str | None, str] | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """A client is in: it gets the history it asked for, and the subject."""

    seat: Seat


@dataclass(frozen=True, slots=True)
class Notice:
    """The room says that its configuration has changed (§10.2.1)."""

    codes: tuple[Status, ...]
    to: Sequence[Seat]


@dataclass(frozen=True, slots=True)
class AffiliationNotice:
    """The affiliation of somebody who is not there has changed (§10.3), for those who may know of it."""

    jid: JID
    affiliation: Affiliation
    to: Sequence[Seat]
    versions: tuple[str | None, str] | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """Word to somebody who is not there that their affiliation has changed (§16.6.2)."""

    jid: JID
    affiliation: Affiliation


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody is invited (§7.8.2)."""

    jid: JID
    inviter: JID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """What is kept of the room has changed."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such room any more."""

    destruction: Destruction | None = None


Effect: TypeAlias = "Show | Welcome | Notice | AffiliationNotice | Letter | Invitation | Changed | Gone"
