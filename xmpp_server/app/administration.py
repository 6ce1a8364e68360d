"""What an administrator does, to accounts above all: the same in a running server and on a stopped one's storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from xmpp_server.app import xep0227
from xmpp_server.app.asked import address
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.app.invitation_administration import InvitationAdministration
from xmpp_server.app.room_administration import RoomAdministration
from xmpp_server.core.federation_rights import FederationRights
from xmpp_server.core.host import Host
from xmpp_server.core.provisioning import AccountExistsError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.sasl.credentials import PasswordError
from xmpp_server.storage.api import NoSuchAccountError, Storage, StorageError

PAGE = 100


class Administration:
    """Commands on accounts and rooms; each is a handler of the control socket, and a method for the command line."""

    def __init__(self, storage: Storage, hosts: Mapping[str, Host], rights: FederationRights) -> None:
        self._storage = storage
        self._hosts = hosts
        self._rights = rights

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {
            "user.add": self.add,
            "user.passwd": self.passwd,
            "user.delete": self.delete,
            "user.enable": self.enable,
            "user.disable": self.disable,
            "user.federation": self.federation,
            "user.list": self.list,
            "export": self.export,
            "import": self.import_,
            **RoomAdministration(self._hosts).handlers(),
            **InvitationAdministration(self._hosts).handlers(),
        }

    async def add(self, arguments: Mapping[str, object]) -> object:
        """Create the account `jid` with `password`."""
        host, jid = self._account(arguments)
        with _told(jid):
            await host.provisioning.create(jid, _text(arguments, "password"))
        return {"jid": str(jid)}

    async def passwd(self, arguments: Mapping[str, object]) -> object:
        """Give the account `jid` another `password`; sessions go on."""
        host, jid = self._account(arguments)
        with _told(jid):
            await host.provisioning.set_password(jid, _text(arguments, "password"))
        return {"jid": str(jid)}

    async def delete(self, arguments: Mapping[str, object]) -> object:
        """Remove the account `jid` with everything it owns."""
        host, jid = self._account(arguments)
        with _told(jid):
            await host.provisioning.delete(jid)
        return {"jid": str(jid)}

    async def enable(self, arguments: Mapping[str, object]) -> object:
        """Let the account `jid` sign in again."""
        return await self._switch(arguments, enabled=True)

    async def disable(self, arguments: Mapping[str, object]) -> object:
        """Keep the account `jid` but let nobody sign in; its sessions end."""
        return await self._switch(arguments, enabled=False)

    async def _switch(self, arguments: Mapping[str, object], *, enabled: bool) -> object:
        host, jid = self._account(arguments)
        with _told(jid):
            await host.provisioning.set_enabled(jid, enabled)
        return {"jid": str(jid), "enabled": enabled}

    async def federation(self, arguments: Mapping[str, object]) -> object:
        """Let the account `jid` talk to other servers if it is `allowed`, or cut it off from them."""
        host, jid = self._account(arguments)
        with _told(jid):
            if await self._storage.accounts.get(jid) is None:
                raise NoSuchAccountError(jid)
            if arguments.get("allowed") is not True:
                await self._rights.confine(jid, host)
            elif not await self._rights.release(jid):
                raise ControlError(f"s2s.local_only of the configuration cuts {jid} off")
        return {"jid": str(jid), "allowed": not self._rights.confines(jid)}

    async def list(self, arguments: Mapping[str, object]) -> object:
        """Return a page of the accounts of `host` behind `after`: the next page is behind its last."""
        after = arguments.get("after")
        return await self._page(_text(arguments, "host"), after if isinstance(after, str) else None)

    async def accounts(self, host: str) -> AsyncIterator[Mapping[str, object]]:
        """Yield all accounts of a host."""
        after: str | None = None
        while page := await self._page(host, after):
            for row in page:
                yield row
            after = str(page[-1]["jid"])

    async def _page(self, host: str, after: str | None) -> Sequence[Mapping[str, object]]:
        try:
            host = JID.parse(host)  # as it is written in addresses
        except JIDMalformed as error:
            raise ControlError(f"{host} is no domain: {error}") from None
        if host not in self._hosts:
            raise ControlError(f"{host} is not served here; domains: {', '.join(self._hosts)}")
        records = [
            await self._storage.accounts.get(jid) for jid in await self._storage.accounts.list(host, after, PAGE)
        ]
        return [
            {
                "jid": str(record.jid),
                "enabled": record.enabled,
                "federation": not self._rights.confines(record.jid),
                "created": record.created.isoformat(timespec="seconds"),
            }
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
        """Read accounts from the file `path` (XEP-0227) while the server runs; those that exist stay as they are."""
        return await self._import(Path(_text(arguments, "path")), lambda _: None, None)

    async def import_from(self, path: Path, progress: Callable[[int], None]) -> object:
        """Read accounts, rooms and all else from a file, for a stopped server; `progress` hears how many are done.

        Raises:
            ControlError: The file cannot be read, or is malformed from some place on; what stood before is there.

        """
        services = {domain for host in self._hosts.values() for domain in host.router.routes}
        return await self._import(path, progress, services)

    async def _import(self, path: Path, progress: Callable[[int], None], services: Collection[str] | None) -> object:
        importer = xep0227.Importer(self._storage, self._hosts, on_imported=self._read_again, services=services)
        try:
            report = await importer.run(path, progress)
        except OSError as error:
            raise ControlError(f"{path} cannot be read: {error.strerror}") from None
        except xep0227.FormatError as error:
            raise ControlError(f"{path}: {error}; what stood before was imported") from None
        return {"imported": report.imported, "skipped": report.skipped, "ignored": report.ignored}

    def _read_again(self, jid: JID) -> None:
        """Forget what a running server has read of an account whose import was under way."""
        accounts = self._hosts[jid.domainpart].accounts
        account = accounts.get(jid.localpart or "")
        if account is None or not account.sessions:
            accounts.forget(jid.localpart or "")

    def _account(self, arguments: Mapping[str, object]) -> tuple[Host, JID]:
        jid = address(arguments, "jid")
        if jid.localpart is None or not jid.is_bare:
            raise ControlError(f"{jid} is no account: it must look like name@domain")
        host = self._hosts.get(jid.domainpart)
        if host is None:
            raise ControlError(f"{jid.domainpart} is not served here; domains: {', '.join(self._hosts)}")
        return host, jid


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ControlError(f"{name} is missing")
    return value


@contextmanager
def _told(jid: JID) -> Iterator[None]:
    """Turn what can go wrong with an account into what the operator is told."""
    try:
        yield
    except NoSuchAccountError:
        raise ControlError(f"there is no account {jid}") from None
    except AccountExistsError:
        raise ControlError(f"{jid} exists already") from None
    except PasswordError as error:
        raise ControlError(f"this cannot be a password: {error}") from None
    except StorageError as error:
        raise ControlError(f"the storage failed: {error}") from None
