"""XEP-0500: a time that everybody has to wait between two messages, but for admins and owners."""

from __future__ import annotations

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.order import Order
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.form import Setting, Values, count
from xmpp_server.modules.muc.hooks import RoomDisco, RoomMessage
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.forms import Field, FieldType
from xmpp_server.xml.namespaces import CLIENT

#: What the configuration keeps, in seconds.
DURATION = "slow_mode"
VAR = "muc#roomconfig_slow_mode_duration"
MAX_S = 86_400
BODY = f"{CLIENT} body"
#: Accounts that a room remembers before it looks whose time is over.
REMEMBERED = 1000


def duration_s(config: RoomConfig) -> int:
    """Return how long everybody waits; 0 for no time."""
    return int(config.more.get(DURATION, ("0",))[0])


def _read(config: RoomConfig) -> Values:
    return (str(duration_s(config)),)


def _write(config: RoomConfig, values: Values) -> RoomConfig:
    wanted = count(VAR, values, MAX_S)
    return config.having(slow_mode=(str(wanted),) if wanted else ())


SETTING = Setting(
    VAR,
    FieldType.TEXT_SINGLE,
    "Slow mode",
    _read,
    _write,
    range=(0, MAX_S),
    desc="Seconds that everybody waits between two messages; 0 is no time",
)


class SlowMode:
    """Refuses what comes too early."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.settings.append(SETTING)
        muc.hooks.message.add(self._check, Order.POLICY)
        muc.hooks.room_disco.add(_describe)

    def _check(self, event: RoomMessage) -> Verdict:
        """Let a message with a body pass, if its author has waited (§6)."""
        room = event.open.room
        if DURATION not in room.config.more or BODY not in event.stanza.children:
            return False
        occupant = event.seat.occupant
        if occupant.affiliation >= Affiliation.ADMIN:
            return False
        wait_s, now, spoke = duration_s(room.config), self._muc.host.now(), event.open.spoke
        last = spoke.get(occupant.bare)
        if last is not None and now - last < wait_s:
            text = f"Slow mode: wait {wait_s} seconds between messages"
            raise StanzaError(Condition.POLICY_VIOLATION, text, type=ErrorType.WAIT)
        if len(spoke) >= REMEMBERED:
            _forget(spoke, now - wait_s)
        spoke[occupant.bare] = now
        return False


def _forget(spoke: dict[JID, float], before: float) -> None:
    for jid in [jid for jid, when in spoke.items() if when <= before]:
        del spoke[jid]


def _describe(event: RoomDisco) -> None:
    if not event.disco.node:
        value = str(duration_s(event.open.room.config))
        event.fields.append(Field("muc#roominfo_slow_mode_duration", (value,), FieldType.TEXT_SINGLE, "Slow mode"))
