"""The network disk by ad-hoc commands, for any client."""

from __future__ import annotations

from collections.abc import Sequence

from components.xmpp_files.network_disk import forms, names, wording
from components.xmpp_files.network_disk.addresses import bare_jid
from components.xmpp_files.network_disk.adhoc import Answer, Ask, Call, Command
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.forms import Field
from components.xmpp_files.network_disk.schema import TOP
from components.xmpp_files.network_disk.shares import Share
from components.xmpp_files.network_disk.sharing import Sharing

_COLUMNS = {"name": "Name", "kind": "Kind", "size": "Size", "changed": "Changed", "expires": "Ends", "item": "Item"}
_SHARE_COLUMNS = {"name": "Name", "by": "By", "with": "With", "url": "Link", "expires": "Ends"}
_HOUR_S = 3600


class DiskCommands:
    """Each command asks for what it needs to know; whoever fills all of it in at once is not asked."""

    def __init__(self, disk: Disk, sharing: Sharing) -> None:
        self._disk = disk
        self._sharing = sharing

    def all(self) -> Sequence[Command]:
        """Return the commands, in the order of menus."""
        return (
            Command("disk/browse", "Files: open in a browser", self._browse),
            Command("disk/list", "Files: list", self._list),
            Command("disk/make-folder", "Files: new folder", self._make_folder),
            Command("disk/put", "Files: put one here", self._put),
            Command("disk/move", "Files: move", self._move),
            Command("disk/rename", "Files: rename", self._rename),
            Command("disk/delete", "Files: delete", self._delete),
            Command("disk/share", "Files: share", self._share),
            Command("disk/shares", "Files: what is shared", self._shares),
            Command("disk/unshare", "Files: end shares", self._unshare),
            Command("disk/shared-with-me", "Files: what others share with me", self._shared_with_me),
            Command("disk/quota", "Files: space", self._quota),
            Command("disk/log-out", "Files: end all browser sessions", self._log_out),
        )

    # Looking.

    async def _browse(self, call: Call) -> Answer:
        url = await self._disk.login_url(call.who, call.now)
        return Answer(
            "Open this link once, soon, and give it to nobody",
            forms.result("Your files", [Field("url", "text-single", "Link", [url])]),
        )

    async def _list(self, call: Call) -> Answer:
        store, path = _place(call)
        after = call.one("after") or None
        if _is_uploads(call.who, store, path):
            return await self._list_uploads(call, after)
        found = await self._disk.resolve(call.who, store, path)
        folder = await self._disk.folder(call.who, store, TOP if found is None else found.id, after)
        rows = [
            {
                "name": entry.name,
                "kind": "folder" if entry.is_folder else entry.content_type,
                "size": "" if entry.is_folder else str(entry.size),
                "changed": wording.moment(entry.changed),
                "expires": "",
                "item": f"e{entry.id}",
            }
            for entry in folder.page.entries
        ]
        if folder.is_first and not folder.path and store == call.who:
            rows.insert(0, _UPLOADS_ROW)
        return _page(f"{store}: {path}", rows, folder.page.after)

    async def _list_uploads(self, call: Call, after: str | None) -> Answer:
        page = await self._disk.uploads(call.who, call.now, after)
        rows = [
            {
                "name": upload.name,
                "kind": upload.content_type,
                "size": str(upload.size),
                "changed": wording.moment(upload.created),
                "expires": wording.moment(upload.expires),
                "item": f"u{upload.id}",
            }
            for upload in page.uploads
        ]
        return _page(f"{call.who}: /{names.UPLOADS}", rows, page.after)

    async def _quota(self, call: Call) -> Answer:
        if not call.given("store"):
            raise Ask(forms.question("Space", "Whose?", [_store_field(call)]))
        store = _store(call)
        usage = await self._disk.usage(call.who, store, call.now)
        limits = self._disk.limits
        day = sum(hour.bytes for hour in usage.day)
        texts = {
            "used": wording.used(usage.user_bytes, limits.user_bytes),
            "used_bytes": str(usage.user_bytes),
            "limit_bytes": str(limits.user_bytes),
            "day": wording.used(day, limits.user_day_bytes),
            "file": wording.size(self._disk.upload.max_file_bytes),
        }
        labels = ("Used", "Used (bytes)", "Limit (bytes, 0: none)", "Within a day", "Largest file")
        fields = [
            Field(var, "text-single", label, [text]) for (var, text), label in zip(texts.items(), labels, strict=True)
        ]
        return Answer(form=forms.result(f"Space of {store}", fields))

    # Changing.

    async def _make_folder(self, call: Call) -> Answer:
        if not call.given("name"):
            raise Ask(forms.question("New folder", "", [*_place_fields(call), _text("name", "Its name")]))
        store, path = _place(call)
        parent = await self._folder(call, store, path)
        made = await self._disk.make_folder(call.who, store, parent, call.one("name"), call.now)
        return Answer(f"There is a folder {made.name!r} now")

    async def _put(self, call: Call) -> Answer:
        if not call.given("name") or not call.given("size"):
            asked = [
                _text("name", "The file's name"),
                _text("size", "Its size in bytes"),
                _text("type", "Content type"),
            ]
            raise Ask(
                forms.question("Put a file here", "You get an address to PUT it to", [*_place_fields(call), *asked])
            )
        store, path = _place(call)
        size = call.one("size")
        if not (size.isascii() and size.isdigit() and len(size) < 18):
            raise DiskError(Reason.BAD, "The size is a number of bytes")
        parent = await self._folder(call, store, path)
        url = await self._disk.slot(call.who, store, parent, call.one("name"), int(size), call.one("type"), call.now)
        return Answer(form=forms.result("PUT the file to", [Field("url", "text-single", "Address", [url])]))

    async def _move(self, call: Call) -> Answer:
        store, items = await self._items(call, "Move", [_text("to", "To which folder", "/")])
        target = await self._folder(call, store, call.one("to", "/"))
        for item in items:
            if item.startswith("u"):
                await self._disk.keep(call.who, item[1:], target, call.now)
            else:
                await self._disk.move(call.who, _entry_id(item), target, "", call.now)
        return Answer(f"Moved: {len(items)}")

    async def _rename(self, call: Call) -> Answer:
        _, items = await self._items(call, "Rename", [_text("name", "The new name")], just_one=True)
        entry = await self._disk.entry(call.who, _entry_id(items[0]))
        renamed = await self._disk.move(call.who, entry.id, entry.parent, call.one("name"), call.now)
        return Answer(f"It is named {renamed.name!r} now")

    async def _delete(self, call: Call) -> Answer:
        _, items = await self._items(call, "Delete", [])
        for item in items:
            if item.startswith("u"):
                await self._disk.remove_upload(call.who, item[1:], call.now)
            else:
                await self._disk.remove(call.who, _entry_id(item), call.now)
        return Answer(f"Deleted: {len(items)}")

    # Sharing.

    async def _share(self, call: Call) -> Answer:
        asked = [
            Field("with", "jid-single", "With whom (a contact or a room; nobody: only make a link)"),
            _text("hours", "For how many hours (empty: until you end it)"),
        ]
        _, items = await self._items(call, "Share", asked, just_one=True)
        hours = call.one("hours", "0") or "0"
        if not (hours.isascii() and hours.isdigit() and len(hours) < 7):
            raise DiskError(Reason.BAD, "The hours are a number")
        if items[0].startswith("u"):
            raise DiskError(Reason.BAD, "Move it to a folder first: who has the link of an upload has the file")
        shared = await self._sharing.share(
            call.who, _entry_id(items[0]), bare_jid(call.one("with")), call.now, int(hours) * _HOUR_S
        )
        told = f"{shared.share.recipient} was told" if shared.is_told else "Nobody was told: send the link yourself"
        return Answer(told, forms.result("The link", [Field("url", "text-single", "Link", [shared.url])]))

    async def _shares(self, call: Call) -> Answer:
        if not call.given("store"):
            raise Ask(forms.question("Shares", "Of whose files?", [_store_field(call)]))
        shares = await self._disk.shares(call.who, _store(call), call.now, call.one("after"))
        return self._share_page("Shared", shares)

    async def _shared_with_me(self, call: Call) -> Answer:
        return self._share_page("Shared with you", await self._disk.shared_with(call.who, call.now, call.one("after")))

    async def _unshare(self, call: Call) -> Answer:
        if not call.given("shares"):
            store = _store(call)
            shares = await self._disk.shares(call.who, store, call.now)
            options = [(share.token, f"{share.name} {share.recipient}".strip()) for share in shares]
            field = Field("shares", "list-multi", "Which", options=options)
            raise Ask(forms.question("End shares", "Their links lead nowhere then", [_store_field(call), field]))
        for token in call.many("shares"):
            await self._disk.revoke(call.who, token, call.now)
        return Answer(f"Ended: {len(call.many('shares'))}")

    async def _log_out(self, call: Call) -> Answer:
        return Answer(f"Ended: {await self._disk.log_out_everywhere(call.who)}")

    # Used above.

    async def _folder(self, call: Call, store: str, path: str) -> int:
        found = await self._disk.resolve(call.who, store, path)
        if found is not None and not found.is_folder:
            raise DiskError(Reason.MISSING, "There is no such folder")
        return TOP if found is None else found.id

    async def _items(
        self, call: Call, title: str, more: Sequence[Field], *, just_one: bool = False
    ) -> tuple[str, Sequence[str]]:
        """Return the store and what was chosen in it: names of one folder, or items as the list tells them."""
        store, path = _place(call)
        if call.given("items") or call.given("names"):
            items = [*call.many("items"), *[await self._named(call, store, path, name) for name in call.many("names")]]
            if not items or (just_one and len(items) > 1):
                raise DiskError(Reason.BAD, "Choose one" if just_one else "Choose something")
            return store, items
        kind: forms.FieldType = "list-single" if just_one else "list-multi"
        choice = Field("items", kind, "Which", options=await self._options(call, store, path))
        other = Field("names", "text-single" if just_one else "text-multi", "Or by name")
        raise Ask(forms.question(title, f"{store}: {path}", [choice, other, *more]))

    async def _named(self, call: Call, store: str, path: str, name: str) -> str:
        found = await self._disk.resolve(call.who, store, f"{path}/{names.entry_name(name)}")
        if found is None:
            raise DiskError(Reason.MISSING, "There is no such file or folder")
        return f"e{found.id}"

    async def _options(self, call: Call, store: str, path: str) -> list[tuple[str, str]]:
        if _is_uploads(call.who, store, path):
            page = await self._disk.uploads(call.who, call.now)
            return [(f"u{upload.id}", f"{upload.name} ({wording.size(upload.size)})") for upload in page.uploads]
        folder = await self._disk.folder(call.who, store, await self._folder(call, store, path))
        return [(f"e{entry.id}", f"{entry.name}{'/' if entry.is_folder else ''}") for entry in folder.page.entries]

    def _share_page(self, title: str, shares: Sequence[Share]) -> Answer:
        rows = [
            {
                "name": share.name,
                "by": share.author,
                "with": share.recipient,
                "url": self._disk.share_url(share),
                "expires": wording.moment(share.expires),
            }
            for share in shares
        ]
        more = {"after": [shares[-1].token]} if len(shares) == self._disk.settings.page_entries else {}
        return Answer(form=forms.table(title, _SHARE_COLUMNS, rows), more=more)


_UPLOADS_ROW = {"name": names.UPLOADS, "kind": "folder", "size": "", "changed": "", "expires": "", "item": ""}


def _page(title: str, rows: Sequence[dict[str, str]], after: str | None) -> Answer:
    return Answer(form=forms.table(title, _COLUMNS, rows), more={} if after is None else {"after": [after]})


def _place(call: Call) -> tuple[str, str]:
    """Return the store and the path of a folder in it."""
    if not call.given("folder"):
        raise Ask(forms.question("Files", "Which folder?", _place_fields(call)))
    return _store(call), "/" + call.one("folder").strip("/")


def _place_fields(call: Call) -> list[Field]:
    return [_store_field(call), _text("folder", "Folder", call.one("folder", "/"))]


def _store_field(call: Call) -> Field:
    return Field("store", "jid-single", "Whose files (yours, or a room's)", [call.one("store", call.who)])


def _store(call: Call) -> str:
    return bare_jid(call.one("store")) or call.who


def _text(var: str, label: str, value: str = "") -> Field:
    return Field(var, "text-single", label, [value] if value else ())


def _entry_id(item: str) -> int:
    number = item[1:]
    if not (item.startswith("e") and number.isascii() and number.isdigit() and len(number) < 18):
        raise DiskError(Reason.MISSING, "There is no such file or folder")
    return int(number)


def _is_uploads(who: str, store: str, path: str) -> bool:
    return store == who and [names.key(name) for name in names.segments(path)] == [names.key(names.UPLOADS)]
