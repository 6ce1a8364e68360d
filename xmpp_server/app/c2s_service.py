"""What client connections need of the server: policy, authentication, binding, resumption (`net.c2s.Service`)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path

import structlog
from cryptography import x509

from xmpp_server.app.metrics import Counters
from xmpp_server.app.settings import Config
from xmpp_server.core.authentication import AuthBackend, Backoff, Peer
from xmpp_server.core.host import Host
from xmpp_server.core.router import answer_for
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.register import Register, Stranger
from xmpp_server.net.addresses import customer
from xmpp_server.net.c2s import Client, Resumption
from xmpp_server.net.certificates import names_of
from xmpp_server.net.connection import UNIX_HOST
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.tls import TlsServer
from xmpp_server.net.trust import TrustStore
from xmpp_server.sasl import registry
from xmpp_server.sasl.mechanism import Answer, Query, SaslContext
from xmpp_server.stanzas.iq import iq_type, payload
from xmpp_server.streams.policy import Channel, HostPolicy, StreamLimits
from xmpp_server.xml.element import Element
from xmpp_server.xml.scanner import ScanLimits
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()

#: The longest back-off, as a share of the time for negotiation.
LONGEST_BACKOFF = 0.25


class ClientHostPolicy:
    """One host as its clients' streams see it (`streams.policy.HostPolicy`)."""

    def __init__(self, host: Host, config: Config, fake_salt_key: bytes) -> None:
        self._host = host
        self._fake_salt_key = fake_salt_key
        self._iterations = config.auth.scram_iterations
        self._mechanisms: tuple[str, ...] = config.auth.mechanisms
        if host.name in config.auth.anonymous and "ANONYMOUS" not in self._mechanisms:
            self._mechanisms += ("ANONYMOUS",)
        elif host.name not in config.auth.anonymous:
            self._mechanisms = tuple(name for name in self._mechanisms if name != "ANONYMOUS")
        if config.auth.client_ca and "EXTERNAL" not in self._mechanisms:
            self._mechanisms = ("EXTERNAL", *self._mechanisms)
        self.domain = host.name
        self.tls_available = True
        self.tls_required = config.tls.require
        self.written: dict[tuple[object, ...], bytes] = {}
        host.hooks.disco_changed.add(self._forget_features)

    def _forget_features(self, _host: JID) -> None:
        self.written.clear()  # the capabilities are among them

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        """Return what to offer on such a channel."""
        return registry.offered(
            self._mechanisms,
            secure=channel.secure,
            channel_bindings=channel.bindings.keys(),
            certificate=channel.has_certificate,
        )

    def sasl_context(self, channel: Channel, offered: tuple[str, ...]) -> SaslContext:
        """Return what an exchange is to know."""
        return SaslContext(
            domain=self.domain,
            secure=channel.secure,
            offered=offered,
            fake_salt_key=self._fake_salt_key,
            iterations=self._iterations,
            channel_bindings=channel.bindings,
        )

    def registration(self) -> Sequence[Element]:
        """Return what invites strangers to make accounts."""
        register = _register_of(self._host)
        return () if register is None else register.stream_features()

    def features(self) -> Sequence[Element]:
        """Return what the modules announce to authenticated clients."""
        return self._host.hooks.stream_features.gather([])


class ClientPolicy:
    """All hosts, to the streams of one listener (`streams.policy.C2SPolicy`)."""

    def __init__(self, hosts: Mapping[str, Host], config: Config, fake_salt_key: bytes) -> None:
        self._hosts = {name: ClientHostPolicy(host, config, fake_salt_key) for name, host in hosts.items()}
        self.default_domain = next(iter(hosts))
        self.limits = stream_limits(config)

    def host(self, domain: str) -> HostPolicy | None:
        """Return a host by its prepared domainpart."""
        return self._hosts.get(domain)

    def stream_id(self) -> str:
        """Return an unpredictable id."""
        return secrets.token_urlsafe(12)


def stream_limits(config: Config) -> StreamLimits:
    """Translate the configuration for streams."""
    limits = config.limits
    return StreamLimits(
        negotiation_s=config.timeouts.negotiation_s,
        close_s=config.timeouts.close_s,
        refusals=config.auth.tries_per_stream,
        before_auth=ScanLimits.before_auth(),
        after_auth=ScanLimits(
            stanza_bytes=limits.stanza_bytes, elements=limits.stanza_elements, depth=limits.stanza_depth
        ),
    )


class ClientService:
    """The server as client connections see it."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        backends: Mapping[str, AuthBackend],
        policy: ClientPolicy,
        tls: TlsServer,
        runtime: LoopRuntime,
        config: Config,
        counters: Counters,
    ) -> None:
        self.policy = policy
        self.tls = tls
        self.runtime = runtime
        self.bytes_per_s = config.limits.client_bytes_per_s
        self.clients: set[Client] = set()
        self._empty: asyncio.Event | None = None
        #: Clients that have asked to make an account, while their connections last.
        self._strangers: dict[Client, Stranger] = {}
        self._hosts = hosts
        #: Who answers for each host.
        self.backends = dict(backends)
        self._counters = counters
        self._trust = TrustStore.load(Path(config.auth.client_ca)) if config.auth.client_ca else None
        auth = config.auth
        # The owner of an account under attack must still get through before the stream's negotiation is over.
        longest_s = min(auth.backoff_max_s, config.timeouts.negotiation_s * LONGEST_BACKOFF)
        self._backoff = Backoff(auth.backoff_after, auth.backoff_s, longest_s)

    def answer(self, domain: str, query: Query, client: Client) -> Answer | Awaitable[Answer]:
        """Answer a question of a SASL exchange, after the back-off of its address and account."""
        username = getattr(query, "username", None)
        now = self.runtime.now()
        keys = backoff_keys(client.peer, f"{username}@{domain}" if username else "")
        delay = max((self._backoff.delay(key, now) for key in keys), default=0.0)
        peer = Peer(client.peer, self._certified(client))
        if delay:
            return self._answer_after(delay, domain, query, peer)
        return self.backends[domain].answer(query, peer)

    async def _answer_after(self, delay_s: float, domain: str, query: Query, peer: Peer) -> Answer:
        await self.runtime.sleep(delay_s)
        answer = self.backends[domain].answer(query, peer)
        return await answer if isinstance(answer, Awaitable) else answer

    def _certified(self, client: Client) -> tuple[JID, ...]:
        """Return the JIDs in the client's certificate, if a CA that the operator trusts has signed it (XEP-0178)."""
        certificate = client.certificate
        if certificate is None or self._trust is None or not self._trust.trusts_client(client.certificate_chain):
            return ()
        jids = []
        for name in names_of(x509.load_der_x509_certificate(certificate)).xmpp_addr:
            try:
                jids.append(JID.parse(name))
            except JIDMalformed:
                continue
        return tuple(jids)

    def authenticated(self, domain: str, username: str, mechanism: str, client: Client) -> None:
        """Note a success."""
        self._counters.logins += 1
        self._backoff.succeed(f"{username}@{domain}")
        log.info("authenticated", account=f"{username}@{domain}", mechanism=mechanism, peer=client.peer)

    def failed(self, username: str | None, condition: str, client: Client) -> None:
        """Note a failure."""
        self._counters.login_failures += 1
        if username is not None:  # else the client was refused before it could guess a password
            now = self.runtime.now()
            for key in backoff_keys(client.peer, f"{username}@{client.domain}"):
                self._backoff.fail(key, now)
        log.info("authentication-failed", username=username, condition=condition, peer=client.peer)

    async def register(self, domain: str, iq: Stanza, client: Client) -> Element | None:
        """Let the host's module answer a stranger (XEP-0077)."""
        register = _register_of(self._hosts[domain])
        if register is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        try:
            stranger = self._strangers.setdefault(client, Stranger(client.peer))
            return await register.stranger(iq_type(iq), payload(iq), stranger)
        except Exception as error:
            raise answer_for(error, iq) from None

    def bind(self, domain: str, username: str, resource: str | None, client: Client) -> Session | Awaitable[Session]:
        """Bind a resource."""
        host = self._hosts[domain]
        account = host.accounts.get(username)
        if account is None:
            return host.sessions.bind(JID.of(username, domain), resource, client, client.lang)
        return host.sessions.bind_to(account, resource, client, client.lang)

    async def resume(self, domain: str, username: str, token: str, h: int, client: Client) -> Resumption:
        """Attach the session that `token` stands for to this client (XEP-0198 §5)."""
        host = self._hosts[domain]
        session = host.sessions.find(token, JID.of(username, domain))
        if session is None or session.sm is None:
            return Resumption(None, Condition.ITEM_NOT_FOUND)
        session.acknowledge(h)
        ledger = session.sm.ledger
        received = -1
        while session.transport is not None or received != ledger.received:
            if session.transport is not None:  # the old connection hangs, or another was faster to resume
                old = session.transport
                session.connection_lost()
                old.close(StreamError(StreamCondition.CONFLICT, "Resumed by another connection"))
            received = await self.runtime.future(ledger.request)
            if session.closed:
                return Resumption(None, Condition.ITEM_NOT_FOUND)
        session.attach(client, client.lang)
        self._counters.resumptions += 1
        log.info("resumed", session=str(session.jid), peer=client.peer, again=len(session.sm.queue))
        return Resumption(session, h=received % (1 << 32))

    def opened(self, client: Client) -> None:
        """Note a connection."""
        self._counters.connections += 1
        self.clients.add(client)

    def closed(self, client: Client) -> None:
        """Forget a connection."""
        self.clients.discard(client)
        self._strangers.pop(client, None)
        self._counters.stream_errors += client.error is not None
        if not self.clients and self._empty is not None:
            self._empty.set()

    async def all_closed(self) -> None:
        """Wait until no client is connected."""
        if self.clients:
            self._empty = asyncio.Event()
            await self._empty.wait()


def backoff_keys(address: str, account: str) -> list[str]:
    """Return what a failure to authenticate counts for: the customer at an IP address, and an account if it was named.

    A proxy on this machine must not slow down all who come through it.
    """
    is_counted = address not in ("", "127.0.0.1", "::1", UNIX_HOST)
    return ([customer(address)] if is_counted else []) + ([account] if account else [])


def _register_of(host: Host) -> Register | None:
    register = host.modules.get(Register)
    return register if isinstance(register, Register) else None
