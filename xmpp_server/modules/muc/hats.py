"""XEP-0317: hats: what else than role and affiliation somebody is in a room, shown in presence."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import msgspec

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.hooks import RoomDisco, Shown
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.forms import Field, FieldType
from xmpp_server.xml.element import Element
from xmpp_server.xml.writer import serialize

HATS = "urn:xmpp:hats:0"
#: What the configuration keeps: the hats that there are, and who wears which, as `address uri`.
KNOWN, WORN = "hats", "hats_worn"
MAX_HATS = 100
MAX_WORN = 1000
URI_CHARS = 1024
TITLE_CHARS = 256


class Hat(msgspec.Struct, frozen=True, array_like=True):
    """A hat; `hue` is an angle in degrees, as text, or empty."""

    uri: str
    title: str
    hue: str = ""

    @classmethod
    def checked(cls, uri: str, title: str, hue: str) -> Hat:
        """Make a hat of what somebody has filled in.

        Raises:
            StanzaError: not-acceptable.

        """
        uri, title, hue = uri.strip(), title.strip(), hue.strip()
        if not uri or len(uri) > URI_CHARS or any(char.isspace() for char in uri):
            raise StanzaError(Condition.NOT_ACCEPTABLE, "This is no URI")
        if not title or len(title) > TITLE_CHARS:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"A title has 1 to {TITLE_CHARS} characters")
        if hue:
            try:
                angle = float(hue)
            except ValueError:
                angle = math.nan
            if not 0 <= angle <= 360 or len(hue) > 32:
                raise StanzaError(Condition.NOT_ACCEPTABLE, "A hue is a number from 0 to 360")
        return cls(uri, title, hue)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Hat).decode


def known(config: RoomConfig) -> dict[str, Hat]:
    """Return the hats of a room by their URIs."""
    hats = map(_decode, config.more.get(KNOWN, ()))
    return {hat.uri: hat for hat in hats}


def worn(config: RoomConfig) -> list[tuple[str, str]]:
    """Return who wears which, as pairs of address and URI."""
    pairs = (one.partition(" ") for one in config.more.get(WORN, ()))
    return [(address, uri) for address, _, uri in pairs]


def wearing(config: RoomConfig, hats: Sequence[Hat], pairs: Sequence[tuple[str, str]]) -> RoomConfig:
    """Return a configuration with these hats, worn by these.

    Raises:
        StanzaError: resource-constraint; these are too many.

    """
    if len(hats) > MAX_HATS or len(pairs) > MAX_WORN:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"A room has {MAX_HATS} hats, worn by {MAX_WORN}, at most")
    return config.having(
        **{
            KNOWN: tuple(_encode(hat).decode() for hat in hats),
            WORN: tuple(f"{address} {uri}" for address, uri in pairs),
        }
    )


def bareheaded(config: RoomConfig, jid: JID) -> RoomConfig:
    """Return a configuration in which an account wears nothing."""
    pairs = worn(config)
    left = [pair for pair in pairs if pair[0] != str(jid)]
    return config if left == pairs else wearing(config, list(known(config).values()), left)


class Hats:
    """Shows hats."""

    def __init__(self, muc: Muc) -> None:
        muc.hooks.shown.add(_show)
        muc.hooks.room_disco.add(_describe)


def _show(event: Shown) -> None:
    config, portrait = event.open.room.config, event.portrait
    if WORN not in config.more or not portrait.available:
        return
    bare = str(portrait.occupant.bare)
    uris = [uri for address, uri in worn(config) if address == bare]
    if not uris:
        return
    hats = known(config)
    element = Element("hats", HATS)
    for uri in uris:
        hat = hats[uri]
        element.add("hat", title=hat.title, uri=uri, hue=hat.hue or None)
    event.extra.append(serialize(element))


def _describe(event: RoomDisco) -> None:
    if event.disco.node:
        return
    event.disco.features.add(HATS)
    hats = event.open.room.config.more.get(KNOWN)
    if hats:
        digest = hashlib.sha256("\n".join(sorted(hats)).encode()).hexdigest()[:40]
        event.fields.append(Field("hats#hash", (digest,), FieldType.TEXT_SINGLE, "Hats hash"))
