"""Commands on rooms for the admins of the server, in the manner of XEP-0133: list, create and destroy them."""

from __future__ import annotations

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.commands import Ask, Command, Commands, Done, Stage, Values
from xmpp_server.modules.muc.module import Muc
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, hidden_form_type

#: The commands' nodes are `urn:xmpp-server:rooms#list` and so on.
ROOMS = "urn:xmpp-server:rooms"
#: Rooms in one answer: a form has no pages.
LISTED = 1000

_ROOM = Field("room", (), FieldType.JID_SINGLE, "Address of the room", required=True)
CREATE = Form(
    FormType.FORM,
    (
        hidden_form_type(ROOMS),
        _ROOM,
        Field("owner", (), FieldType.JID_SINGLE, "Owner; you, if left empty"),
        Field("name", (), FieldType.TEXT_SINGLE, "Name"),
    ),
    "Creating a Room",
)
DESTROY = Form(
    FormType.FORM,
    (
        hidden_form_type(ROOMS),
        _ROOM,
        Field("venue", (), FieldType.JID_SINGLE, "Room to go to instead"),
        Field("reason", (), FieldType.TEXT_SINGLE, "Reason"),
    ),
    "Destroying a Room",
)


class AdminCommands:
    """Adds the commands to those of the host, where that has any."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        engine = muc.host.modules.get(Commands)
        if not isinstance(engine, Commands):
            return
        engine.add(Command(f"{ROOMS}#list", "List Rooms", self._allowed, self._list))
        engine.add(Command(f"{ROOMS}#create", "Create Room", self._allowed, self._ask_create))
        engine.add(Command(f"{ROOMS}#destroy", "Destroy Room", self._allowed, self._ask_destroy))

    def _allowed(self, jid: JID) -> bool:
        return jid.bare in self._muc.host.admins

    async def _list(self, requester: JID) -> Stage:
        rooms = await self._muc.operations.rooms()
        reported = (
            Field("jid", (), FieldType.JID_SINGLE, "Room"),
            Field("name", (), FieldType.TEXT_SINGLE, "Name"),
            Field("occupants", (), FieldType.TEXT_SINGLE, "Occupants"),
        )
        items = tuple(tuple(Field(one.var, (str(room[one.var]),)) for one in reported) for room in rooms[:LISTED])
        form = Form(FormType.RESULT, (hidden_form_type(ROOMS),), "Rooms", reported=reported, items=items)
        rest = len(rooms) - LISTED
        return Done(form, f"{rest} more are not listed" if rest > 0 else "")

    async def _ask_create(self, requester: JID) -> Stage:
        return Ask(CREATE, self._create)

    async def _create(self, requester: JID, values: Values) -> Stage:
        owner = _address(values, "owner") or requester
        if owner.localpart is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "The owner is an account")
        await self._muc.operations.create(self._room(values), owner.bare, "".join(values.get("name", ())))
        return Done()

    async def _ask_destroy(self, requester: JID) -> Stage:
        return Ask(DESTROY, self._destroy)

    async def _destroy(self, requester: JID, values: Values) -> Stage:
        reason = "".join(values.get("reason", ()))
        await self._muc.operations.destroy(self._room(values), reason, _address(values, "venue"))
        return Done()

    def _room(self, values: Values) -> JID:
        jid = _address(values, "room")
        if jid is None or not self._muc.operations.owns(jid):
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"Rooms are at {self._muc.service.jid}")
        return jid


def _address(values: Values, var: str) -> JID | None:
    found = [value for value in values.get(var, ()) if value]
    return JID.parse(found[0]) if found else None
