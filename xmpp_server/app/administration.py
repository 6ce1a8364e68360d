"""What an administrator does to accounts: the same for a running server (`live`) and on a stopped one's storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from xmpp_server.app import xep0227
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.sasl.credentials import PasswordError, ScramKeys, derive_all
from xmpp_server.storage.api import AccountRecord, NoSuchAccountError, Storage

PAGE = 100


class Live(Protocol):
    """The accounts of a running server, as far as a change in storage concerns them."""

    def changed(self, record: AccountRecord) -> None:
        """Take the new record; the sessions of a disabled account end."""

    def deleted(self, jid: JID) -> None:
        """Forget an account, and end its sessions."""


class Stopped:
    """No server runs: nobody has anything in memory."""

    def changed(self, record: AccountRecord) -> None:
        """Do nothing."""

    def deleted(self, jid: JID) -> None:
        """Do nothing."""


class Administration:
    """Commands on accounts; each is a handler of the control socket, and a method for tests and the command line."""

    def __init__(self, storage: Storage, domains: Sequence[str], iterations: int, live: Live | None = None) -> None:
        self._storage = storage
        self._domains = domains
        self._iterations = iterations
        self._live = live or Stopped()

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {
            "user.add": self.add,
            "user.passwd": self.passwd,
            "user.delete": self.delete,
            "user.enable": self.enable,
            "user.disable": self.disable,
            "user.list": self.list,
            "export": self.export,
            "import": self.import_,
        }

    async def add(self, arguments: Mapping[str, object]) -> object:
        """Create the account `jid` with `password`."""
        jid = self._account(arguments)
        credentials = await self._credentials(arguments)
        record = AccountRecord(jid=jid, enabled=True, created=datetime.now(UTC), credentials=credentials)
        if not await self._storage.accounts.create(record):
            raise ControlError(f"{jid} exists already")
        return {"jid": str(jid)}

    async def passwd(self, arguments: Mapping[str, object]) -> object:
        """Give the account `jid` another `password`; sessions go on."""
        jid = self._account(arguments)
        credentials = await self._credentials(arguments)
        try:
            await self._storage.accounts.set_credentials(jid, credentials)
        except NoSuchAccountError:
            raise _unknown(jid) from None
        await self._announce(jid)
        return {"jid": str(jid)}

    async def delete(self, arguments: Mapping[str, object]) -> object:
        """Remove the account `jid` with everything it owns."""
        jid = self._account(arguments)
        if not await self._storage.accounts.delete(jid):
            raise _unknown(jid)
        self._live.deleted(jid)
        return {"jid": str(jid)}

    async def enable(self, arguments: Mapping[str, object]) -> object:
        """Let the account `jid` sign in again."""
        return await self._switch(arguments, enabled=True)

    async def disable(self, arguments: Mapping[str, object]) -> object:
        """Keep the account `jid` but let nobody sign in; its sessions end."""
        return await self._switch(arguments, enabled=False)

    async def _switch(self, arguments: Mapping[str, object], *, enabled: bool) -> object:
        jid = self._account(arguments)
        try:
            await self._storage.accounts.set_enabled(jid, enabled)
        except NoSuchAccountError:
            raise _unknown(jid) from None
        await self._announce(jid)
        return {"jid": str(jid), "enabled": enabled}

    async def _announce(self, jid: JID) -> None:
        record = await self._storage.accounts.get(jid)
        if record is not None:
            self._live.changed(record)

    async def list(self, arguments: Mapping[str, object]) -> object:
        """Return a page of the accounts of `host` behind `after`: the next page is behind its last."""
        host = _text(arguments, "host")
        after = arguments.get("after")
        jids = await self._storage.accounts.list(host, after if isinstance(after, str) else None, PAGE)
        records = [await self._storage.accounts.get(jid) for jid in jids]
        return [
            {"jid": str(record.jid), "enabled": record.enabled, "created": record.created.isoformat(timespec="seconds")}
            for record in records
            if record is not None  # deleted a moment ago
        ]

    async def export(self, arguments: Mapping[str, object]) -> object:
        """Write everything into a new file `path` (XEP-0227)."""
        return await self.export_to(Path(_text(arguments, "path")), lambda _: None)

    async def export_to(self, path: Path, progress: Callable[[int], None]) -> object:
        """Write everything into a new file; `progress` hears how many accounts are done.

        Raises:
            ControlError: The file exists or cannot be written.

        """
        try:
            with xep0227.new_file(path) as file:
                count = await xep0227.export(self._storage, file.write, progress)
        except FileExistsError:
            raise ControlError(f"{path} exists already") from None
        except OSError as error:
            raise ControlError(f"{path} cannot be written: {error.strerror}") from None
        return {"path": str(path), "accounts": count}

    async def import_(self, arguments: Mapping[str, object]) -> object:
        """Read accounts from the file `path` (XEP-0227); those that exist stay as they are."""
        return await self.import_from(Path(_text(arguments, "path")), lambda _: None)

    async def import_from(self, path: Path, progress: Callable[[int], None]) -> object:
        """Read accounts from a file; `progress` hears how many are done.

        Raises:
            ControlError: The file cannot be read, or is malformed from some place on; what stood before is there.

        """
        importer = xep0227.Importer(self._storage, self._domains, self._iterations)
        try:
            report = await importer.run(path, progress)
        except OSError as error:
            raise ControlError(f"{path} cannot be read: {error.strerror}") from None
        except xep0227.FormatError as error:
            raise ControlError(f"{path}: {error}; what stood before was imported") from None
        return {"imported": report.imported, "skipped": report.skipped, "ignored": report.ignored}

    def _account(self, arguments: Mapping[str, object]) -> JID:
        text = _text(arguments, "jid")
        try:
            jid = JID.parse(text)
        except JIDMalformed as error:
            raise ControlError(f"{text} is no address: {error}") from None
        if jid.localpart is None or not jid.is_bare:
            raise ControlError(f"{text} is no account: it must look like name@domain")
        if jid.domainpart not in self._domains:
            raise ControlError(f"{jid.domainpart} is not served here; domains: {', '.join(self._domains)}")
        return jid

    async def _credentials(self, arguments: Mapping[str, object]) -> dict[str, ScramKeys]:
        """Turn the password into keys, in a thread: it takes CPU time on purpose."""
        password = _text(arguments, "password")
        try:
            return await asyncio.to_thread(derive_all, password, self._iterations)
        except PasswordError as error:
            raise ControlError(f"this cannot be a password: {error}") from None


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ControlError(f"{name} is missing")
    return value


def _unknown(jid: JID) -> ControlError:
    return ControlError(f"there is no account {jid}")
