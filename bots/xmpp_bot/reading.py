"""Stanzas into values: what of slixmpp's messages is for the bot, and who has written it."""

from __future__ import annotations

from datetime import datetime

import msgspec
import slixmpp

from xmpp_bot.engine import Engine
from xmpp_bot.messages import Kind, Message, Reaction
from xmpp_bot.rooms import Occupant, Rooms, occupant_id
from xmpp_bot.stamps import parse_stamp

SID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"
RETRACTED = ("{urn:xmpp:message-moderate:1}moderated", "{urn:xmpp:message-retract:1}retract")


class Reader:
    """Gives messages and reactions to the engine."""

    def __init__(self, client: slixmpp.ClientXMPP, engine: Engine, rooms: Rooms) -> None:
        self._client = client
        self._engine = engine
        self._rooms = rooms
        rooms.on_join(engine.joined)
        client.add_event_handler("message", self.on_message)
        client.add_event_handler("reactions", self.on_reactions)

    def on_message(self, stanza: slixmpp.Message, archive_id: str = "", stamp: datetime | None = None) -> None:
        """Take a message: live, or from the archive with its id there."""
        message = self._read(stanza, archive_id, stamp)
        if message is None or not message.text or stanza.xml.find(RETRACTED[1]) is not None:
            return
        self._engine.receive(message)
        self._rooms.saw(message.room if message.kind is Kind.GROUPCHAT else "", message.stamp)

    def on_reactions(self, stanza: slixmpp.Message) -> None:
        """Take a reaction; late ones no longer matter."""
        source = self._read(stanza, "", None)
        if source is not None and source.stamp is None:
            reactions = stanza["reactions"]
            emojis = tuple(sorted(reactions.get_values(all_chars=True)))
            self._engine.reacted(Reaction(source=source, target=reactions["id"], emojis=emojis))

    def request(self, sender: slixmpp.JID, text: str) -> Message:
        """Return what somebody asks for without a message: a user, or an occupant of a room through it."""
        return self._message(sender, text, Kind.CHAT, self._rooms.occupant(sender.bare, sender.resource))

    def _read(self, stanza: slixmpp.Message, archive_id: str, stamp: datetime | None) -> Message | None:
        sender = stanza["from"]
        kind = stanza["type"]
        if kind not in ("chat", "normal", "groupchat"):
            return None
        in_room = self._rooms.knows(sender.bare)
        if kind == "groupchat" and not in_room:
            return None  # the bot is in no such room: somebody calls a message to the bot so
        if not sender.resource and in_room:
            return None  # the room itself speaks
        if sender.bare == self._client.boundjid.bare or (in_room and sender.resource == self._rooms.nick(sender.bare)):
            return None
        stamp = stamp or parse_stamp(stanza.xml.find(DELAY))
        occupant = self._rooms.occupant(sender.bare, sender.resource) if in_room else None
        if occupant and stamp and not (occupant.ident and occupant.ident == occupant_id(stanza)):
            occupant = None  # who had that nick then may be somebody else
        by = sender.bare if kind == "groupchat" else self._client.boundjid.bare
        text = "" if stanza.xml.find("{jabber:client}body") is None else stanza["body"]
        message = self._message(sender, text, Kind.GROUPCHAT if kind == "groupchat" else Kind.CHAT, occupant)
        stanza_id = archive_id or _stanza_id(stanza, by)
        return msgspec.structs.replace(message, id=stanza["id"], stanza_id=stanza_id, stamp=stamp)

    def _message(self, sender: slixmpp.JID, text: str, kind: Kind, occupant: Occupant | None) -> Message:
        in_room = self._rooms.knows(sender.bare)
        return Message(
            sender=sender.full,
            user=(occupant and occupant.user) or (sender.full if in_room else sender.bare),
            text=text,
            kind=kind,
            room=sender.bare if in_room else "",
            nick=sender.resource if in_room else "",
            affiliation=occupant.affiliation if occupant else "none",
        )


def _stanza_id(stanza: slixmpp.Message, by: str) -> str:
    """Return the id by the room or the account (XEP-0359 §6: anybody else's tells nothing)."""
    return next((one.get("id", "") for one in stanza.xml.findall(SID) if one.get("by") == by), "")
