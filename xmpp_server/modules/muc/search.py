"""XEP-0433: search among the public rooms of the service; also in the namespace of muclumbus, from which it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xmpp_server.core.hooks import Disco
from xmpp_server.core.iq import IqRequest, To
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.modules.muc.keeping import entry_of
from xmpp_server.modules.muc.module import Muc
from xmpp_server.stanzas.forms import BOOLEANS, Field, FieldType, Form, FormType, Option, accept, hidden_form_type
from xmpp_server.stanzas.iq import IqType
from xmpp_server.stanzas.rsm import PageRequest, paginate
from xmpp_server.xml.element import Element

BASE = "urn:xmpp:channel-search:0"
ERRORS = f"{BASE}:error"
MUC_TYPE = "xep-0045"
#: Rooms in one answer.
PAGE = 100
#: What is searched for: words, of which all must be found; longer searches are cut.
TERMS = 16


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of the two protocols names things; a sort key is `{order}address`."""

    search: str
    params: str
    order: str

    def key(self, name: str) -> str:
        """Return a sort key."""
        return f"{{{self.order}}}{name}"


_MUCLUMBUS = "https://xmlns.zombofant.net/muclumbus/search/1.0"
DIALECTS = (
    Dialect(f"{BASE}:search", f"{BASE}:search-params", f"{BASE}:order"),
    Dialect(_MUCLUMBUS, f"{_MUCLUMBUS}#params", _MUCLUMBUS),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A room that may be found."""

    address: str
    name: str
    description: str
    lang: str
    users: int
    open: bool
    non_anonymous: bool


class Search:
    """Answers searches."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.service.disco.add(_describe)
        for dialect in DIALECTS:
            self._offer(dialect)

    def _offer(self, dialect: Dialect) -> None:
        async def search(request: IqRequest) -> Element:
            return await self._search(request, dialect)

        for kind in (IqType.GET, IqType.SET):  # muclumbus clients set
            self._muc.service.on_iq(kind, To.SERVER, f"{dialect.search} search", search)

    async def _search(self, request: IqRequest, dialect: Dialect) -> Element:
        form = _form(dialect)
        submitted = Form.of(request.payload)
        if submitted is None:
            return Element("search", dialect.search).append(form.to_element())
        wish = _Wish(dialect, submitted)
        await self._muc.rooms.ready()
        found = sorted((room for room in self._rooms() if wish.meets(room)), key=lambda room: room.address)
        if wish.by_users:
            found.sort(key=lambda room: -room.users)
        page = paginate(found, lambda room: room.address, PageRequest.of(request.payload) or PageRequest(), PAGE)
        result = Element("result", dialect.search)
        for room in page.items:
            result.append(_item(room, dialect))
        return result.append(page.info.to_element())

    def _rooms(self) -> list[Found]:
        """Return the public rooms, those that sleep too."""
        rooms = self._muc.rooms
        entries = dict(rooms.entries())
        users: dict[str, int] = {}
        for open_ in rooms.open_rooms():
            entries[open_.room.jid] = entry_of(open_.room)
            users[str(open_.room.jid)] = len(open_.room.occupants)
        found = []
        for jid, _ in rooms.public():
            one, address = entries[jid], str(jid)
            count = users.get(address, 0)
            found.append(Found(address, one.name, one.description, one.lang, count, one.open, one.non_anonymous))
        return found


class _Wish:
    """What is searched for.

    Raises:
        StanzaError: The conditions of §4.2.2.

    """

    def __init__(self, dialect: Dialect, submitted: Form) -> None:
        key = submitted.value("key")
        if key not in (None, "", dialect.key("nusers"), dialect.key("address")):
            raise _error(Condition.FEATURE_NOT_IMPLEMENTED, "invalid-sort-key", "Rooms are not sorted by that")
        known = {field.var for field in _form(dialect).fields}
        fields = tuple(field for field in submitted.fields if field.var in known and field.var != "key")
        values = accept(_form(dialect), Form(submitted.type, fields))
        text = " ".join(values.get("q", ()))
        everything = _flag(values, "all", False)
        if everything and text:
            raise _error(
                Condition.BAD_REQUEST, "conflicting-fields", "Either search for something, or return all entries"
            )
        if not everything and "q" not in values:
            raise _error(Condition.BAD_REQUEST, "no-search-conditions", "Search for what?", ErrorType.CANCEL)
        self._terms = text.casefold().split()[:TERMS]
        if not everything and not self._terms:
            raise _error(Condition.BAD_REQUEST, "invalid-search-terms", "Search for at least one word")
        self._everything = everything
        self._address = _flag(values, "sinaddress", True)
        self._name = _flag(values, "sinname", True)
        self._description = _flag(values, "sindescription", True)
        self._least = _number(values.get("min_users", ("0",)))
        self._rooms = MUC_TYPE in values.get("types", (MUC_TYPE,))
        self.by_users = key in (None, "", dialect.key("nusers"))

    def meets(self, room: Found) -> bool:
        """Tell whether a room is one of those."""
        if not self._rooms or room.users < self._least:
            return False
        if self._everything:
            return True
        chosen = (
            (self._address, room.address),
            (self._name, room.name),
            (self._description, room.description),
        )
        text = "\n".join(text for wanted, text in chosen if wanted).casefold()
        return all(term in text for term in self._terms)


def _describe(disco: Disco) -> None:
    if not disco.node:
        disco.features.update(dialect.search for dialect in DIALECTS)


def _flag(values: Mapping[str, tuple[str, ...]], var: str, default: bool) -> bool:
    found = values.get(var)
    return BOOLEANS[found[0]] if found else default


def _number(values: tuple[str, ...]) -> int:
    text = "".join(values).strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise StanzaError(Condition.BAD_REQUEST, "min_users is a number")
    return int(text)


def _error(condition: Condition, name: str, text: str, kind: ErrorType = ErrorType.MODIFY) -> StanzaError:
    return StanzaError(condition, text, type=kind, app=(name, ERRORS))


def _form(dialect: Dialect) -> Form:
    """Return the form with its defaults (§5)."""
    boolean, users, address = FieldType.BOOLEAN, dialect.key("nusers"), dialect.key("address")
    orders = (Option(users, "Number of online users"), Option(address, "Address"))
    types = (Option(MUC_TYPE, "Group chat rooms"), Option("xep-0369", "MIX channels"))
    fields = (
        hidden_form_type(dialect.params),
        Field("q", (), FieldType.TEXT_SINGLE, "Search for"),
        Field("all", (), boolean, "Return all entries"),
        Field("sinname", ("true",), boolean, "Search in name"),
        Field("sindescription", ("true",), boolean, "Search in description"),
        Field("sinaddress", ("true",), boolean, "Search in address"),
        Field("min_users", ("0",), FieldType.TEXT_SINGLE, "Minimum number of users"),
        Field("types", (MUC_TYPE,), FieldType.LIST_MULTI, "Service types", options=types),
        Field("key", (users,), FieldType.LIST_SINGLE, "Sort results by", options=orders),
    )
    return Form(FormType.FORM, fields)


def _item(room: Found, dialect: Dialect) -> Element:
    item = Element("item", dialect.search, {"address": room.address})
    for name, text in (("name", room.name), ("description", room.description), ("language", room.lang)):
        if text:
            item.add(name, text=text)
    item.add("nusers", text=str(room.users))
    item.add("service-type", text=MUC_TYPE)
    if room.open:
        item.add("is-open", text="true")
    item.add("anonymity-mode", text=f"{{{BASE}:anonymity}}none" if room.non_anonymous else "muc_semianonymous")
    return item
