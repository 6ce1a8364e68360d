"""How a link with another server comes to be: where the server is, and one place after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.errors import Condition
from xmpp_server.net.allowance import Rate
from xmpp_server.net.dialer import Dialer
from xmpp_server.net.dns import NoServerError, Resolver, Target
from xmpp_server.net.lookup import LookupFailedError
from xmpp_server.net.peer_judge import Judge
from xmpp_server.net.s2s_link import LinkError, Service
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.net.tls import TlsServer
from xmpp_server.net.tls_client import TlsClient
from xmpp_server.streams.dialback import Pair
from xmpp_server.streams.s2s import Purpose

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reach:
    """What is needed to find other servers and to judge them."""

    resolver: Resolver
    dialer: Dialer
    judge: Judge
    tls: TlsServer
    #: Makes what we show as a given domain of ours.
    tls_client: Callable[[str], TlsClient]
    #: Who of ours has nothing to do with other servers.
    rights: FederationRights
    #: What each domain elsewhere may send.
    rate: Rate
    #: Fixed places of domains, before DNS.
    routes: Mapping[str, Target] = field(default_factory=dict)
    #: A link on which nothing has passed for so long is closed.
    idle_s: float = 900.0


class Connector:
    """Makes links."""

    def __init__(self, service: Service, reach: Reach) -> None:
        self._service = service
        self._reach = reach

    async def open(self, pair: Pair, purpose: Purpose) -> Outgoing:
        """Open a link that is ready.

        Raises:
            LinkError: None of the domain's servers would have it.

        """
        failure = LinkError(Condition.REMOTE_SERVER_NOT_FOUND, "The domain has no server")
        for target in await self.targets(pair.target):
            try:
                return await self._try(pair, purpose, target)
            except LinkError as error:
                failure = error
            log.info("s2s-attempt-failed", remote=pair.target, host=target.host, port=target.port, reason=failure.text)
        raise failure

    async def _try(self, pair: Pair, purpose: Purpose, target: Target) -> Outgoing:
        link = Outgoing(self._service, pair, purpose, target)
        try:
            return await self._dial(link, pair)
        except LinkError as error:
            if not link.stream.disbelieved:
                raise
            log.info("s2s-external-refused", remote=pair.target, local=pair.sender, reason=error.text)
        return await self._dial(Outgoing(self._service, pair, purpose, target, external=False), pair)

    async def _dial(self, link: Outgoing, pair: Pair) -> Outgoing:
        target = link.place
        tls = self._service.offer(pair, direct=True) if target.direct_tls else None
        try:
            link.expect(await self._reach.judge.association(target))
            await self._reach.dialer.connect(target, link, tls)
            await link.ready
        except NoServerError as error:
            raise LinkError(Condition.REMOTE_SERVER_NOT_FOUND, str(error)) from None
        except (OSError, LookupFailedError) as error:
            raise LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(error) or "The server does not answer") from None
        except LinkError:
            raise
        except BaseException:
            link.abort()
            raise
        return link

    async def targets(self, domain: str) -> list[Target]:
        """Return where a domain's server is, in the order to try.

        Raises:
            LinkError: There is none, or nobody knows.

        """
        fixed = self._reach.routes.get(domain)
        if fixed is not None:
            return [fixed]
        try:
            return await self._reach.resolver.targets(domain)
        except NoServerError as error:
            raise LinkError(Condition.REMOTE_SERVER_NOT_FOUND, str(error)) from None
        except LookupFailedError as error:
            raise LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(error)) from None

    async def addresses(self, target: Target) -> list[str]:
        """Return the addresses of a place, or none if they are not known."""
        try:
            return await self._reach.resolver.addresses(target.host)
        except (NoServerError, LookupFailedError):
            return []
