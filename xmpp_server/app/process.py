"""The process of `xmpp-server run`: starts the server, serves commands, minds signals, and stops in good order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import msgspec
import structlog

from xmpp_server.app import logging
from xmpp_server.app.administration import Administration
from xmpp_server.app.config_error import ConfigError
from xmpp_server.app.control import SOCKET_NAME, ControlServer
from xmpp_server.app.live import LiveHosts
from xmpp_server.app.lock import DataLock
from xmpp_server.app.notify import Notifier
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Config
from xmpp_server.net.certificates import CertificateError

log = structlog.get_logger()

#: Tables that a reload puts in force; a change of any other waits for a restart.
RELOADED = frozenset({"tls", "log"})


async def serve(load: Callable[[], Config], started: Callable[[Server], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        load: Reads the configuration; called again at SIGHUP.
        started: Hears of the server once its doors are open.

    Raises:
        ConfigError: The configuration is wrong.
        LockedError: Another process has the data folder.
        StorageError, CertificateError, OSError: See `Server.start`.

    """
    config = load()
    logging.configure(config.log.level, config.log.format)
    with DataLock(config.data_path):
        server = Server(config)
        notifier = Notifier()
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await server.start()
        try:
            control = await _control(server)
            loop.add_signal_handler(signal.SIGHUP, _Reload(server, load, notifier))
            started(server)
            notifier.ready()
            await stop.wait()
            notifier.stopping()
            await control.close()
        finally:
            await server.stop()


async def _control(server: Server) -> ControlServer:
    config = server.config
    live = LiveHosts(server.hosts, server.addresses, server.component_rows)
    accounts = Administration(server.storage, server.hosts)
    control = ControlServer(config.data_path / SOCKET_NAME, {**accounts.handlers(), **live.handlers()})
    await control.start()
    return control


class _Reload:
    """SIGHUP: reads the configuration and the certificates again; what is wrong changes nothing."""

    def __init__(self, server: Server, load: Callable[[], Config], notifier: Notifier) -> None:
        self._server = server
        self._load = load
        self._notifier = notifier

    def __call__(self) -> None:
        self._notifier.reloading()
        try:
            self._reload()
        except (ConfigError, CertificateError) as error:
            log.error("reload-failed", reason=str(error))
        finally:
            self._notifier.ready()

    def _reload(self) -> None:
        old, new = self._server.config, self._load()
        changed = [name for name in new.__struct_fields__ if getattr(new, name) != getattr(old, name)]
        self._server.config = msgspec.structs.replace(old, tls=new.tls, log=new.log)
        try:
            self._server.reload_certificates()
        except CertificateError:
            self._server.config = old
            raise
        logging.configure(new.log.level, new.log.format)
        log.info("reloaded", changed=changed)
        waiting = [name for name in changed if name not in RELOADED]
        if waiting:
            log.warning("restart-needed", changed=waiting)
