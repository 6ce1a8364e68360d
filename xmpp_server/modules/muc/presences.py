"""XEP-0045 §7.2, §7.6, §7.7, §7.14: the presence that clients send to a room."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc import entering, visiting
from xmpp_server.modules.muc.effects import Destruction, Show, Status, Welcome
from xmpp_server.modules.muc.history import Wanted
from xmpp_server.modules.muc.hooks import Admitted, Entering, Moved
from xmpp_server.modules.muc.limits import Buckets
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import NOTHING, Payload, Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.turnstile import Turnstile
from xmpp_server.modules.muc.welcome import Greeter
from xmpp_server.modules.muc.wire import ENTRY_TAG, NOT_IN_PRESENCE, inner_of, lang_of
from xmpp_server.stanzas.delay import parse_datetime
from xmpp_server.stanzas.error import error_element
from xmpp_server.stanzas.presence import PresenceType, presence_type
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC, MUC_USER
from xmpp_server.xml.stanza import Stanza


class Presences:
    """Reads presence, and lets the room act on it."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._rooms = muc.rooms
        self._greeter = Greeter(muc)
        self._turnstile = Turnstile(muc.host.runtime)
        #: How often an account enters a room: each time it and the others are told, and it gets the history.
        self._entries: Buckets[tuple[JID, JID]] = Buckets(muc.config.entries_per_minute)
        muc.service.presence = self.take

    def take(self, stanza: Stanza, to: JID) -> Wait:
        """Take any presence for a room."""
        kind = presence_type(stanza)
        localpart, sender = to.localpart, stanza.sender
        if localpart is None or sender is None:
            self._muc.hooks.service_presence.fire(stanza)
            return None
        if kind is PresenceType.AVAILABLE:
            return self._rooms.with_room(localpart, partial(self._available, stanza, sender, to))
        open_ = self._rooms.get(localpart)  # a room that is not in memory has nobody in it
        if open_ is None:
            return None
        if kind is PresenceType.UNAVAILABLE:
            presences = len(open_.room.occupants)
            if sender in open_.room.occupants.seats and not self._turnstile.admits(presences):
                return self._leave_in_turn(stanza, sender, open_, presences)
            self._leave(stanza, sender, open_)
        elif kind is PresenceType.ERROR:
            self._muc.ghosts.failed(open_, stanza, sender)
        elif kind is PresenceType.PROBE:
            self._probed(open_, sender, to)
        return None

    async def _leave_in_turn(self, stanza: Stanza, sender: JID, open_: OpenRoom, presences: int) -> None:
        await self._turnstile.turn(presences)
        self._leave(stanza, sender, open_)

    def _leave(self, stanza: Stanza, sender: JID, open_: OpenRoom) -> None:
        payload = self._payload(stanza, limited=False)
        self._muc.emit(open_, visiting.leave(open_.room, sender, payload, (), stanza.id))

    def _available(self, stanza: Stanza, sender: JID, to: JID, open_: OpenRoom | None) -> Wait:
        try:
            return self._come_or_change(stanza, sender, to, open_)
        except StanzaError as error:
            return self._refuse(stanza, error)

    def _come_or_change(self, stanza: Stanza, sender: JID, to: JID, open_: OpenRoom | None) -> Wait:
        if ENTRY_TAG in stanza.children:
            if to.resourcepart is None:
                raise StanzaError(Condition.JID_MALFORMED, "Which nickname?")
            if not self._rooms.is_ready:
                return self._when_ready(stanza, sender, to)
            if not self._entries.take((to.bare, sender.bare), self._muc.host.now()):
                raise StanzaError(Condition.POLICY_VIOLATION, "You enter too often", type=ErrorType.WAIT)
            presences = 0 if open_ is None else 2 * len(open_.room.occupants)
            if not self._turnstile.admits(presences):
                return self._enter_in_turn(stanza, sender, to, presences)
            self._enter(stanza, sender, to.resourcepart, open_ or self._create(to, sender), new=open_ is None)
            return None
        seat = None if open_ is None else open_.room.occupants.seats.get(sender)
        if to.resourcepart is None:
            raise StanzaError(Condition.JID_MALFORMED, "Which nickname?")
        if open_ is None or seat is None:
            self._explain(to, sender)
            return None
        self._change(open_, seat, stanza, to.resourcepart)
        return None

    async def _when_ready(self, stanza: Stanza, sender: JID, to: JID) -> None:
        await self._rooms.ready()
        wait = self._available(stanza, sender, to, self._rooms.get(to.localpart))
        if wait is not None:
            await wait

    async def _enter_in_turn(self, stanza: Stanza, sender: JID, to: JID, presences: int) -> None:
        """Let somebody in later, unless they have gone meanwhile."""
        session = self._muc.service.find_session(sender)
        await self._turnstile.turn(presences)
        if self._muc.service.find_session(sender) is not session:
            return
        open_ = await self._rooms.load(to.localpart or "")
        try:
            self._enter(stanza, sender, to.resourcepart or "", open_ or self._create(to, sender), new=open_ is None)
        except StanzaError as error:
            wait = self._refuse(stanza, error)
            if wait is not None:
                await wait

    # Entering.

    def _create(self, to: JID, sender: JID) -> OpenRoom:
        """Make the room that is not there (§10.1)."""
        assert to.localpart is not None  # noqa: S101 - `take` has looked
        config, host = self._muc.config, self._muc.host
        grave = self._rooms.tombstone(to.localpart)
        if grave is not None and str(sender.bare) not in grave.owners:
            where = f"; go to {grave.venue}" if grave.venue else ""
            raise StanzaError(Condition.GONE, (grave.reason or "This room was destroyed") + where)
        local = sender.domainpart == host.name
        if not (config.create == "everybody" or sender.bare in host.admins or (config.create == "local" and local)):
            raise StanzaError(Condition.NOT_ALLOWED, "You cannot make rooms here")
        if self._rooms.owned_by(sender.bare) >= config.rooms_per_account:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "You have too many rooms")
        if not local and self._rooms.owned_by(JID.parse(sender.domainpart)) >= config.rooms_per_server:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The people of your server have too many rooms")
        nick_key(to.resourcepart or "")  # before there is a room that nobody could enter
        open_ = self._rooms.create(to.bare, self._muc.defaults, sender.bare)
        entering.found(open_.room, sender)
        host.runtime.schedule(config.locked_s, partial(self._expire, open_))
        return open_

    def _expire(self, open_: OpenRoom) -> None:
        """Give up a room that was never configured."""
        if open_.room.locked and self._rooms.get(open_.room.localpart) is open_:
            self._muc.emit(open_, visiting.destroy(open_.room, Destruction(reason="The room was not configured")))

    def _enter(self, stanza: Stanza, sender: JID, nick: str, open_: OpenRoom, *, new: bool) -> None:
        room = open_.room
        x = stanza.element.find("x", MUC)
        assert x is not None  # noqa: S101 - its tag is there
        password = x.find("password", MUC)
        entry = entering.Entry(
            sender,
            nick,
            self._muc.occupant_id(room.jid, sender.bare),
            self._payload(stanza),
            "" if password is None else password.text,
            stanza.id,
        )
        try:
            event = Entering(open_, entry, stanza)
            self._muc.hooks.entering.run(event)
            effects = entering.enter(room, event.entry)
        except StanzaError:
            if new:
                self._muc.emit(open_, visiting.destroy(room, Destruction()))
            raise
        seat = room.occupants.seats[sender]
        if seat.session is None:
            self._muc.seat(seat)
        effects = [effect for effect in effects if not isinstance(effect, Welcome)]
        self._muc.hooks.admitted.fire(Admitted(open_, seat, stanza, x, effects))
        self._muc.emit(open_, effects)
        self._greeter.welcome(open_, seat, wanted_of(x))
        self._muc.hooks.entered.fire(Moved(open_, seat))

    # In the room.

    def _change(self, open_: OpenRoom, seat: Seat, stanza: Stanza, nick: str) -> None:
        room = open_.room
        if seat.bucket is not None and not seat.bucket.take(self._muc.host.now()):
            raise StanzaError(Condition.POLICY_VIOLATION, "Slower, please", type=ErrorType.WAIT)
        payload = visiting.allowed_payload(room, seat.occupant, self._payload(stanza))
        if nick != seat.occupant.nick:
            effects = visiting.change_nick(room, seat, nick, payload, stanza.id)
        else:
            effects = visiting.update(room, seat, payload, stanza.id)
        self._muc.emit(open_, effects)

    def _probed(self, open_: OpenRoom, sender: JID, to: JID) -> None:
        """Show an occupant to another who asks (§17.3)."""
        seat = open_.room.occupants.seats.get(sender)
        target = open_.room.occupants.by_nick.get(nick_key(to.resourcepart)) if to.resourcepart else None
        if seat is not None and target is not None and (target.visible or target is seat.occupant):
            self._muc.emit(open_, [Show(target.portrait(), (seat,))])

    def _explain(self, to: JID, sender: JID) -> None:
        """Tell a client that it is not in the room, which it seems to believe (§7.2.18)."""
        stanza = Element("presence", CLIENT, {"type": "unavailable"})
        x = stanza.add("x", MUC_USER)
        item = x.add("item", affiliation="none", role="none")
        item.add("reason", text="You are not in the room.")
        for code in (Status.SELF, Status.KICKED, Status.ERROR):
            x.add("status", code=str(code.value))
        self._muc.service.send(Stanza.build(stanza, to, sender))

    def _refuse(self, stanza: Stanza, error: StanzaError) -> Wait:
        """Refuse presence; what is repeated of it is no more than that it would have entered."""
        assert stanza.to is not None  # noqa: S101 - stamped
        reply = Element("presence", CLIENT, {"type": "error"})
        if stanza.id is not None:
            reply.attrs["id"] = stanza.id
        if ENTRY_TAG in stanza.children:
            reply.add("x", MUC)
        reply.append(error_element(error, CLIENT, stanza.to.bare))
        return self._muc.host.router.route(Stanza.build(reply, stanza.to, stanza.sender))

    def _payload(self, stanza: Stanza, *, limited: bool = True) -> Payload:
        try:
            inner = inner_of(stanza, NOT_IN_PRESENCE)
        except StanzaError:
            if limited:
                raise
            return NOTHING  # whatever it says, it goes
        if len(inner) > self._muc.config.presence_bytes:
            if limited:
                raise StanzaError(Condition.POLICY_VIOLATION, "Your presence says too much")
            return NOTHING
        return Payload(inner, lang_of(stanza)) if inner else NOTHING


def wanted_of(x: Element) -> Wanted:
    """Read `<history/>` (§7.2.14); what is nonsense counts as not said, what is negative as 0."""
    element = x.find("history", MUC)
    if element is None:
        return Wanted()
    return Wanted(
        _count(element.get("maxchars")),
        _count(element.get("maxstanzas")),
        _count(element.get("seconds")),
        _moment(element.get("since")),
    )


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    return 0 if text.startswith("-") else int(digits[:12]) if len(digits) <= 12 else 10**12


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_datetime(text)
    except ValueError:
        return None
