"""XEP-0215: External Service Discovery: tells users where STUN and TURN servers are, with passwords that expire."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, IqRequest, IqType, Module, To, Xep
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.xml.element import Element

NS = "urn:xmpp:extdisco:2"
#: Version 0.6, which older clients ask for: it knows neither `expires` nor `restricted`.
NS_OLD = "urn:xmpp:extdisco:1"
ASKED = 20
"""How many services one request for credentials may name."""

#: What is meant where the configuration says nothing (RFC 8489 §16, RFC 8656 §22).
PORTS = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}
TRANSPORTS = {"stun": "udp", "turn": "udp", "stuns": "tcp", "turns": "tcp"}

log = structlog.get_logger()

Secret = Annotated[str, Meta(extra={"secret": True})]


class ExternalService(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A service elsewhere: `secret` is what a TURN server makes and checks passwords with, `ttl_s` how long they hold.

    Port 0 and transport "" stand for the usual ones of `type`, or are not told where there are none. A service is also
    `restricted` if users have passwords for it that this server does not know.
    """

    type: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=64)]
    host: Annotated[str, Meta(pattern=r"^[^\s\[\]/@]+$", max_length=253)]
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    transport: Literal["", "udp", "tcp"] = ""
    name: str = ""
    secret: Secret = ""
    ttl_s: Annotated[int, Meta(ge=60, le=31_536_000)] = 86_400
    username: str = ""
    password: Secret = ""
    restricted: bool = False

    def __post_init__(self) -> None:
        if self.secret and (self.username or self.password):
            raise ValueError("needs either secret, or username and password")
        if bool(self.username) != bool(self.password):
            raise ValueError("needs both username and password, or neither")

    def __repr__(self) -> str:
        return f"<{self.type} {self.host}>"  # without its secrets

    @property
    def real_port(self) -> int:
        """`port`, or the usual one; 0 where there is none."""
        return self.port or PORTS.get(self.type, 0)

    @property
    def real_transport(self) -> str:
        """`transport`, or the usual one; "" where there is none."""
        return self.transport or TRANSPORTS.get(self.type, "")

    @property
    def needs_credentials(self) -> bool:
        """Tell whether the service is not for everybody."""
        return self.restricted or bool(self.secret or self.username)


class ExternalServicesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The services, and whether anonymous users get credentials for them, too."""

    services: tuple[ExternalService, ...] = ()
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user logs in to a service with, until it `expires`."""

    username: str
    password: str
    expires: datetime | None = None


def credentials(service: ExternalService, user: JID, now: datetime) -> Credentials | None:
    """Make credentials for a user, or return those that everybody has; None where there are none to give.

    With a secret they are what TURN servers take as "REST API for access to TURN services": the time of their end and
    a name, and the HMAC of that. The name is a pseudonym, as it travels in clear.
    """
    if not service.secret:
        return Credentials(service.username, service.password) if service.username else None
    expires = int(now.timestamp()) + service.ttl_s
    username = f"{expires}:{pseudonym(service, user)}"
    password = b64encode(hmac.digest(service.secret.encode(), username.encode(), "sha1")).decode()
    return Credentials(username, password, datetime.fromtimestamp(expires, UTC))


def pseudonym(service: ExternalService, user: JID) -> str:
    """Return the name that a TURN server knows a user by: always the same, and telling nothing about them."""
    return hmac.digest(service.secret.encode(), str(user.bare).encode(), "sha256")[:10].hex()


class ExternalServices(Module):
    """Answers users of this server; where no services are configured, it is as if it were not there."""

    name = "external_services"
    xeps = (Xep(215, "1.0.0", "no pushes: services change with a restart"),)
    Config = ExternalServicesConfig
    config: ExternalServicesConfig

    def register(self, host: Host) -> None:
        """Take the two requests, and announce them (§5)."""
        self._host = host
        if not self.config.services:
            return
        host.hooks.server_disco.add(self.describe)
        for ns in (NS, NS_OLD):
            host.on_iq(IqType.GET, To.SERVER, f"{ns} services", self.services)
            host.on_iq(IqType.GET, To.SERVER, f"{ns} credentials", self.credentials)

    def describe(self, disco: Disco) -> None:
        """Add the features."""
        if not disco.node:
            disco.features.update((NS, NS_OLD))

    def services(self, request: IqRequest) -> Element:
        """List the services, or those of one type, with credentials (§3.1, §3.2)."""
        user, query = _user(request), request.payload
        kind = query.get("type")
        answer = Element("services", query.ns, {} if kind is None else {"type": kind})
        for service in self.config.services:
            if kind in (None, service.type):
                answer.append(_describe(service, query.ns, self._give(service, user)))
        return answer

    def credentials(self, request: IqRequest) -> Element:
        """Give credentials for services that the user knows of (§3.3); one that needs none is answered without."""
        user, query = _user(request), request.payload
        wanted = list(query.findall("service", query.ns))
        if not 0 < len(wanted) <= ASKED:
            raise StanzaError(Condition.BAD_REQUEST, f"One to {ASKED} services are expected")
        if not self._may_log_in(user):
            raise StanzaError(Condition.FORBIDDEN, "Not for anonymous users")
        answer = Element("credentials", query.ns)
        for service in _matching(self.config.services, wanted):
            given = self._give(service, user)
            if given is None and service.needs_credentials:
                continue
            answer.append(_describe(service, query.ns, given))
        if answer.first is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There are no credentials for such a service")
        return answer

    def _may_log_in(self, user: Session) -> bool:
        return self.config.anonymous or not user.account.anonymous

    def _give(self, service: ExternalService, user: Session) -> Credentials | None:
        if not self._may_log_in(user):
            return None
        given = credentials(service, user.account.jid, self._host.utcnow())
        if given is not None and service.secret:  # whoever misuses the service can be found
            log.debug("turn-credentials", account=str(user.account.jid), host=service.host, username=given.username)
        return given


def _user(request: IqRequest) -> Session:
    """Return who asks; strangers have no business with the services of this server."""
    if request.session is None:
        raise StanzaError(Condition.FORBIDDEN, "Only for users of this server")
    return request.session


def _describe(service: ExternalService, ns: str, given: Credentials | None) -> Element:
    entry = Element("service", ns, {"type": service.type, "host": service.host})
    if service.real_port:
        entry.attrs["port"] = str(service.real_port)
    if service.real_transport:
        entry.attrs["transport"] = service.real_transport
    if service.name:
        entry.attrs["name"] = service.name
    if service.needs_credentials and ns == NS:
        entry.attrs["restricted"] = "true"
    if given is not None:
        entry.attrs["username"] = given.username
        entry.attrs["password"] = given.password
        if given.expires is not None and ns == NS:
            entry.attrs["expires"] = format_datetime(given.expires)
    return entry


def _matching(services: Iterable[ExternalService], wanted: Iterable[Element]) -> list[ExternalService]:
    """Return the services that somebody has named: by type and host at least (§3.3)."""
    names = [_name(element) for element in wanted]
    return [
        service
        for service in services
        if any(
            service.type == kind
            and service.host.lower() == host
            and port in (None, str(service.real_port))
            and transport in (None, service.real_transport)
            for kind, host, port, transport in names
        )
    ]


def _name(element: Element) -> tuple[str, str, str | None, str | None]:
    kind, host = element.get("type"), element.get("host")
    if not kind or not host:
        raise StanzaError(Condition.BAD_REQUEST, "A service needs its type and host")
    return kind, host.lower(), element.get("port"), element.get("transport")
