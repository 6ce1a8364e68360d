"""XEP-0045 §7.4, §7.5, §8.1: messages to all occupants, to one of them, and changes of the subject."""

from __future__ import annotations

from functools import partial

from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.history import Line
from xmpp_server.modules.muc.hooks import Direct, RoomMessage
from xmpp_server.modules.muc.limits import ID_CHARS
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.roles import Privilege, Role, has
from xmpp_server.modules.muc.room import Subject
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.modules.muc.wire import (
    NOT_IN_MESSAGES,
    OCCUPANT_ID_TAG,
    STANZA_ID_TAG,
    USER_TAG,
    Copies,
    copies,
    inner_of,
    inner_of_error,
    lang_of,
    occupant_id,
    tags_of,
)
from xmpp_server.xml.namespaces import CLIENT, HINTS, MUC_USER
from xmpp_server.xml.stanza import Stanza

BODY, SUBJECT, THREAD = f"{CLIENT} body", f"{CLIENT} subject", f"{CLIENT} thread"
NOT_KEPT = (f"{HINTS} no-store", f"{HINTS} no-permanent-store")
#: Private messages that may still be answered with errors; those with very long ids may not.
WHISPERS = 1000
_PRIVATE = b"<x xmlns='%b'/>" % MUC_USER.encode()


def reflected(event: RoomMessage) -> bytes:
    """Return the children of an occupant's message as all get them: with the occupant's id and the room's (§7.4)."""
    room = event.open.room.jid
    return b"%b%b<stanza-id xmlns='urn:xmpp:sid:0' by='%b' id='%b'/>%b" % (
        inner_of(event.stanza, NOT_IN_MESSAGES, room),
        occupant_id(event.seat.occupant.id),
        room.encoded,
        event.stable_id.encode(),
        b"".join(event.extra),
    )


def reflection(event: RoomMessage) -> Copies:
    """Write an occupant's message as all get it (§7.4)."""
    stanza, ident = event.stanza, event.stable_id
    written = copies(
        "message",
        event.seat.occupant.jid,
        reflected(event),
        (*tags_of(stanza, NOT_IN_MESSAGES), OCCUPANT_ID_TAG, STANZA_ID_TAG, *event.extra_tags),
        kind="groupchat",
        id=stanza.id or ident,
        lang=lang_of(stanza),
    )
    written.stanza.stable_id = ident
    return written


class Messages:
    """Reads messages, and lets the room pass them on."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._rooms = muc.rooms
        self._ids = muc.host.ids
        self._limit_bytes = muc.config.message_bytes
        muc.service.message = self.take

    def take(self, stanza: Stanza, to: JID) -> Wait:
        """Take any message for a room."""
        localpart, sender = to.localpart, stanza.sender
        if localpart is None or sender is None:
            if stanza.type == "error":
                return None
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        if stanza.type == "error":
            self._error(stanza, to, sender)
            return None
        return self._rooms.with_room(localpart, partial(self._in_room, stanza, to, sender))

    def _in_room(self, stanza: Stanza, to: JID, sender: JID, open_: OpenRoom | None) -> Wait:
        if open_ is None or open_.room.locked:  # §17.2
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such room yet")
        seat = open_.room.occupants.seats.get(sender)
        groupchat = stanza.type == "groupchat"
        if to.resourcepart is None and not groupchat:
            verdict = self._muc.hooks.direct.run(Direct(open_, stanza, sender, seat))
            if not verdict:
                raise StanzaError(Condition.BAD_REQUEST, "Messages to a room are of type groupchat")
            return None if isinstance(verdict, bool) else verdict
        if seat is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "You are not in the room")
        if len(stanza.wire) > self._limit_bytes:
            raise StanzaError(
                Condition.POLICY_VIOLATION, f"A message has at most {self._limit_bytes} bytes", echo=False
            )
        self._throttle(open_, seat)
        if to.resourcepart is None:
            self._speak(open_, seat, stanza)
        elif groupchat:
            raise StanzaError(Condition.BAD_REQUEST, "A message to one occupant is not of type groupchat")
        else:
            self._whisper(open_, seat, stanza, to.resourcepart)
        return None

    def _throttle(self, open_: OpenRoom, seat: Seat) -> None:
        now = self._muc.host.now()
        if seat.bucket is not None and not seat.bucket.take(now):
            raise StanzaError(Condition.POLICY_VIOLATION, "Slower, please", type=ErrorType.WAIT, echo=False)
        if not open_.bucket.take(now):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "This room is too busy", echo=False)

    # To all.

    def _speak(self, open_: OpenRoom, seat: Seat, stanza: Stanza) -> None:
        room, tags = open_.room, stanza.children
        subject = SUBJECT in tags and BODY not in tags and THREAD not in tags  # §8.1
        role = seat.occupant.role
        if subject:
            allowed = Role.PARTICIPANT if room.config.change_subject else Role.MODERATOR
            if role < allowed:
                raise StanzaError(Condition.FORBIDDEN, "You may not change the subject")
        elif not has(Privilege.SPEAK, role):
            raise StanzaError(Condition.FORBIDDEN, "You have no voice in this room")
        keep = BODY in tags and not subject and NOT_KEPT[0] not in tags and NOT_KEPT[1] not in tags
        event = RoomMessage(open_, seat, stanza, self._ids.new(), keep, subject)
        for handler in self._muc.hooks.message.handlers:
            if handler(event):
                return
        self._reflect(event)

    def _reflect(self, event: RoomMessage) -> None:
        """Write a message once, and give it to everybody (§7.4)."""
        stanza, room = event.stanza, event.open.room
        written = reflection(event)
        if event.keep or event.subject:
            line = Line(self._muc.host.utcnow(), written.head, written.tail, event.stable_id, event.seat.occupant.id)
            if event.keep:
                room.history.add(line, room.config.history)
            else:
                element = stanza.element.find("subject", CLIENT)
                room.subject = Subject("" if element is None else element.text, line)
                self._rooms.save_soon(room)
        self._muc.broadcast.deliver(written, room.everybody())

    # To one.

    def _whisper(self, open_: OpenRoom, seat: Seat, stanza: Stanza, nick: str) -> None:
        """Pass a private message on to all clients of an occupant (§7.5)."""
        room, sender = open_.room, seat.occupant
        target = room.occupants.by_nick.get(nick_key(nick))
        if target is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "Nobody here has this nickname")
        if not _may_whisper(room.config, sender.role, target.role):
            raise StanzaError(Condition.FORBIDDEN, "You may not send private messages here")
        for one in target.seats.values() if len(stanza.id or "") <= ID_CHARS else ():
            open_.whispers[one.jid, sender.jid, stanza.id] = None
            if len(open_.whispers) > WHISPERS:
                del open_.whispers[next(iter(open_.whispers))]
        self._pass_on(stanza, room.jid, seat, tuple(target.seats.values()))

    def _pass_on(self, stanza: Stanza, room: JID, seat: Seat, seats: tuple[Seat, ...]) -> None:
        sender = seat.occupant
        written = copies(
            "message",
            sender.jid,
            (inner_of_error(stanza) if stanza.type == "error" else inner_of(stanza, NOT_IN_MESSAGES, room))
            + _PRIVATE
            + occupant_id(sender.id),
            (*tags_of(stanza, NOT_IN_MESSAGES), USER_TAG, OCCUPANT_ID_TAG),
            kind=stanza.type,
            id=stanza.id,
            lang=lang_of(stanza),
        )
        for one in seats:
            self._muc.service.send(written.addressed(one.jid))

    def _error(self, stanza: Stanza, to: JID, sender: JID) -> None:
        """An error is the end of a ghost, or an answer to a private message."""
        open_ = self._rooms.get(to.localpart)
        if open_ is None or self._muc.ghosts.failed(open_, stanza, sender):
            return
        seat = open_.room.occupants.seats.get(sender)
        if to.resourcepart is None:
            self._muc.hooks.bounced.fire(Direct(open_, stanza, sender, seat))
            return
        target = open_.room.occupants.by_nick.get(nick_key(to.resourcepart))
        answered = open_.whispers.pop((sender, to, stanza.id), ()) is None  # else: to what was said to all
        if seat is not None and target is not None and answered:
            self._pass_on(stanza, open_.room.jid, seat, tuple(target.seats.values()))


def _may_whisper(config: RoomConfig, sender: Role, target: Role) -> bool:
    least = config.private_messages
    if least is Role.NONE or sender < least:
        return False
    whom = config.visitor_messages
    return sender is not Role.VISITOR or (whom is not Role.NONE and target >= whom)
