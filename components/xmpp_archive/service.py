"""The archive's two requests: `<store/>` and `<ask/>` (docs/archive-protocol.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

import structlog

from components.xmpp_archive import answers
from components.xmpp_archive.batch import items
from components.xmpp_archive.namespaces import ARCHIVE, MAM
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query, form
from components.xmpp_archive.settings import Config
from components.xmpp_archive.store import Store
from components.xmpp_component.errors import RequestError

log = structlog.get_logger(__name__)

_Handler = Callable[[str, ET.Element], Awaitable[str]]


class Service:
    """Answers with the payload of the iq result, as XML text; raises RequestError and ArchiveError."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("set", f"{{{MAM}}}query"): self._query,
            ("get", f"{{{MAM}}}query"): self._form,
            ("get", f"{{{MAM}}}metadata"): self._metadata,
            ("get", f"{{{MAM}}}prefs"): self._prefs,
            ("set", f"{{{MAM}}}prefs"): self._set_prefs,
        }

    async def store(self, store: ET.Element) -> str:
        """Commit a batch: the empty answer says that it is safe."""
        refused: list[str] = []
        batch = list(items(store, self._config.rules, refused))
        for reason in refused:
            log.error("entry-refused", reason=reason)
        await self._store.write(batch)
        return ""

    async def ask(self, ask: ET.Element) -> str:
        """Answer what somebody asks an archive; the server has checked that they may."""
        owner, kind, room = ask.get("owner", ""), ask.get("type", ""), ask.get("room") == "true"
        payload = next(iter(ask), None)
        handler = None if payload is None else self._handlers.get((kind, payload.tag))
        if not owner or payload is None or handler is None:
            raise RequestError("bad-request", "modify")
        if room and payload.tag == f"{{{MAM}}}prefs":
            raise RequestError("feature-not-implemented", "cancel")
        return f"<answer xmlns='{ARCHIVE}'>{await handler(owner, payload)}</answer>"

    async def _query(self, owner: str, payload: ET.Element) -> str:
        pages = self._config.pages
        query = Query.parse(payload, pages.default, pages.most)
        if query.text is not None and not self._config.search.enabled:
            raise RequestError("feature-not-implemented", "cancel", "This archive cannot be searched")
        return answers.page(await self._store.page(owner, query), query, pages.most_bytes)

    async def _form(self, _owner: str, _payload: ET.Element) -> str:
        return ET.tostring(form(search=self._config.search.enabled), "unicode")

    async def _metadata(self, owner: str, _payload: ET.Element) -> str:
        return answers.metadata(await self._store.bounds(owner))

    async def _prefs(self, owner: str, _payload: ET.Element) -> str:
        return ET.tostring((await self._store.prefs(owner)).xml(), "unicode")

    async def _set_prefs(self, owner: str, payload: ET.Element) -> str:
        prefs = Prefs.parse(payload, self._config.preferences.listed_jids)
        await self._store.set_prefs(owner, prefs)
        return ET.tostring(prefs.xml(), "unicode")
