"""What all commands share: the configuration, the way to the server or its storage, errors as exit codes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import click

from xmpp_server.app import logging
from xmpp_server.app.administration import Administration
from xmpp_server.app.config import Config, ConfigError, load
from xmpp_server.app.control import SOCKET_NAME, ControlError, NotRunningError, request
from xmpp_server.app.hosts import build_hosts
from xmpp_server.app.lock import DataLock, LockedError
from xmpp_server.app.modules import MODULE_CONFIGS
from xmpp_server.core.administrators import Administrators
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.router import Router
from xmpp_server.jid import JIDMalformed
from xmpp_server.net.addresses import AddressError
from xmpp_server.net.certificates import CertificateError
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.storage.api import Durability, StorageError, StorageFailedError
from xmpp_server.storage.urls import storage_for

T = TypeVar("T")

FAILED, USAGE, NOT_RUNNING = 1, 2, 3
#: How long a command on a stopped server's storage waits for what it set off.
DRAIN_S = 10.0

EXIT_CODES: Mapping[type[Exception], int] = {
    ConfigError: USAGE,
    AddressError: USAGE,
    JIDMalformed: USAGE,  # in a module's table
    NotRunningError: NOT_RUNNING,
    ControlError: FAILED,
    LockedError: FAILED,
    StorageError: FAILED,
    CertificateError: FAILED,
    OSError: FAILED,
}
#: What to do where the system's own words do not tell.
REMEDIES: Mapping[int, str] = {
    errno.EADDRINUSE: "another program has it; stop that one, or write another address into [listen]",
    errno.EADDRNOTAVAIL: "this machine has no such address; write one that it has into [listen]",
    errno.EACCES: "let the user that runs this have it, or name another place in the configuration",
    errno.EROFS: "name another place in the configuration",
    errno.ENOSPC: "make room on the disk",
}
STORAGE_REMEDY = "see storage.url: the database must be up and undamaged, and let in the user that runs this"


class Commands(click.Group):
    """The top of the commands: turns the errors of all of them into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except tuple(EXIT_CODES) as error:
            code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
            click.echo(f"xmpp-server: {_told(error)}", err=True)
            ctx.exit(code)


def _told(error: Exception) -> str:
    """Say an error in one line, with what to do about it if that is known."""
    if type(error) in (StorageError, StorageFailedError):  # the others tell what to do, or pass by themselves
        return f"{error} ({STORAGE_REMEDY})"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    what = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    remedy = REMEDIES.get(error.errno or 0)
    return f"{what} ({remedy})" if remedy else what


class Context:
    """One call of the program."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def load(self) -> Config:
        """Read the configuration.

        Raises:
            ConfigError: It is wrong.

        """
        return load(self.path, MODULE_CONFIGS)

    @cached_property
    def config(self) -> Config:
        """The configuration as it was when first asked for."""
        return self.load()

    def ask(self, command: str, timeout_s: float | None = 60.0, **arguments: object) -> object:
        """Ask the running server.

        Raises:
            NotRunningError: There is none.
            ControlError: The command failed.

        """
        return request(self.config.data_path / SOCKET_NAME, command, arguments, timeout_s)

    def administer(
        self,
        command: str,
        offline: Callable[[Administration], Awaitable[T]] | None = None,
        timeout_s: float | None = 60.0,
        **arguments: object,
    ) -> object:
        """Let the running server carry out a command; where there is none, do it on storage.

        Args:
            command: A handler of `Administration`.
            offline: What to do on storage instead of the handler.
            timeout_s: How long to wait for a running server; None for as long as it takes.
            arguments: The handler's arguments.

        Raises:
            ControlError: The command failed.
            LockedError: A server is starting or stopping, or another command is at work.
            StorageError: The storage failed.

        """
        try:
            return self.ask(command, timeout_s, **arguments)
        except NotRunningError:
            pass

        async def work(administration: Administration) -> object:
            if offline is not None:
                return await offline(administration)
            return await administration.handlers()[command](dict(arguments))

        return self.on_storage(work)

    def on_storage(self, work: Callable[[Administration], Awaitable[T]]) -> T:
        """Open the storage of a stopped server for `work`, which nobody else uses meanwhile.

        The hosts are there with their modules, so that what concerns other accounts reaches their rosters.

        Raises:
            LockedError: Somebody else uses it.
            StorageError: It cannot be opened, or `work` failed.

        """
        config = self.config

        async def opened() -> T:
            storage = storage_for(config.storage_url, Durability(config.storage.durability))
            await storage.open()
            try:
                runtime = LoopRuntime(asyncio.get_running_loop())
                admins = Administrators(config.admins)
                hosts = build_hosts(config, Router(), storage, runtime, admins.jids)
                await admins.load(hosts.values())
                rights = FederationRights(config.s2s.local_only, storage.documents)
                await rights.load(host.jid for host in hosts.values())
                result = await work(Administration(storage, hosts, rights))
                await asyncio.sleep(0)  # what is put off to the next turn
                await runtime.drain(DRAIN_S)
                return result
            finally:
                await storage.close()

        with DataLock(config.data_path):
            logging.configure("warning", "console")
            return asyncio.run(opened())


pass_context = click.make_pass_decorator(Context)
