"""XEP-0317 §3.2: admins of a room make hats and hand them out, by ad-hoc commands that the room answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Changed, Effect, Notice, Status
from xmpp_server.modules.muc.hats import Hat, known, wearing, worn
from xmpp_server.modules.muc.hooks import RoomDisco
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.roles import Affiliation, Role
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, Option, accept, hidden_form_type
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMMANDS, DATA_FORMS

FORM = "urn:xmpp:hats:commands"
TITLE, URI, HUE, WEARER = "hats#title", "hats#uri", "hats#hue", "hats#jid"
TAG = f"{COMMANDS} command"

Values = Mapping[str, str]


def may_manage(room: Room, jid: JID) -> bool:
    """Tell whether somebody may make hats and hand them out."""
    return room.affiliation(jid) >= Affiliation.ADMIN


def may_list(room: Room, jid: JID) -> bool:
    """Tell whether somebody may know which hats there are: everybody in the room sees them."""
    return jid in room.occupants.seats or room.affiliation(jid) >= Affiliation.MEMBER


def may_list_worn(room: Room, jid: JID) -> bool:
    """Tell whether somebody may know who wears them, with real addresses."""
    seat = room.occupants.seats.get(jid)
    return room.standing(jid)[0] is Role.MODERATOR or (seat is not None and room.knows_real_jids(seat))


@dataclass(frozen=True, slots=True)
class HatCommand:
    """A command of one form, or one that shows a table. Exactly one of `form` and `table` is there."""

    node: str
    name: str
    allowed: Callable[[Room, JID], bool]
    form: Callable[[RoomConfig], Form] | None = None
    change: Callable[[RoomConfig, Values], RoomConfig] | None = None
    table: Callable[[RoomConfig], Form] | None = None


class HatCommands:
    """Answers the commands. They keep no state: whoever sends the form filled in need not have asked for it."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._commands = {f"{FORM}:{command.node}": command for command in ALL}
        muc.service.on_iq(IqType.SET, To.ACCOUNT, TAG, lambda request: muc.ask(request, self._execute))
        muc.hooks.room_disco.add(self._describe)

    def _execute(self, open_: OpenRoom, request: IqRequest) -> Reply:
        payload, room = request.payload, open_.room
        node = payload.get("node") or ""
        command = self._commands.get(node)
        if command is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such command")
        if not command.allowed(room, request.sender):
            raise StanzaError(Condition.FORBIDDEN, "You may not use this command")
        attrs = {"node": node, "sessionid": payload.get("sessionid") or self._muc.host.ids.new()}
        answer = Element("command", COMMANDS, attrs)
        if payload.get("action") == "cancel":
            answer.attrs["status"] = "canceled"
            return answer
        if command.table is not None:
            answer.attrs["status"] = "completed"
            return answer.append(command.table(room.config).to_element())
        assert command.form is not None  # noqa: S101 - it has no table
        assert command.change is not None  # noqa: S101 - it has no table
        form = command.form(room.config)
        element = payload.find("x", DATA_FORMS)
        if element is None:
            answer.attrs["status"] = "executing"
            answer.add("actions", execute="complete").add("complete")
            return answer.append(form.to_element())
        values = {var: "".join(found) for var, found in accept(form, Form.parse(element)).items()}
        config = command.change(room.config, values)
        answer.attrs["status"] = "completed"
        commit = self._muc.emit(open_, self._changed(room, config))
        if commit is None:
            return answer

        async def stored() -> Element:
            await commit
            return answer

        return stored()

    def _changed(self, room: Room, config: RoomConfig) -> list[Effect]:
        """Take the change, and show those who look different now."""
        before, after = _looks(room.config), _looks(config)
        hats_changed = known(room.config) != known(config)
        room.config = config
        effects: list[Effect] = [Changed()]
        for occupant in room.occupants:
            bare = str(occupant.bare)
            if before.get(bare) != after.get(bare):
                effects += room.presented(occupant)
        if hats_changed:
            effects.append(Notice((Status.CONFIGURED,), room.everybody()))
        return effects

    def _describe(self, event: RoomDisco) -> None:
        room, disco = event.open.room, event.disco
        if disco.requester is None:
            return
        usable = {node: one for node, one in self._commands.items() if one.allowed(room, disco.requester)}
        if not disco.node:
            disco.features.update((COMMANDS,) if usable else ())
        elif disco.node == COMMANDS:
            disco.identities.append(("automation", "command-list", "Commands"))
            disco.features.add(COMMANDS)
            disco.items += [(str(room.jid), node, one.name) for node, one in usable.items()]
        elif disco.node in usable:
            disco.identities.append(("automation", "command-node", usable[disco.node].name))
            disco.features.update((COMMANDS, DATA_FORMS))


def _looks(config: RoomConfig) -> dict[str, list[Hat]]:
    hats = known(config)
    looks: dict[str, list[Hat]] = {}
    for address, uri in worn(config):
        looks.setdefault(address, []).append(hats[uri])
    return looks


# The commands.


def _text(var: str, label: str, *, required: bool = True) -> Field:
    return Field(var, (), FieldType.TEXT_SINGLE, label, required=required)


def _choice(config: RoomConfig) -> Field:
    options = tuple(Option(hat.uri, hat.title) for hat in known(config).values())
    return Field(URI, (), FieldType.LIST_SINGLE, "The role", required=True, options=options)


def _form(title: str, *fields: Field) -> Form:
    return Form(FormType.FORM, (hidden_form_type(FORM), *fields), title)


def _create_form(config: RoomConfig) -> Form:
    fields = (_text(TITLE, "Hat Title"), _text(URI, "Hat URI"), _text(HUE, "Hat Hue", required=False))
    return _form("Creating a Hat", *fields)


def _create(config: RoomConfig, values: Values) -> RoomConfig:
    hat = Hat.checked(values[URI], values[TITLE], values.get(HUE, ""))
    return wearing(config, list({**known(config), hat.uri: hat}.values()), worn(config))


def _destroy(config: RoomConfig, values: Values) -> RoomConfig:
    uri = values[URI]
    hats = [hat for hat in known(config).values() if hat.uri != uri]
    return wearing(config, hats, [pair for pair in worn(config) if pair[1] != uri])


def _wearer() -> Field:
    return Field(WEARER, (), FieldType.JID_SINGLE, "User Address", required=True)


def _pair(values: Values) -> tuple[str, str]:
    jid = JID.parse(values[WEARER]).bare
    if jid.localpart is None:
        raise StanzaError(Condition.NOT_ACCEPTABLE, "Users wear hats")
    return str(jid), values[URI]


def _assign(config: RoomConfig, values: Values) -> RoomConfig:
    pairs = worn(config)
    pair = _pair(values)
    return wearing(config, list(known(config).values()), pairs if pair in pairs else [*pairs, pair])


def _unassign(config: RoomConfig, values: Values) -> RoomConfig:
    pair = _pair(values)
    pairs = worn(config)
    if pair not in pairs:
        raise StanzaError(Condition.ITEM_NOT_FOUND, "They do not wear this hat")
    return wearing(config, list(known(config).values()), [one for one in pairs if one != pair])


def _list(config: RoomConfig) -> Form:
    items = tuple(
        (Field(TITLE, (hat.title,)), Field(URI, (hat.uri,)), Field(HUE, (hat.hue,))) for hat in known(config).values()
    )
    return _table("Hats List", (TITLE, URI, HUE), items)


def _list_worn(config: RoomConfig) -> Form:
    hats = known(config)
    items = tuple(
        (
            Field(WEARER, (address,)),
            Field(URI, (uri,)),
            Field(TITLE, (hats[uri].title,)),
            Field(HUE, (hats[uri].hue,)),
        )
        for address, uri in worn(config)
    )
    return _table("Assigned Hats List", (WEARER, URI, TITLE, HUE), items)


def _table(title: str, columns: tuple[str, ...], items: tuple[tuple[Field, ...], ...]) -> Form:
    reported = tuple(Field(var) for var in columns)
    return Form(FormType.RESULT, (hidden_form_type(FORM),), title, reported=reported, items=items)


ALL = (
    HatCommand("create", "Create Hat", may_manage, _create_form, _create),
    HatCommand(
        "destroy", "Destroy Hat", may_manage, lambda config: _form("Destroying a Hat", _choice(config)), _destroy
    ),
    HatCommand(
        "assign",
        "Assign Hat",
        may_manage,
        lambda config: _form("Assigning a Hat", _wearer(), _choice(config)),
        _assign,
    ),
    HatCommand(
        "unassign",
        "Remove Hat",
        may_manage,
        lambda config: _form("Removing a Hat", _wearer(), _choice(config)),
        _unassign,
    ),
    HatCommand("list", "List Hats", may_list, table=_list),
    HatCommand("list-assigned", "List Assigned Hats", may_list_worn, table=_list_worn),
)
