"""The process of `xmpp-server run`: starts the server, serves commands, minds signals, and stops in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping

import msgspec
import structlog

from xmpp_server.app import logging
from xmpp_server.app.administration import Administration
from xmpp_server.app.config_error import ConfigError
from xmpp_server.app.control import SOCKET_NAME, ControlError, ControlServer
from xmpp_server.app.live import LiveHosts
from xmpp_server.app.live_certificates import LiveCertificates
from xmpp_server.app.lock import DataLock
from xmpp_server.app.notify import Notifier
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Config
from xmpp_server.modules.admin import Admin
from xmpp_server.net.certificates import CertificateError

log = structlog.get_logger()

#: Tables that a reload puts in force; a change of any other waits for a restart.
RELOADED = frozenset({"tls", "log"})


async def serve(load: Callable[[], Config], started: Callable[[Server], None]) -> bool:
    """Serve until SIGTERM or SIGINT, or until an administrator stops the service (XEP-0133 §4.30, §4.31).

    Args:
        load: Reads the configuration; called again at SIGHUP, and before a restart.
        started: Hears of the server once its doors are open.

    Returns:
        Whether the server is to be started again.

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
        ending = _Ending(load)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, ending.ask, False)
        await server.start()
        for host in server.hosts.values():
            if Admin in host.modules:
                admin = host.module(Admin)
                admin.offer_service(ending.ask)
                admin.offer_admins(server.administrators)
                if server.federating is not None:
                    admin.offer_domains(server.federating.remotes)
                    admin.offer_rights(server.rights)
        try:
            reload = _Reload(server, load, notifier)
            control = await _control(server, reload)
            loop.add_signal_handler(signal.SIGHUP, reload)
            started(server)
        except BaseException:
            await server.close()
            raise
        try:
            notifier.ready()
            await ending.asked.wait()
            if ending.restart:
                notifier.reloading()  # the process stays; after "stopping" systemd would end it
            else:
                notifier.stopping()
            await server.renewal.stop()  # whoever waits for it must not hold us up
            await control.close()
        finally:
            await server.stop()
    return ending.restart


async def _control(server: Server, reload: _Reload) -> ControlServer:
    config = server.config
    live = LiveHosts(server.hosts, server.addresses, server.component_rows, server.link_rows)
    accounts = Administration(server.storage, server.hosts, server.rights)
    tls = LiveCertificates(server.certificates, server.renewal)
    handlers = {**accounts.handlers(), **live.handlers(), **server.link_handlers(), **tls.handlers()}
    handlers["reload"] = reload.answer
    control = ControlServer(config.data_path / SOCKET_NAME, handlers)
    await control.start()
    return control


class _Ending:
    """How the server ends."""

    def __init__(self, load: Callable[[], Config]) -> None:
        self.asked = asyncio.Event()
        self.restart = False
        self._load = load

    def ask(self, restart: bool) -> None:
        """End the server, to start it again or not; it goes on if it could not start with the present configuration."""
        if restart:
            if self.asked.is_set():
                return  # it stops already, maybe for good
            try:
                self._load()
            except ConfigError as error:
                log.error("restart-failed", reason=str(error))
                return
        self.restart = restart
        self.asked.set()


class _Reload:
    """SIGHUP and `reload`: reads the configuration and the certificates again; what is wrong changes nothing."""

    def __init__(self, server: Server, load: Callable[[], Config], notifier: Notifier) -> None:
        self._server = server
        self._load = load
        self._notifier = notifier

    def __call__(self) -> None:
        with contextlib.suppress(ControlError):  # the log tells
            self._tried()

    async def answer(self, _arguments: Mapping[str, object]) -> object:
        """Do it for the command line; return the tables that wait for a restart."""
        return {"waiting": self._tried()}

    def _tried(self) -> list[str]:
        self._notifier.reloading()
        try:
            return self._reload()
        except (ConfigError, CertificateError) as error:
            log.error("reload-failed", reason=str(error))
            raise ControlError(f"all stays as it was: {error}") from None
        finally:
            self._notifier.ready()

    def _reload(self) -> list[str]:
        old, new = self._server.config, self._load()
        changed = [name for name in new.__struct_fields__ if getattr(new, name) != getattr(old, name)]
        self._server.reload_tls(new.tls)
        self._server.config = msgspec.structs.replace(self._server.config, log=new.log)
        logging.configure(new.log.level, new.log.format)
        log.info("reloaded", changed=changed)
        waiting = [name for name in changed if name not in RELOADED]
        if waiting:
            log.warning("restart-needed", changed=waiting)
        return waiting
