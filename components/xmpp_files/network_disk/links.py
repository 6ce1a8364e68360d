"""The addresses of the pages, on the host that browsers see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from components.xmpp_files import names
from components.xmpp_files.network_disk.schema import TOP

PREFIX = "/disk"


@dataclass(frozen=True, slots=True)
class Links:
    """`base` is what stands before all paths: public addresses may have a path of their own."""

    base: str

    @classmethod
    def of(cls, url: str) -> Links:
        """Return those of an HTTP server, by its public address."""
        return cls(urlsplit(url).path.rstrip("/") + PREFIX)

    def page(self, path: str, **query: str | None) -> str:
        """Return the address of a page."""
        return f"{self.base}/{path}{_query(query)}"

    def folder(self, store: str, folder: int, after: str | None = None) -> str:
        """Return the address of a folder."""
        return self.page("", store=store, folder=None if folder == TOP else str(folder), after=after)

    def content(self, entry: int, name: str) -> str:
        """Return the address of a file's content, for whoever is logged in."""
        return self.page(f"get/{entry}/{names.in_url(name)}")

    def share(self, token: str, name: str, entry: int | None = None, after: str | None = None) -> str:
        """Return the address of a share, or of an entry within."""
        inside = None if entry is None else str(entry)
        return self.page(f"s/{quote(token, safe='')}/{names.in_url(name)}", entry=inside, after=after)

    def upload(self, file_id: str, name: str) -> str:
        """Return the public address of an upload."""
        return f"{self.base.removesuffix(PREFIX)}/{file_id}/{names.in_url(name)}"


def _query(query: Mapping[str, str | None]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
