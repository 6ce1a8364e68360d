"""XEP-0077: In-Band Registration: users change their passwords and cancel accounts; strangers register if they may."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

import msgspec
import structlog

from xmpp_server.core.confusables import skeleton
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Module, To, Xep
from xmpp_server.core.provisioning import AccountExistsError
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.sasl.credentials import PasswordError
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PREAUTH, REGISTER, REGISTER_FEATURE, REGISTER_INVITED

CHANGE_PASSWORD = "jabber:iq:register:changepassword"  # noqa: S105 - the name of a form
ADDRESSES = 10_000
HOUR_S = 3600.0

log = structlog.get_logger()


class RegisterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is allowed.

    Strangers, if they may make accounts, make `per_address` of them an hour from one IPv4 address or IPv6 /64. Nobody
    gets a `reserved` name.
    """

    change_password: bool = True
    cancel: bool = True
    per_address: int = 5
    reserved: tuple[str, ...] = (
        "abuse",
        "admin",
        "administrator",
        "hostmaster",
        "postmaster",
        "root",
        "support",
        "xmpp",
    )


class Strangers(StrEnum):
    """Who makes accounts in band, as `auth.registration` says."""

    NOBODY = "closed"
    GUESTS = "invite"
    EVERYBODY = "open"


class Stranger:
    """Somebody on a stream that has not authenticated."""

    __slots__ = ("address", "invitation")

    def __init__(self, address: str) -> None:
        #: The IP address.
        self.address = address
        #: The id of the invitation whose token was shown (XEP-0445), or empty.
        self.invitation = ""


class Hosting(Protocol):
    """What registration needs of invitations."""

    async def admit(self, token: str) -> str:
        """Return the id of the invitation of a token; raises StanzaError where it lets nobody make an account."""

    async def name_for(self, ident: str) -> str:
        """Return the localpart that an invitation is for, or empty; raises StanzaError if it is gone."""

    def take_up(self, ident: str, localpart: str) -> AbstractAsyncContextManager[None]:
        """Let an account be made with an invitation, or with none (""), and use it up if that succeeds.

        Entering it raises StanzaError: somebody else uses the invitation, or the name is kept for another one.
        """


class Register(Module):
    """Answers owners on their streams, and strangers on behalf of a stream that has not authenticated."""

    name = "register"
    xeps = (Xep(77, "2.4"),)
    features = (REGISTER,)
    Config = RegisterConfig
    config: RegisterConfig
    strangers = Strangers.NOBODY
    """Who may make accounts. The application sets it: `auth.registration` says so for all ways."""
    hosting: Hosting | None = None
    """The module for invitations, if there is one, sets it to itself."""

    def register(self, host: Host) -> None:
        """Take requests to the server and to one's own account."""
        self._host = host
        #: By network: how many were made in the hour that began then (monotonic seconds).
        self._made: OrderedDict[str, tuple[float, int]] = OrderedDict()
        names = (*self.config.reserved, *(jid.localpart for jid in host.admins if jid.domainpart == host.name))
        self._reserved = {skeleton(name) for name in names if name}
        for to in To:
            host.on_iq(IqType.GET, to, f"{REGISTER} query", self.get)
            host.on_iq(IqType.SET, to, f"{REGISTER} query", self.set)

    # Users.

    def get(self, request: IqRequest) -> Element:
        """Tell users that they are registered (§3.1); strangers from elsewhere cannot be."""
        account = self._user(request).account
        query = Element("query", REGISTER)
        query.add("registered")
        query.add("instructions", text="You can change your password, or cancel your account.")
        query.add("username", text=account.jid.localpart or "")
        query.add("password")
        return query

    async def set(self, request: IqRequest) -> None:
        """Change the password or cancel the account of the sender, whom the stream knows."""
        session, query = self._user(request), request.payload
        if query.find("remove", REGISTER) is not None:
            await self._cancel(session, query)
        else:
            await self._change_password(session, query)

    def _user(self, request: IqRequest) -> Session:
        """Return the session of a user of this host; accounts that nobody registered are not changed."""
        session = request.session
        if session is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, echo=False)
        if session.account.anonymous:
            raise StanzaError(Condition.REGISTRATION_REQUIRED, "This account was never registered", echo=False)
        return session

    async def _cancel(self, session: Session, query: Element) -> None:
        """§3.2: the answer comes first, then all streams of the account end."""
        if len(list(query.elements())) != 1:
            raise StanzaError(Condition.BAD_REQUEST, "Nothing goes with remove", echo=False)
        if not self.config.cancel:
            raise StanzaError(Condition.NOT_ALLOWED, "Ask the administrator")
        await self._host.provisioning.delete(session.account.jid, asker=session)

    async def _change_password(self, session: Session, query: Element) -> None:
        """§3.3. Nothing of the request stands in an error: it holds a password."""
        username, password = _credentials(query, CHANGE_PASSWORD)
        if not username or not password:
            raise StanzaError(Condition.BAD_REQUEST, "Both username and password are needed", echo=False)
        if not self._is_name_of(username, session.account.jid):
            raise StanzaError(Condition.FORBIDDEN, "That is not your name", echo=False)
        if not self.config.change_password:
            raise StanzaError(Condition.NOT_ALLOWED, "Ask the administrator", echo=False)
        if session.transport is None or not session.transport.secure:
            raise StanzaError(
                Condition.NOT_AUTHORIZED, "Only over an encrypted stream", type=ErrorType.MODIFY, echo=False
            )
        try:
            await self._host.provisioning.set_password(session.account.jid, password)
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"This cannot be a password: {error}", echo=False) from None

    def _is_name_of(self, username: str, jid: JID) -> bool:
        try:
            named = JID.parse(username) if "@" in username else JID.of(username, self._host.name)
        except JIDMalformed:
            return False
        return named == jid

    # Strangers, for streams that have not authenticated.

    def stream_features(self) -> tuple[Element, ...]:
        """Return what such a stream announces (§8; XEP-0445 §3): both to guests, whose clients look for the one."""
        if self.strangers is Strangers.NOBODY:
            return ()
        token = () if self.hosting is None else (Element("register", REGISTER_INVITED),)
        return (*token, Element("register", REGISTER_FEATURE))

    async def stranger(self, kind: IqType, payload: Element, stranger: Stranger) -> Element | None:
        """Answer a request of somebody who has not authenticated.

        Raises:
            StanzaError: service-unavailable where registration is closed. forbidden; they need an invitation.
                not-acceptable; something is missing, or there were too many from this address. conflict; the name is
                taken, or looks like one that is. unexpected-request; they want to cancel an account.
                item-not-found; the token is wrong, used or too old.

        """
        if self.strangers is Strangers.NOBODY:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, "Accounts are made by the administrator", echo=False)
        if payload.ns == PREAUTH:
            await self._admit(payload, stranger)
            return None
        if payload.find("remove", REGISTER) is not None:
            raise StanzaError(Condition.UNEXPECTED_REQUEST, "Log in to cancel your account")
        if self.strangers is Strangers.GUESTS and not stranger.invitation:
            raise StanzaError(Condition.FORBIDDEN, "You need an invitation", echo=False)
        if kind is IqType.GET:
            return await self._form(stranger)
        await self._create(payload, stranger)
        return None

    async def _admit(self, payload: Element, stranger: Stranger) -> None:
        """XEP-0445 §4: take a token. It is looked at once: whoever has shown it in time may take their time."""
        if self.hosting is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, echo=False)
        stranger.invitation = await self.hosting.admit(payload.get("token") or "")

    async def _kept_name(self, stranger: Stranger) -> str:
        """Return the name that an invitation is for, or empty."""
        if self.hosting is None or not stranger.invitation:
            return ""
        return await self.hosting.name_for(stranger.invitation)

    async def _form(self, stranger: Stranger) -> Element:
        name = await self._kept_name(stranger)
        form = Element("query", REGISTER)
        form.add("instructions", text="Choose a username and password for use with this service.")
        form.add("username", text=name)
        form.add("password")
        return form

    async def _create(self, query: Element, stranger: Stranger) -> None:
        username, password = _credentials(query, REGISTER)
        if not username or not password:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "Both username and password are needed", echo=False)
        try:
            jid = JID.of(username, self._host.name)
        except JIDMalformed:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "This cannot be a name", echo=False) from None
        localpart = jid.localpart or ""
        if not stranger.invitation:
            self._count(stranger.address)
        is_chosen = await self._kept_name(stranger) == localpart  # by an administrator, who may give away any name
        taking_up = nullcontext() if self.hosting is None else self.hosting.take_up(stranger.invitation, localpart)
        async with taking_up:
            if not is_chosen and skeleton(localpart) in self._reserved:
                raise StanzaError(Condition.CONFLICT, "This name is reserved", echo=False)
            try:
                await self._host.provisioning.create(jid, password, may_look_alike=False)
            except AccountExistsError:
                raise StanzaError(Condition.CONFLICT, "This name is taken", echo=False) from None
            except PasswordError as error:
                raise StanzaError(Condition.NOT_ACCEPTABLE, f"This cannot be a password: {error}", echo=False) from None
        log.info("registered", account=str(jid), address=stranger.address, invitation=stranger.invitation)
        stranger.invitation = ""

    def _count(self, address: str) -> None:
        """Count a try to make an account; past the limit it is refused."""
        network, now = _network(address), self._host.now()
        began, made = self._made.pop(network, (now, 0))
        if now - began >= HOUR_S:
            began, made = now, 0
        self._made[network] = began, made + 1
        if len(self._made) > ADDRESSES:
            self._made.popitem(last=False)
        if made >= self.config.per_address:
            raise StanzaError(
                Condition.NOT_ACCEPTABLE, "Too many accounts from your address", type=ErrorType.WAIT, echo=False
            )


def _credentials(query: Element, form_type: str) -> tuple[str | None, str | None]:
    """Return the username and password that were filled in, as elements or in a form (§4)."""
    try:
        form = Form.of(query)
    except StanzaError as error:
        raise StanzaError(error.condition, error.text, echo=False) from None
    if form is not None:
        if form.form_type not in (None, form_type):
            raise StanzaError(Condition.BAD_REQUEST, "Another form was expected", echo=False)
        return form.value("username"), form.value("password")
    username, password = query.find("username", REGISTER), query.find("password", REGISTER)
    return None if username is None else username.text, None if password is None else password.text


def _network(address: str) -> str:
    """Return what counts as one address: an IPv6 customer has a /64."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else address
