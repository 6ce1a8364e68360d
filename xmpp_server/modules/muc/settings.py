"""How a room is set up (XEP-0045 §4.2, §10.1.3): the values behind its configuration form."""

from __future__ import annotations

import msgspec

from xmpp_server.modules.muc.roles import Affiliation, Role, role_on_entering


class RoomConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The configuration of one room. Counts are of occupants and messages; intervals are in seconds."""

    name: str = ""
    description: str = ""
    lang: str = ""
    public: bool = True
    persistent: bool = False
    members_only: bool = False
    moderated: bool = False
    #: In a moderated room all have voice until it is taken from them.
    voice_at_first: bool = False
    password: str = ""
    #: Everybody sees real JIDs, not moderators alone.
    non_anonymous: bool = False
    #: Participants may change the subject, not moderators alone.
    change_subject: bool = False
    #: Mere members may invite to a members-only room.
    allow_invites: bool = False
    #: Who may send private messages: the least role, NONE for nobody.
    private_messages: Role = Role.VISITOR
    #: To whom visitors may, if they may: the least role, NONE for nobody.
    visitor_messages: Role = Role.VISITOR
    #: 0: as many as the service allows.
    max_users: int = 0
    presence_broadcast: tuple[Role, ...] = (Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR)
    member_list: tuple[Role, ...] = (Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR)
    #: Says that the discussion is logged in public; the room itself logs nothing.
    logging: bool = False
    pubsub: str = ""
    #: How many messages of history a newcomer can get at most, and gets who does not say.
    history: int = 50
    default_history: int = 20
    registration: bool = True
    #: Whoever has registered a nickname bears that, and no other.
    locked_nicks: bool = False
    #: Strangers may ask who is there (disco#items).
    public_occupants: bool = False
    #: IQs are passed on from occupant to occupant.
    allow_queries: bool = True
    visitor_status: bool = True
    visitor_nick_change: bool = True
    voice_requests: bool = True
    voice_request_interval_s: int = 60
    #: Who is not there hears of a changed affiliation.
    notify_affiliation: bool = False
    #: What satellites keep, by form variable.
    more: dict[str, tuple[str, ...]] = {}

    def having(self, **more: tuple[str, ...]) -> RoomConfig:
        """Return a configuration with other values of satellites; an empty one is the absence of it."""
        merged = {var: values for var, values in {**self.more, **more}.items() if values}
        return msgspec.structs.replace(self, more=merged)

    def default_role(self, affiliation: Affiliation) -> Role:
        """Return the role with which somebody enters (§5.1.2)."""

        return role_on_entering(affiliation, moderated=self.moderated and not self.voice_at_first)
