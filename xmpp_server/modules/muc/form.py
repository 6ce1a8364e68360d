"""XEP-0045 §10.1.3, §16.5.3: the configuration form, a list of settings: each is a field, and maybe a disco feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.modules.muc.roles import Role
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.forms import BOOLEANS, Field, FieldType, Form, FormType, Option, accept, hidden_form_type

ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig"
TEXT_CHARS = 4096

Values = tuple[str, ...]
Read = Callable[[RoomConfig], Values]
Write = Callable[[RoomConfig, Values], RoomConfig]


@dataclass(frozen=True, slots=True)
class Setting:
    """One field. `features` are the disco features for a config, as by a pair for "on" and "off"."""

    var: str
    type: FieldType
    label: str
    read: Read
    write: Write
    options: tuple[tuple[str, str], ...] = ()
    feature: Callable[[RoomConfig], str] | None = None
    #: Other values than the options are taken, too (XEP-0122 §3.2.2): `write` judges them.
    open: bool = False
    #: For a count: the least and the largest.
    range: tuple[int, int] | None = None
    desc: str = ""

    def field(self, config: RoomConfig) -> Field:
        """Return the field, filled in."""
        options = tuple(Option(value, label) for value, label in self.options)
        values = self.read(config)
        return Field(self.var, values, self.type, self.label, self.desc, options=options, range=self.range)


def flag(var: str, label: str, attr: str, on: str = "", off: str = "") -> Setting:
    """Make a setting that is on or off, with its disco features."""

    def read(config: RoomConfig) -> Values:
        return ("1" if getattr(config, attr) else "0",)

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        return msgspec.structs.replace(config, **{attr: BOOLEANS[values[0]]}) if values else config

    def feature(config: RoomConfig) -> str:
        return on if getattr(config, attr) else off

    return Setting(var, FieldType.BOOLEAN, label, read, write, feature=feature if on or off else None)


def text(var: str, label: str, attr: str, kind: FieldType = FieldType.TEXT_SINGLE) -> Setting:
    """Make a setting that is a text."""

    def read(config: RoomConfig) -> Values:
        value: str = getattr(config, attr)
        return (value,) if value else ()

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        value = "\n".join(values)
        if len(value) > TEXT_CHARS:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"Too long: {var}")
        return msgspec.structs.replace(config, **{attr: value})

    return Setting(var, kind, label, read, write)


def number(var: str, label: str, attr: str, most: int) -> Setting:
    """Make a setting that is a count, from 0 to `most`."""

    def read(config: RoomConfig) -> Values:
        return (str(getattr(config, attr)),)

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        return msgspec.structs.replace(config, **{attr: count(var, values, most)})

    return Setting(var, FieldType.TEXT_SINGLE, label, read, write, range=(0, most))


def count(var: str, values: Values, most: int) -> int:
    """Read a count.

    Raises:
        StanzaError: not-acceptable; it is none, or too large.

    """
    value = values[0].strip() if values else "0"
    if not (value.isascii() and value.isdigit() and len(value) < 8 and int(value) <= most):
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"{var} is a number from 0 to {most}")
    return int(value)


def choice(var: str, label: str, attr: str, options: Mapping[str, tuple[str, object]], feature: str = "") -> Setting:
    """Make a setting with one of some values; `options` is wire value -> (label, value)."""
    names = {value: name for name, (_, value) in options.items()}

    def read(config: RoomConfig) -> Values:
        return (names[getattr(config, attr)],)

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        return msgspec.structs.replace(config, **{attr: options[values[0]][1]}) if values else config

    shown = tuple((name, label) for name, (label, _) in options.items())
    return Setting(var, FieldType.LIST_SINGLE, label, read, write, shown)


ROLE_OPTIONS = (("moderator", "Moderators"), ("participant", "Participants"), ("visitor", "Visitors"))


def roles(var: str, label: str, attr: str) -> Setting:
    """Make a setting that is a list of roles."""

    def read(config: RoomConfig) -> Values:
        return tuple(role.text for role in getattr(config, attr))

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        chosen = tuple(role for role in (Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR) if role.text in values)
        return msgspec.structs.replace(config, **{attr: chosen})

    return Setting(var, FieldType.LIST_MULTI, label, read, write, ROLE_OPTIONS)


MAX_USERS = ("none", "2", "5", "10", "20", "30", "50", "100", "200", "500", "1000", "2000", "5000")


def _max_users() -> Setting:
    var = "muc#roomconfig_maxusers"

    def read(config: RoomConfig) -> Values:
        return (str(config.max_users) if config.max_users else "none",)

    def write(config: RoomConfig, values: Values) -> RoomConfig:
        none = not values or values[0] in ("none", "")
        wanted = 0 if none else count(var, values, 100_000)
        if not none and not wanted:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "A room has at least one seat")
        return msgspec.structs.replace(config, max_users=wanted)

    options = tuple((value, value) for value in MAX_USERS)
    return Setting(var, FieldType.LIST_SINGLE, "Maximum number of occupants", read, write, options, open=True)


def _whois() -> Setting:
    options: dict[str, tuple[str, object]] = {"moderators": ("Moderators only", False), "anyone": ("Anyone", True)}
    made = choice("muc#roomconfig_whois", "Who may discover real JIDs", "non_anonymous", options)

    def feature(config: RoomConfig) -> str:
        return "muc_nonanonymous" if config.non_anonymous else "muc_semianonymous"

    return Setting(made.var, made.type, made.label, made.read, made.write, made.options, feature)


PRIVATE_MESSAGES: dict[str, tuple[str, object]] = {
    "anyone": ("Anyone", Role.VISITOR),
    "participants": ("Anyone with voice", Role.PARTICIPANT),
    "moderators": ("Moderators only", Role.MODERATOR),
    "none": ("Nobody", Role.NONE),
}
VISITORS_MESSAGES: dict[str, tuple[str, object]] = {
    "anyone": ("Anyone", Role.VISITOR),
    "moderators": ("Moderators only", Role.MODERATOR),
    "nobody": ("Nobody", Role.NONE),
}

SETTINGS: tuple[Setting, ...] = (
    text("muc#roomconfig_roomname", "Name", "name"),
    text("muc#roomconfig_roomdesc", "Description", "description"),
    text("muc#roomconfig_lang", "Language of the discussion", "lang"),
    flag("muc#roomconfig_persistentroom", "Keep the empty room", "persistent", "muc_persistent", "muc_temporary"),
    flag("muc#roomconfig_publicroom", "List the room publicly", "public", "muc_public", "muc_hidden"),
    flag("public_list", "Tell strangers who is in the room", "public_occupants"),
    flag("muc#roomconfig_membersonly", "Members only", "members_only", "muc_membersonly", "muc_open"),
    flag("muc#roomconfig_allowinvites", "Members may invite others", "allow_invites"),
    flag("muc#roomconfig_moderatedroom", "Moderated", "moderated", "muc_moderated", "muc_unmoderated"),
    flag("members_by_default", "In a moderated room everybody has voice at first", "voice_at_first"),
    flag("muc#roomconfig_changesubject", "Participants may change the subject", "change_subject"),
    _whois(),
    choice("muc#roomconfig_allowpm", "Who may send private messages", "private_messages", PRIVATE_MESSAGES),
    choice("allow_private_messages_from_visitors", "To whom visitors may", "visitor_messages", VISITORS_MESSAGES),
    flag("allow_query_users", "Occupants may query one another", "allow_queries"),
    _max_users(),
    roles("muc#roomconfig_presencebroadcast", "Roles whose presence is broadcast", "presence_broadcast"),
    roles("muc#roomconfig_getmemberlist", "Roles that may retrieve the member list", "member_list"),
    flag("muc#roomconfig_enablelogging", "The discussion is logged in public", "logging"),
    text("muc#roomconfig_pubsub", "Address of an associated node", "pubsub"),
    number("muc#maxhistoryfetch", "Messages of history, at most", "history", 100),
    number("muc#roomconfig_defaulthistorymessages", "Messages of history, by default", "default_history", 100),
    flag("muc#roomconfig_allowvisitorstatus", "Visitors may tell their status", "visitor_status"),
    flag("muc#roomconfig_allowvisitornickchange", "Visitors may change their nicknames", "visitor_nick_change"),
    flag("muc#roomconfig_allowvoicerequests", "Visitors may ask for voice", "voice_requests"),
    number("muc#roomconfig_voicerequestmininterval", "Seconds between them", "voice_request_interval_s", 86_400),
    flag("x-muc#roomconfig_registration", "Users may register with the room", "registration"),
    flag("x-muc#roomconfig_reservednick", "Registered nicknames must be used", "locked_nicks"),
    flag("muc#roomconfig_affiliationnotify", "Tell absent users of their affiliation", "notify_affiliation"),
)  # fmt: skip

PROTECTED = "muc#roomconfig_passwordprotectedroom"
SECRET = "muc#roomconfig_roomsecret"  # noqa: S105 - the name of a field
OWNERS = "muc#roomconfig_roomowners"
ADMINS = "muc#roomconfig_roomadmins"


def build(config: RoomConfig, settings: Sequence[Setting], title: str, owners: Values, admins: Values) -> Form:
    """Return the form, filled in."""
    password = (config.password,) if config.password else ()
    fields = (
        hidden_form_type(ROOM_CONFIG),
        *(setting.field(config) for setting in settings),
        Field(PROTECTED, ("1" if password else "0",), FieldType.BOOLEAN, "A password is needed to enter"),
        Field(SECRET, password, FieldType.TEXT_PRIVATE, "Password"),
        Field(ADMINS, admins, FieldType.JID_MULTI, "Admins"),
        Field(OWNERS, owners, FieldType.JID_MULTI, "Owners"),
    )
    return Form(FormType.FORM, fields, title)


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was filled in; lists that were left out are None."""

    config: RoomConfig
    owners: Values | None
    admins: Values | None


def read(form: Form, submission: Form, config: RoomConfig, settings: Sequence[Setting]) -> Submitted:
    """Read a submission of `form`; what was left out stays.

    Raises:
        StanzaError: bad-request, not-acceptable; nothing is to be changed then.

    """
    filled = accept(_opened(form, settings), submission)
    new = config
    for setting in settings:
        values = filled.get(setting.var)
        if values is not None:
            new = setting.write(new, values)
    new = _with_password(new, filled)
    return Submitted(new, filled.get(OWNERS), filled.get(ADMINS))


def _opened(form: Form, settings: Sequence[Setting]) -> Form:
    """Return the form as it judges submissions: fields with an open list take any text."""
    opened = {setting.var for setting in settings if setting.open}
    fields = (replace(one, type=FieldType.TEXT_SINGLE) if one.var in opened else one for one in form.fields)
    return replace(form, fields=tuple(fields))


def _with_password(config: RoomConfig, filled: Mapping[str, Values]) -> RoomConfig:
    password = "\n".join(filled[SECRET]) if SECRET in filled else config.password
    if filled.get(PROTECTED):
        if not BOOLEANS[filled[PROTECTED][0]]:
            password = ""
        elif not password:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "Which password?")  # §10.1.3
    if len(password) > 256:
        raise StanzaError(Condition.NOT_ACCEPTABLE, "The password is too long", echo=False)
    return msgspec.structs.replace(config, password=password)


def features(config: RoomConfig, settings: Sequence[Setting]) -> set[str]:
    """Return the disco features of a configuration (§16.3)."""
    found = {setting.feature(config) for setting in settings if setting.feature is not None}
    found.add("muc_passwordprotected" if config.password else "muc_unsecured")
    return found - {""}
