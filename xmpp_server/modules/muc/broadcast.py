"""Effects become stanzas: each is written once for all who get the same, and given to local clients without detours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from xmpp_server.core.host import Host
from xmpp_server.core.service import Service
from xmpp_server.im.fanout import Barrier
from xmpp_server.im.presence import Presence
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import (
    AffiliationNotice,
    Destruction,
    Effect,
    Invitation,
    Letter,
    Notice,
    Show,
    Status,
)
from xmpp_server.modules.muc.hooks import MucHooks, Shown
from xmpp_server.modules.muc.occupants import Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.wire import OCCUPANT_ID_TAG, USER_TAG, Copies, copies, occupant_id, of_element
from xmpp_server.stanzas import message
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.writer import serialize

AFFILIATIONS = "urn:xmpp:muc:affiliations:1"  # XEP-0463
_PRESENCE_TAGS = (USER_TAG, OCCUPANT_ID_TAG)


class Broadcast:
    """Writes what rooms say, and delivers it."""

    def __init__(self, service: Service, hooks: MucHooks) -> None:
        self._service = service
        self._hooks = hooks
        self._ids = service.host.ids
        #: Who has blocked whom, by the host of the receiver: rooms write past the hooks that look after it.
        self._barriers: dict[Host, list[Barrier]] = {}
        self._tell: dict[type, Callable[[OpenRoom, Effect], None]] = {
            Show: self._show,
            Notice: self._notice,
            AffiliationNotice: self._affiliation_notice,
            Letter: self._letter,
            Invitation: self._invitation,
        }

    def tell(self, open_: OpenRoom, effect: Effect) -> None:
        """Write and deliver one effect; those that are not for clients are left to others."""
        teller = self._tell.get(type(effect))
        if teller is not None:
            teller(open_, effect)

    def deliver(self, written: Copies, seats: Iterable[Seat]) -> None:
        """Give a stanza to clients."""
        head, tail, stanza = written.head, written.tail, written.stanza
        sender = stanza.sender
        assert sender is not None  # noqa: S101 - `copies` sets it
        known = self._barriers
        for seat in seats:
            session = seat.session
            if session is None:
                self._service.send(written.addressed(seat.jid))
                continue
            if session.closed:  # it waits for its turn to leave
                continue
            barriers = known.get(session.host)
            if barriers is None:
                barriers = self._barriers_of(session.host)
            for barrier in barriers:
                if barrier(session.account, sender):
                    break
            else:
                session.send(stanza, head + seat.jid.encoded + tail)

    def insist(self, written: Copies, seat: Seat) -> None:
        """Give a stanza to a client even if it has blocked who it is from."""
        if seat.session is None:
            self._service.send(written.addressed(seat.jid))
        else:
            seat.session.send(written.stanza, written.wire(seat.jid))

    def _barriers_of(self, host: Host) -> list[Barrier]:
        presence = host.modules.get(Presence)
        self._barriers[host] = presence.barriers if isinstance(presence, Presence) else []
        return self._barriers[host]

    # Presence.

    def _show(self, open_: OpenRoom, effect: Effect) -> None:
        assert isinstance(effect, Show)  # noqa: S101 - by the table
        room, occupant = open_.room, effect.portrait.occupant
        own: list[Seat] = []
        knowing: list[Seat] = []
        others: list[Seat] = []
        for seat in effect.to:
            if seat.occupant is occupant:
                own.append(seat)
            elif room.knows_real_jids(seat):
                knowing.append(seat)
            else:
                others.append(seat)
        for seats, knows in ((knowing, True), (others, False)):
            if seats:
                self.deliver(self._seen(open_, effect, knows), seats)
        for seat in own:
            self.deliver(self._presence(open_, effect, seat.jid, own=True), (seat,))

    def _seen(self, open_: OpenRoom, show: Show, knows: bool) -> Copies:
        """Return an occupant's presence for others; a plain one is written once for as long as it lasts."""
        portrait = show.portrait
        if show.codes or show.actor or show.reason or show.new_nick or show.destroyed is not None or show.versions:
            return self._presence(open_, show, portrait.real if knows else None)
        cached = portrait.rendered.get(knows)
        if not isinstance(cached, Copies):
            cached = self._presence(open_, show, portrait.real if knows else None)
            portrait.rendered[knows] = cached
        return cached

    def _presence(self, open_: OpenRoom, show: Show, real: JID | None, *, own: bool = False) -> Copies:
        portrait = show.portrait
        x = Element("x", MUC_USER)
        _add_versions(x, show.versions)
        item = x.add("item", affiliation=portrait.affiliation.text, role=portrait.role.text)
        if real is not None and show.destroyed is None:
            item.attrs["jid"] = str(real)
        if show.new_nick:
            item.attrs["nick"] = show.new_nick
        if show.actor:
            item.add("actor", nick=show.actor)
        if show.reason:
            item.add("reason", text=show.reason)
        codes = {*show.codes, *show.own_codes, Status.SELF} if own else set(show.codes)
        for code in sorted(codes):
            x.add("status", code=str(code.value))
        if show.destroyed is not None:
            x.append(destroy_element(show.destroyed))
        extra = self._hooks.shown.gather(Shown(open_, portrait)).extra if self._hooks.shown.handlers else []
        inner = b"".join((portrait.payload.inner, serialize(x), occupant_id(portrait.occupant.id), *extra))
        kind = None if portrait.available else "unavailable"
        ident = show.id if own else None
        lang = portrait.payload.lang
        return copies("presence", portrait.jid, inner, _PRESENCE_TAGS, kind=kind, id=ident, lang=lang)

    # Messages of the room.

    def _notice(self, open_: OpenRoom, effect: Effect) -> None:
        assert isinstance(effect, Notice)  # noqa: S101 - by the table
        x = Element("x", MUC_USER)
        for code in effect.codes:
            x.add("status", code=str(code.value))
        self.announce(open_, x, effect.to, "groupchat")

    def _affiliation_notice(self, open_: OpenRoom, effect: Effect) -> None:
        assert isinstance(effect, AffiliationNotice)  # noqa: S101 - by the table
        x = Element("x", MUC_USER)
        _add_versions(x, effect.versions)
        x.add("item", affiliation=effect.affiliation.text, jid=str(effect.jid), role="none")
        self.announce(open_, x, effect.to)

    def announce(self, open_: OpenRoom, payload: Element, to: Sequence[Seat], kind: str | None = None) -> None:
        """Send a message from the room itself to some of its clients."""
        stanza = Element("message", CLIENT, {"id": self._ids.new()})
        if kind is not None:
            stanza.attrs["type"] = kind
        self.deliver(of_element(stanza.append(payload), open_.room.jid), to)

    def _letter(self, open_: OpenRoom, effect: Effect) -> None:
        assert isinstance(effect, Letter)  # noqa: S101 - by the table
        x = Element("x", MUC_USER)
        x.add("item", affiliation=effect.affiliation.text, jid=str(effect.jid), role="none")
        x.add("status", code=str(Status.AFFILIATION_CHANGED.value))
        self._service.send(message.build(open_.room.jid, effect.jid, id=self._ids.new(), payloads=(x,)))

    def _invitation(self, open_: OpenRoom, effect: Effect) -> None:
        assert isinstance(effect, Invitation)  # noqa: S101 - by the table
        x = Element("x", MUC_USER)
        invite = x.add("invite")
        invite.attrs["from"] = str(effect.inviter)
        if effect.reason:
            invite.add("reason", text=effect.reason)
        if open_.room.config.password:
            x.add("password", text=open_.room.config.password)
        self._service.send(message.build(open_.room.jid, effect.jid, id=self._ids.new(), payloads=(x,)))


def _add_versions(x: Element, versions: tuple[str | None, str] | None) -> None:
    if versions is not None:
        x.add("mav", AFFILIATIONS, since=versions[0], until=versions[1])


def destroy_element(destruction: Destruction) -> Element:
    """Return `<destroy/>` (§10.9)."""
    element = Element("destroy", MUC_USER)
    if destruction.venue is not None:
        element.attrs["jid"] = str(destruction.venue)
    if destruction.reason:
        element.add("reason", text=destruction.reason)
    if destruction.password:
        element.add("password", text=destruction.password)
    return element
