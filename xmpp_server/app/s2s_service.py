"""Builds the federation from the configuration: its policy, its certificates, its doors."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from xmpp_server.app.c2s_service import stream_limits
from xmpp_server.app.control import Handler
from xmpp_server.app.settings import S2S, Config
from xmpp_server.core.domain_rules import DomainRules, prepared
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.router import Router
from xmpp_server.net.addresses import parse_address
from xmpp_server.net.allowance import Rate
from xmpp_server.net.certificates import KeyPair, best_pair
from xmpp_server.net.connection import Connection
from xmpp_server.net.dialer import Dialer
from xmpp_server.net.dns import Resolver, Target, to_ascii
from xmpp_server.net.listener import Listener
from xmpp_server.net.loop_io import LoopIO
from xmpp_server.net.peer_judge import Judge
from xmpp_server.net.peer_trust import PeerTrust
from xmpp_server.net.posh import Posh, over_https
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s import Federation
from xmpp_server.net.s2s_connect import Reach
from xmpp_server.net.tls import TlsServer
from xmpp_server.net.tls_channel import PlaintextBuffer
from xmpp_server.net.tls_client import TlsClient
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.streams.s2s import Rules
from xmpp_server.xml.parser import MAX_DEPTH

#: What other servers put around or into the stanzas of their users, who keep the limits of ours: rooms and archives do.
ADDED_ELEMENTS = 100
ADDED_DEPTH = 20


def server_limits(config: Config) -> StreamLimits:
    """Translate the configuration for streams with other servers."""
    limits = stream_limits(config)
    most = limits.after_auth
    depth = min(MAX_DEPTH, most.depth + ADDED_DEPTH)
    return replace(limits, after_auth=replace(most, elements=most.elements + ADDED_ELEMENTS, depth=depth))


class ServerPolicy:
    """The server, to its streams with others (`streams.s2s.FederationPolicy`)."""

    def __init__(
        self, config: Config, domains: Collection[str], secret: bytes, remotes: DomainRules, rights: FederationRights
    ) -> None:
        s2s = config.s2s
        self.limits = server_limits(config)
        self.default_domain = config.domains[0]
        self.rules = Rules(require_tls=s2s.require_tls, dialback=s2s.verify == "certificate-or-dialback")
        self.secret = secret
        self._domains = domains
        self._remotes = remotes
        self._rights = rights

    def stream_id(self) -> str:
        """Return an unpredictable id: a dialback key is worth as much as it (XEP-0220 §2.1)."""
        return secrets.token_urlsafe(18)

    def serves(self, domain: str) -> bool:
        """Tell whether a domain is ours."""
        return domain in self._domains

    def admits(self, remote: str, local: str) -> bool:
        """Tell whether the operator wants a domain of ours to hear of one elsewhere."""
        return self._remotes.admits(remote) and not self._rights.confines_domain(local)


class Federating:
    """The federation of a server, with its doors."""

    def __init__(
        self,
        config: Config,
        router: Router,
        runtime: LoopRuntime,
        tls: TlsServer,
        key_pairs: Callable[[], Sequence[KeyPair]],
        remotes: DomainRules,
        rights: FederationRights,
    ) -> None:
        """Prepare, and let the router know.

        Args:
            config: The whole configuration.
            router: Whose default route this becomes; its routes are the domains that are ours.
            runtime: Time and tasks.
            tls: Our certificates as a server, which asks for those of its peers.
            key_pairs: Returns our certificates, the default one first, to show them where we connect.
            remotes: Which domains are talked to.
            rights: Who of ours talks to them.

        Raises:
            CertificateError: The file of trusted CAs cannot be read.

        """
        self._config = config
        self._runtime = runtime
        self._tls = tls
        self._key_pairs = key_pairs
        self._router = router
        self.remotes = remotes
        self._rights = rights
        self._clients: dict[str, TlsClient] = {}
        self._buffer = PlaintextBuffer()
        self._listeners: list[Listener] = []
        self.federation: Federation

    async def open(self, io: LoopIO, secret: bytes) -> dict[str, list[str]]:
        """Open the doors, and begin to route; return the addresses by door."""
        config = self._config
        s2s = config.s2s
        resolver = Resolver(
            s2s.dns.nameservers,
            now=self._runtime.now,
            validated=s2s.dane,
            deny=[ip_network(text) for text in s2s.dns.deny],
        )
        routes = {prepared(domain): _target(door) for domain, door in s2s.routes.items()}
        reach = Reach(
            resolver=resolver,
            dialer=Dialer(io, resolver, limit_bytes=config.limits.outbox_bytes),
            judge=_judge(s2s, resolver, self._runtime.now, routes),
            tls=self._tls,
            tls_client=self._client,
            rights=self._rights,
            routes=routes,
            rate=Rate(s2s.bytes_per_s, s2s.stanzas_per_s),
            idle_s=s2s.idle_s,
        )
        policy = ServerPolicy(config, self._router.routes, secret, self.remotes, self._rights)
        self.federation = Federation(policy, self._router, self._runtime, reach)
        self.remotes.changed = self.federation.review
        addresses: dict[str, list[str]] = {}
        for name, doors, direct in (("s2s", config.listen.s2s, None), ("s2s_tls", config.listen.s2s_tls, self._tls)):
            listener = Listener(io.loop, self._accept(io, direct), per_address=config.limits.connections_per_address)
            self._listeners.append(listener)
            addresses[name] = await listener.open(doors)
        self._router.default = self.federation
        return addresses

    def _accept(self, io: LoopIO, direct: TlsServer | None) -> Callable[[], Connection]:
        limit = self._config.limits.outbox_bytes
        return lambda: Connection(io, self.federation.accept(), limit_bytes=limit, tls=direct)

    def handlers(self) -> dict[str, Handler]:
        """Return the commands of the control socket by name."""
        return {"s2s.list": self.list, "s2s.reset": self.reset}

    async def list(self, _arguments: Mapping[str, object]) -> object:
        """List the connections, and the servers that stanzas wait for."""
        return sorted(self.federation.rows(), key=lambda row: (str(row["remote"]), str(row["direction"])))

    async def reset(self, arguments: Mapping[str, object]) -> object:
        """Close the connections with `domain`, or all."""
        domain = arguments.get("domain")
        return {"closed": self.federation.reset(prepared(domain) if isinstance(domain, str) else None)}

    def reload_certificates(self) -> None:
        """Show the certificates that are there now, on connections to come."""
        self._clients.clear()

    async def stop_listening(self) -> None:
        """Close the doors."""
        for listener in self._listeners:
            await listener.close()

    def _client(self, domain: str) -> TlsClient:
        """Return what to show as a domain of ours: the certificate that names it, or the default one."""
        if domain not in self._clients:
            self._clients[domain] = TlsClient(best_pair(self._key_pairs(), to_ascii(domain)), self._buffer)
        return self._clients[domain]


def _judge(s2s: S2S, resolver: Resolver, now: Callable[[], float], routed: Collection[str]) -> Judge:
    authorities = Path(s2s.trust) if s2s.trust else None
    posh = Posh(over_https(resolver, authorities), now=now) if s2s.posh else None
    return Judge(PeerTrust.load(authorities), resolver, posh, routed)


def _target(door: str) -> Target:
    address = parse_address(door)
    assert isinstance(address, tuple)  # noqa: S101 - the configuration is checked
    return Target(address[0], address[1], False)
