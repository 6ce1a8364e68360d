"""XEP-0045 §10.1, §10.2, §10.9: owners configure a room, and destroy it."""

from __future__ import annotations

from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc import form as forms
from xmpp_server.modules.muc.configuring import configure
from xmpp_server.modules.muc.effects import Destruction
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.roles import Affiliation, Privilege, has
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.visiting import destroy
from xmpp_server.stanzas.forms import Form, FormType
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, MUC_OWNER

QUERY = f"{MUC_OWNER} query"
REASON_CHARS = 1024


class OwnerIq:
    """Answers `muc#owner` requests."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.service.on_iq(IqType.GET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._get))
        muc.service.on_iq(IqType.SET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._set))

    def _form(self, room: Room) -> Form:
        owners = tuple(room.affiliated(Affiliation.OWNER))
        admins = tuple(room.affiliated(Affiliation.ADMIN))
        return forms.build(room.config, self._muc.settings, f"Configuration of {room.localpart}", owners, admins)

    def _get(self, open_: OpenRoom, request: IqRequest) -> Element:
        """Return the configuration form (§10.2)."""
        _check(open_.room, request.sender, Privilege.CONFIGURE)
        return Element("query", MUC_OWNER).append(self._form(open_.room).to_element())

    def _set(self, open_: OpenRoom, request: IqRequest) -> Reply:
        _check(open_.room, request.sender, Privilege.CONFIGURE)
        wish = request.payload.find("destroy", MUC_OWNER)
        if wish is not None:
            return self._muc.committed(open_, destroy(open_.room, destruction_of(wish)))
        element = request.payload.find("x", DATA_FORMS)
        if element is None:
            raise StanzaError(Condition.BAD_REQUEST, "Configure, or destroy?")
        submission = Form.parse(element)
        if submission.type is FormType.CANCEL:
            return self._cancel(open_)
        return self._configure(open_, request.sender, submission)

    def _cancel(self, open_: OpenRoom) -> Reply:
        """§10.1.3: whoever cancels the first configuration does not want the room."""
        if not open_.room.locked:
            return None
        return self._muc.committed(open_, destroy(open_.room, Destruction()))

    def _configure(self, open_: OpenRoom, sender: JID, submission: Form) -> Reply:
        room = open_.room
        submitted = forms.read(self._form(room), submission, room.config, self._muc.settings)
        effects = configure(room, submitted.config, sender, _bare(submitted.owners), _bare(submitted.admins))
        return self._muc.committed(open_, effects)


def _bare(jids: tuple[str, ...] | None) -> list[JID] | None:
    return None if jids is None else [JID.parse(jid).bare for jid in jids]


def _check(room: Room, sender: JID, privilege: Privilege) -> None:
    if not has(privilege, room.affiliation(sender)):
        raise StanzaError(Condition.FORBIDDEN, "Owners do this")


def destruction_of(wish: Element) -> Destruction:
    """Read `<destroy/>`.

    Raises:
        StanzaError: jid-malformed; the alternate venue is no address.

    """
    venue = wish.get("jid")
    reason = wish.find("reason", MUC_OWNER)
    password = wish.find("password", MUC_OWNER)
    try:
        jid = JID.parse(venue) if venue else None
    except JIDMalformed:
        raise StanzaError(Condition.JID_MALFORMED, "The venue is no address") from None
    return Destruction(
        jid,
        "" if reason is None else reason.text[:REASON_CHARS],
        "" if password is None else password.text[:REASON_CHARS],
    )
