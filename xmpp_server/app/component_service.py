"""External components as the configuration has them: their secrets, their routes, their connections."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from xmpp_server.app.bundled import EXTRA, is_installed, secret_path
from xmpp_server.app.c2s_service import stream_limits
from xmpp_server.app.config_error import ConfigError
from xmpp_server.app.settings import Component as Settings
from xmpp_server.app.settings import Config, Listen
from xmpp_server.core.component import Component
from xmpp_server.core.component_line import Line
from xmpp_server.core.grants import Grants
from xmpp_server.core.host import Host
from xmpp_server.core.router import Router
from xmpp_server.errors import StreamError
from xmpp_server.modules.archive.module import Archive
from xmpp_server.net.component import ComponentPeer
from xmpp_server.net.connection import Connection
from xmpp_server.net.listener import Listener
from xmpp_server.net.loop_io import LoopIO
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.tls import TlsServer
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.xml.scanner import ScanLimits

log = structlog.get_logger()

#: A stanza that a component forwards is wrapped into others (XEP-0297): it may be so much larger and deeper.
FORWARDED_FACTOR = 2
FORWARDED_DEPTH = 20
MAX_SECRET_BYTES = 4096


class ComponentsPolicy:
    """All components, to their streams (`streams.policy.ComponentPolicy`)."""

    def __init__(self, config: Config, known: dict[str, str]) -> None:
        self.default_domain = config.domains[0]
        self.limits = component_limits(config)
        self._secrets = known

    def secret(self, domain: str) -> str | None:
        """Return the secret of the component that serves a domain."""
        return self._secrets.get(domain)

    def stream_id(self) -> str:
        """Return an unpredictable id: the proof of the secret depends on it."""
        return secrets.token_urlsafe(18)


def component_limits(config: Config) -> StreamLimits:
    """Translate the configuration for streams of components."""
    limits = stream_limits(config)
    most = limits.after_auth
    return StreamLimits(
        negotiation_s=limits.negotiation_s,
        close_s=limits.close_s,
        after_auth=ScanLimits(
            stanza_bytes=most.stanza_bytes * FORWARDED_FACTOR,
            elements=most.elements * FORWARDED_FACTOR,
            depth=min(200, most.depth + FORWARDED_DEPTH),
        ),
    )


class ComponentService:
    """The server as connections of components see it (`net.component.Service`)."""

    def __init__(self, config: Config, router: Router, runtime: LoopRuntime) -> None:
        """Make the routes of all components.

        Raises:
            ConfigError: A secret cannot be read.

        """
        self.runtime = runtime
        self.components = router.components
        self.peers: set[ComponentPeer] = set()
        self._empty: asyncio.Event | None = None
        self._listeners: list[Listener] = []
        known: dict[str, str] = {}
        for index, settings in enumerate(config.components):
            if not is_installed(settings.run):
                log.warning("component-not-installed", component=settings.domains[0], hint=EXTRA)
                continue
            grants = Grants.parse(settings.privileges, settings.delegate)
            self.components.add(Component(settings.domains, router, runtime, settings.limits, grants))
            secret = secret_of(settings, f"components[{index}]", config.data_path)
            known.update(dict.fromkeys(settings.domains, secret))
        self.policy = ComponentsPolicy(config, known)

    def check_domains(self, hosts: Iterable[Host]) -> None:
        """Make sure that no module has taken a component's domain; tell who wants an archive and has none.

        Raises:
            ConfigError: One has.

        """
        for index, component in enumerate(self.components.all):
            for domain in component.domains:
                if component.router.routes[domain.domainpart] is not component:
                    raise ConfigError(None, f"components[{index}].domains", f"{domain} is a module's domain already")
        for host in hosts:
            if Archive in host.modules:
                archive = host.module(Archive).component
                if self.components.find(archive.domainpart) is None:
                    log.error("archive-not-configured", component=str(archive), hint="add it to [[components]]")

    async def open(
        self, io: LoopIO, doors: Listen, make_tls: Callable[[Sequence[str]], TlsServer]
    ) -> dict[str, list[str]]:
        """Open the doors, if there are components at all; return the addresses by the name of the door.

        Raises:
            OSError: An address cannot be listened on.

        """
        addresses: dict[str, list[str]] = {"component": [], "component_tls": []}
        if not self.components.all:
            return addresses
        direct = make_tls(()) if doors.component_tls else None
        for name, texts, tls in (("component", doors.component, None), ("component_tls", doors.component_tls, direct)):
            listener = Listener(io.loop, self._factory(io, tls))
            self._listeners.append(listener)
            addresses[name] = await listener.open(texts)
        return addresses

    def _factory(self, io: LoopIO, tls: TlsServer | None) -> Callable[[], Connection]:
        return lambda: Connection(io, ComponentPeer(self), limit_bytes=self._most_unread(), tls=tls)

    def _most_unread(self) -> int:
        """Past so many unread bytes a connection is cut off; before that its line refuses stanzas."""
        most = max(component.limits.outbox_bytes for component in self.components.all)
        return most + FORWARDED_FACTOR * self.policy.limits.after_auth.stanza_bytes

    async def close(self, error: StreamError, timeout_s: float) -> None:
        """Close the doors, and end what is connected."""
        for listener in self._listeners:
            await listener.close()
        for peer in list(self.peers):
            peer.close(error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_closed(), timeout_s)
        for peer in list(self.peers):
            peer.abort()

    def attach(self, domain: str, peer: ComponentPeer) -> Line:
        """Let a connection that has authenticated have the component's stanzas.

        Raises:
            StreamError: There are too many.

        """
        component = self.components.find(domain)
        assert component is not None  # noqa: S101 - it had a secret
        line = component.attach(domain, peer)
        log.info("component-connected", component=domain, peer=peer.peer, connections=len(component.lines))
        return line

    def failed(self, domain: str, peer: ComponentPeer) -> None:
        """Note a wrong secret."""
        log.warning("component-authentication-failed", component=domain, peer=peer.peer)

    def opened(self, peer: ComponentPeer) -> None:
        """Note a connection."""
        self.peers.add(peer)

    def closed(self, peer: ComponentPeer) -> None:
        """Forget a connection."""
        self.peers.discard(peer)
        if not self.peers and self._empty is not None:
            self._empty.set()

    async def _all_closed(self) -> None:
        """Wait until no component is connected."""
        if self.peers:
            self._empty = asyncio.Event()
            await self._empty.wait()


def secret_of(settings: Settings, key: str, data: Path) -> str:
    """Return the secret of a component; where its file is missing, one is made with a secret of our own.

    A program that is run finds a secret of the configuration in a file, too.

    Raises:
        ConfigError: The file cannot be read or made, or it is empty.

    """
    if settings.secret and not settings.run:
        return settings.secret
    path = secret_path(settings, data)
    try:
        if settings.secret or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text((settings.secret or secrets.token_urlsafe(32)) + "\n", "utf-8")
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(path, key, f"its secret cannot be read: {reason}") from None
    if not text:
        raise ConfigError(path, key, "the file of its secret is empty")
    return text


def rows(components: Sequence[Component]) -> list[dict[str, object]]:
    """Tell the command line how the components are: by their first domains."""
    return [
        {
            "component": str(component.jid),
            "domains": [str(domain) for domain in component.domains],
            "state": "connected" if component.is_connected else "expected" if component.is_expected else "away",
            "connections": len(component.lines),
            "peers": sorted({line.link.peer for line in component.lines}),
            "queued": component.queued,
            "open_requests": component.open_requests,
            "sent": component.sent,
            "received": component.received,
        }
        for component in components
    ]
