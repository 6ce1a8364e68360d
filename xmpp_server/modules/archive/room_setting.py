"""`muc#roomconfig_mam`: owners decide whether what is said in their room is archived."""

from __future__ import annotations

from xmpp_server.modules.muc.form import Setting, Values
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.forms import BOOLEANS, FieldType

#: What the configuration keeps, of rooms that are not archived.
KEPT = "not_archived"


def is_archived(config: RoomConfig) -> bool:
    """Tell whether a room wants to be archived: each does that has not said otherwise."""
    return KEPT not in config.more


def _read(config: RoomConfig) -> Values:
    return ("1" if is_archived(config) else "0",)


def _write(config: RoomConfig, values: Values) -> RoomConfig:
    return config.having(not_archived=() if not values or BOOLEANS[values[0]] else ("1",))


SETTING = Setting("muc#roomconfig_mam", FieldType.BOOLEAN, "Archive what is said", _read, _write)
