"""The running server: everything built from a configuration, started, drained and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from xmpp_server.app.acme.renewal import Renewal
from xmpp_server.app.c2s_service import ClientPolicy, ClientService
from xmpp_server.app.certificates import Certificates
from xmpp_server.app.component_service import ComponentService, rows
from xmpp_server.app.control import Handler
from xmpp_server.app.hosts import build_hosts
from xmpp_server.app.metrics import Counters
from xmpp_server.app.s2s_service import Federating
from xmpp_server.app.settings import Config, Tls
from xmpp_server.app.supervisor import Supervisor
from xmpp_server.core import persistence
from xmpp_server.core.administrators import Administrators
from xmpp_server.core.authentication import StoredAccounts
from xmpp_server.core.domain_rules import DomainRules
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.host import Host
from xmpp_server.core.router import Router
from xmpp_server.core.session import Session
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.net.c2s import Client
from xmpp_server.net.certificates import CertificateError, KeyPair
from xmpp_server.net.connection import Connection
from xmpp_server.net.http import HttpServer
from xmpp_server.net.listener import Listener
from xmpp_server.net.loop_io import LoopIO
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.tls import ALPN_XMPP_CLIENT, ALPN_XMPP_SERVER, TlsServer
from xmpp_server.storage.api import Durability, SavedSession, Storage, StorageError
from xmpp_server.storage.urls import storage_for

log = structlog.get_logger()

#: Allocations before the collector looks at each generation: stanzas make no cycles.
GC_THRESHOLDS = (20_000, 20, 50)
#: So many more sessions are worth taking out of the collector's sight: a full collection of 10,000 takes 0.2 s.
GC_SESSIONS = 200
GC_LOOK_S = 20.0
#: At a planned stop what clients have sent last has so long to be handled, or committed.
SETTLE_S = 2.0
SECRET_BYTES = 32
SHUTDOWN = StreamError(StreamCondition.SYSTEM_SHUTDOWN)


class Server:
    """One process of the server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.counters = Counters()
        self.router = Router()
        self.hosts: dict[str, Host] = {}
        self.runtime: LoopRuntime
        self.storage: Storage
        self.service: ClientService
        self.certificates: Certificates
        self.renewal = Renewal(lambda: self.config, self.counters, self._certificates_renewed)
        self.components: ComponentService
        self.supervisor: Supervisor
        self.administrators: Administrators
        self.rights: FederationRights
        self.federating: Federating | None = None
        #: The addresses that are listened on, by the name of the door; known after `start`.
        self.addresses: dict[str, list[str]] = {}
        self._listeners: list[Listener] = []
        self._http: HttpServer | None = None
        self._frozen_for = 0

    async def start(self) -> None:
        """Open storage, build the hosts, take back saved sessions, and open the doors.

        Raises:
            ConfigError: A secret of a component cannot be read, or its domain is taken.
            StorageError: The store cannot be opened, or its schema is newer.
            CertificateError: There is no usable certificate.
            OSError: An address cannot be listened on.

        """
        config = self.config
        loop = asyncio.get_running_loop()
        config.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.runtime = LoopRuntime(loop)
        self.storage = storage_for(config.storage_url, Durability(config.storage.durability))
        await self.storage.open()
        try:
            tls = await self._build(config)
        except BaseException:
            await self.storage.close()
            raise
        try:
            await self._restore_sessions()
            await self._listen(loop, tls)
        except BaseException:
            await self.close()  # writes the sessions down again: they were forgotten as they were read
            raise
        self.supervisor.start(self.addresses["component"])
        self.renewal.start()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.collect()
        self._spare_collector()
        log.info("started", domains=list(self.hosts), **self.addresses)

    async def _build(self, config: Config) -> TlsServer:
        """Make everything behind the doors; return what the doors for clients show."""
        secret = _lasting_secret(config.data_path / "fake-salt.key")
        iterations = config.auth.scram_iterations
        self.components = ComponentService(config, self.router, self.runtime)  # modules look at their grants
        self.administrators = Administrators(config.admins)
        admins = self.administrators.jids
        self.hosts.update(build_hosts(config, self.router, self.storage, self.runtime, admins))
        await self.administrators.load(self.hosts.values())
        self.components.check_domains(self.hosts.values())
        self.rights = FederationRights(config.s2s.local_only, self.storage.documents)
        await self.rights.load(host.jid for host in self.hosts.values())
        backends = {
            name: StoredAccounts(host, self.runtime.compute, secret, iterations) for name, host in self.hosts.items()
        }
        self.certificates = Certificates(config)
        tls = self.certificates.door((ALPN_XMPP_CLIENT,), request_certificate=bool(config.auth.client_ca))
        policy = ClientPolicy(self.hosts, config, secret)
        self.service = ClientService(self.hosts, backends, policy, tls, self.runtime, config, self.counters)
        self.supervisor = Supervisor(config, self.components.components)
        return tls

    def _spare_collector(self) -> None:
        """Take what will live long out of the garbage collector's sight, at the start and as sessions come."""
        count = len(self.service.clients)
        if count >= self._frozen_for + GC_SESSIONS or not self._frozen_for:
            gc.freeze()
            self._frozen_for = max(count, 1)
        self.runtime.schedule(GC_LOOK_S, self._spare_collector)

    async def _listen(self, loop: asyncio.AbstractEventLoop, tls: TlsServer) -> None:
        config = self.config
        io = LoopIO(loop)
        limit = config.limits.outbox_bytes

        def accept(direct: TlsServer | None) -> Callable[[], Connection]:
            return lambda: Connection(io, Client(self.service), limit_bytes=limit, tls=direct)

        for name, doors, direct in (("c2s", config.listen.c2s, None), ("c2s_tls", config.listen.c2s_tls, tls)):
            listener = Listener(loop, accept(direct), per_address=config.limits.connections_per_address)
            self._listeners.append(listener)
            self.addresses[name] = await listener.open(doors)
        self.addresses |= await self.components.open(io, config.listen, self.certificates.door)
        self._http = HttpServer(self._health, self._metrics)
        await self._federate(io)
        self.addresses["http"] = await self._http.start(config.listen.http)

    async def _federate(self, io: LoopIO) -> None:
        if not self.config.s2s.enabled:
            return
        tls = self.certificates.door((ALPN_XMPP_SERVER,), request_certificate=True)
        s2s, owners = self.config.s2s, [host.jid for host in self.hosts.values()]
        remotes = DomainRules(s2s.allow, s2s.block, self.storage.documents, owners)
        await remotes.load()
        certificates = self.certificates
        self.federating = Federating(
            self.config, self.router, self.runtime, tls, lambda: certificates.pairs, remotes, self.rights
        )
        secret = _lasting_secret(self.config.data_path / "dialback.key")
        self.addresses |= await self.federating.open(io, secret)

    async def _restore_sessions(self) -> None:
        saved = await self.storage.sessions.load_all()
        back = 0
        for one in saved:
            host = self.hosts.get(one.jid.domainpart)
            back += host is not None and await persistence.restore(host, one)
        if saved:
            log.info("sessions-restored", count=back, lost=len(saved) - back)

    @property
    def sessions(self) -> list[Session]:
        """All sessions, also those that wait for their clients."""
        return [
            session
            for host in self.hosts.values()
            for account in host.accounts.active.values()
            for session in account.sessions.values()
        ]

    def link_rows(self) -> list[dict[str, object]]:
        """Tell how the connections with other servers are."""
        return [] if self.federating is None else list(self.federating.federation.rows())

    def link_handlers(self) -> dict[str, Handler]:
        """Return the commands about other servers, by name."""
        return {} if self.federating is None else self.federating.handlers()

    def component_rows(self) -> list[dict[str, object]]:
        """Tell how the external components are, and the processes of those that run under us."""
        return [row | self.supervisor.row(str(row["component"])) for row in rows(self.components.components.all)]

    def _health(self) -> dict[str, object]:
        failure = self.storage.failure
        return {"status": "ok" if failure is None else "storage-failed", "sessions": len(self.sessions)}

    async def _metrics(self) -> bytes:
        render = await asyncio.to_thread(_load_render)
        return render(self.counters, self.sessions, self.storage.queued, self.certificates.pairs)

    def reload_tls(self, tls: Tls) -> None:
        """Put the certificates of another configuration in force, or those that are in the files now.

        Raises:
            CertificateError: They cannot be used; the old ones stay.

        """
        config = msgspec.structs.replace(self.config, tls=tls)
        self.certificates.reload(config)
        self.config = config
        if self.federating is not None:
            self.federating.reload_certificates()
        self.supervisor.reload()
        self.renewal.reconsider()

    def _certificates_renewed(self) -> None:
        """Show the certificates that the CA has issued."""
        try:
            self.certificates.reload(self.config)
        except CertificateError as error:
            log.error("reload-failed", reason=str(error))
            return
        if self.federating is not None:
            self.federating.reload_certificates()
        self.supervisor.reload()

    async def stop(self) -> None:
        """Drain: close the doors, save what can be resumed, tell the others, commit, and let go of everything."""
        log.info("stopping", sessions=len(self.sessions))
        await self.close()
        log.info("stopped")

    async def close(self) -> None:
        """`stop` without a word: for a start that has failed, where the error is all that is worth reading."""
        for listener in self._listeners:
            await listener.close()
        if self.federating is not None:
            await self.federating.stop_listening()
        clients = list(self.service.clients)
        for client in clients:
            client.detach()
        for host in self.hosts.values():
            host.hooks.stopping.fire(None)
        try:
            await self._save_sessions()
        except StorageError as error:  # what the sessions have not acknowledged is kept, or its senders were told
            log.error("sessions-not-saved", error=str(error))
        for client in clients:
            client.close(SHUTDOWN)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.service.all_closed(), self.config.timeouts.drain_s)
        for client in list(self.service.clients):
            client.abort()
        if self.federating is not None:
            await self.federating.federation.close(SHUTDOWN, self.config.timeouts.close_s)
        await self.renewal.stop()
        await self.supervisor.stop()
        await self.components.close(SHUTDOWN, self.config.timeouts.close_s)
        await self.runtime.drain(timeout_s=2.0)
        if self._http is not None:
            await self._http.stop()
        await self.storage.close()

    async def _save_sessions(self) -> None:
        """End what cannot be resumed, then write down what can; its clients are cut off only after the commit."""
        waiting: list[Session] = []
        for session in self.sessions:
            if session.sm is not None and session.sm.resumable:
                session.suspend()
                waiting.append(session)
            else:
                session.end(SHUTDOWN)
        await self._settle(waiting)
        saved = [one for session in waiting if (one := _saved(session)) is not None]
        if saved:
            await self.storage.sessions.save_all(saved)

    async def _settle(self, sessions: list[Session]) -> None:
        """Give what the sessions' clients have sent some time to become safe: what is not will be sent again."""
        unsafe = [one.sm.ledger for one in sessions if one.sm is not None and one.sm.ledger.unsafe]
        if unsafe:
            waits = [asyncio.ensure_future(self.runtime.future(ledger.request)) for ledger in unsafe]
            _, late = await asyncio.wait(waits, timeout=SETTLE_S)
            for one in late:
                one.cancel()


def _saved(session: Session) -> SavedSession | None:
    """Write down one session; what is wrong with it must not keep the others from being saved."""
    try:
        return None if session.closed else persistence.save(session)
    except Exception:
        log.exception("session-not-saved", session=str(session.jid))
        return None


def _load_render() -> Callable[[Counters, Sequence[Session], int, Sequence[KeyPair]], bytes]:
    """Load Prometheus' client with the first request for metrics: few servers are asked, and none at its start."""
    from xmpp_server.app.exposition import render

    return render


def _lasting_secret(path: Path) -> bytes:
    """Return a secret of this server that outlives restarts, made on the first start."""
    with contextlib.suppress(FileNotFoundError):
        if len(found := path.read_bytes()) == SECRET_BYTES:  # else the process was killed while it wrote
            return found
    secret = secrets.token_bytes(SECRET_BYTES)
    path.touch(mode=0o600)
    path.write_bytes(secret)
    return secret
