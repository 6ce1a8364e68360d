"""XEP-0488: tokens that make members of whoever enters with them, for those whose address the inviter does not know."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace

import msgspec

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.core.order import Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Changed, Invitation
from xmpp_server.modules.muc.hooks import Entering, RoomDisco
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.power import AffiliationChange, apply_affiliations, check_number
from xmpp_server.modules.muc.roles import Affiliation, Privilege, has
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element

TOKENS = "urn:xmpp:muc-token-invite:0"
#: What the configuration keeps.
KEPT = "tokens"
MAX_TOKENS = 100
MAX_COUNT = 2**32 - 1


class Token(msgspec.Struct, frozen=True, array_like=True):
    """A token, valid until `until` (Unix time) and for `left` more people; None for any number."""

    text: str
    creator: str
    until: float
    left: int | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Token).decode


def tokens_of(config: RoomConfig) -> list[Token]:
    """Return the tokens of a room, expired ones too."""
    return [_decode(one) for one in config.more.get(KEPT, ())]


def may_invite(room: Room, jid: JID) -> bool:
    """Tell whether somebody may make tokens: admins, and members if they may invite."""
    affiliation = room.affiliation(jid)
    if has(Privilege.EDIT_MEMBERS, affiliation):
        return True
    return room.config.allow_invites and affiliation is Affiliation.MEMBER


class Tokens:
    """Makes, lists, revokes and takes tokens."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._answer(IqType.SET, f"{TOKENS} request", self._request)
        self._answer(IqType.GET, f"{TOKENS} tokens", self._list)
        self._answer(IqType.SET, f"{TOKENS} revoke", self._revoke)
        muc.hooks.entering.add(self._enter, Order.POLICY)
        muc.hooks.room_disco.add(_describe)

    # Requests.

    def _answer(self, kind: IqType, tag: str, handler: Callable[[OpenRoom, IqRequest], Reply]) -> None:
        def checked(open_: OpenRoom, request: IqRequest) -> Reply:
            if not may_invite(open_.room, request.sender):
                raise StanzaError(Condition.FORBIDDEN, "You may not invite by tokens")
            return handler(open_, request)

        self._muc.service.on_iq(kind, To.ACCOUNT, tag, lambda request: self._muc.ask(request, checked))

    def _request(self, open_: OpenRoom, request: IqRequest) -> Reply:
        """Make a token (§4.2, §4.3)."""
        room, now = open_.room, self._now()
        valid = [one for one in tokens_of(room.config) if one.until > now]
        if len(valid) >= MAX_TOKENS:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"A room has at most {MAX_TOKENS} tokens")
        delay = _number(request.payload, "delay")
        longest = int(self._muc.config.token_s)
        delay = longest if delay is None else min(delay, longest)
        token = Token(
            secrets.token_urlsafe(24), str(request.sender.bare), now + delay, _number(request.payload, "counter")
        )
        return self._kept(open_, [*valid, token], self._element(token))

    def _list(self, open_: OpenRoom, request: IqRequest) -> Element:
        """List what the requester may revoke (§4.6)."""
        found = Element("tokens", TOKENS)
        for token in tokens_of(open_.room.config):
            if token.until > self._now() and _may_revoke(open_.room, request.sender, token):
                element = self._element(token)
                element.attrs["creator"] = token.creator
                found.append(element)
        return found

    def _revoke(self, open_: OpenRoom, request: IqRequest) -> Reply:
        text, tokens = request.payload.text.strip(), tokens_of(open_.room.config)
        left = [one for one in tokens if one.text != text or not _may_revoke(open_.room, request.sender, one)]
        if len(left) == len(tokens):
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such token")
        return self._kept(open_, left, None)

    def _kept(self, open_: OpenRoom, tokens: list[Token], answer: Element | None) -> Reply:
        room = open_.room
        room.config = room.config.having(tokens=tuple(_encode(one).decode() for one in tokens))
        commit = self._muc.emit(open_, [Changed()])
        if commit is None:
            return answer

        async def stored() -> Element | None:
            await commit
            return answer

        return stored()

    def _element(self, token: Token) -> Element:
        element = Element("token", TOKENS, {"delay": str(max(0, round(token.until - self._now())))}, token.text)
        if token.left is not None:
            element.attrs["counter"] = str(token.left)
        return element

    # Entering.

    def _enter(self, event: Entering) -> Verdict:
        """Make whoever has no affiliation, but a token, a member (§4.5)."""
        room, entry = event.open.room, event.entry
        if KEPT not in room.config.more or not entry.password or room.locked:
            return False
        if room.affiliation(entry.jid) is not Affiliation.NONE:
            return False
        tokens = tokens_of(room.config)
        given = entry.password.encode()
        token = next((one for one in tokens if hmac.compare_digest(one.text.encode(), given)), None)
        if token is None or not may_invite(room, JID.parse(token.creator)):  # who may no longer, has invited nobody
            return False
        if token.until <= self._now():
            raise StanzaError(
                Condition.NOT_AUTHORIZED, "This token has expired", app=("expired-token", TOKENS), echo=False
            )
        change = AffiliationChange(entry.jid.bare, Affiliation.MEMBER)
        check_number(room, (change,))
        self._use(room, tokens, token)
        effects = apply_affiliations(room, (change,), entry.jid)
        self._muc.emit(event.open, [one for one in effects if not isinstance(one, Invitation)])
        event.entry = replace(entry, password=room.config.password)
        return False

    def _use(self, room: Room, tokens: list[Token], token: Token) -> None:
        used = []
        for one in tokens:
            if one is not token or token.left is None:
                used.append(one)
            elif token.left > 1:
                used.append(msgspec.structs.replace(token, left=token.left - 1))
            else:
                used.append(msgspec.structs.replace(token, left=0, until=0.0))
        room.config = room.config.having(tokens=tuple(_encode(one).decode() for one in used))

    def _now(self) -> float:
        return self._muc.host.utcnow().timestamp()


def _may_revoke(room: Room, jid: JID, token: Token) -> bool:
    return token.creator == str(jid.bare) or has(Privilege.EDIT_MEMBERS, room.affiliation(jid))


def _number(element: Element, name: str) -> int | None:
    text = element.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_COUNT):
        raise StanzaError(Condition.BAD_REQUEST, f"{name} is a positive number")
    return int(text)


def _describe(event: RoomDisco) -> None:
    if not event.disco.node:
        event.disco.features.add(TOKENS)
