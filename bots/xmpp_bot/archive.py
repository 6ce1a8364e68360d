"""XEP-0313: what was written to the bot while it was away, from its account's archive if the server has one."""

from __future__ import annotations

from datetime import UTC, datetime

import slixmpp
import structlog
from slixmpp.exceptions import IqError, IqTimeout

from xmpp_bot.reading import Reader
from xmpp_bot.rooms import SLACK
from xmpp_bot.store import Store

MAM = "urn:xmpp:mam:2"
TIMEOUT_S = 30.0
#: Messages that are looked at; who was away for longer has missed the rest.
LIMIT = 2_000
PAGE = 100

_log = structlog.get_logger("xmpp_bot")


class Archive:
    """The archive of the bot's account, and those of its rooms: a room's history at joining is short."""

    def __init__(self, client: slixmpp.ClientXMPP, reader: Reader, store: Store) -> None:
        self._client = client
        self._reader = reader
        self._seen = store.shelf("seen")

    async def catch_up(self) -> None:
        """Read on from the last message that is known; what came already is known by its id."""
        text = self._seen.get("", "")
        if not text:  # the first time: what was before the bot is not for it
            self._seen.set("", datetime.now(UTC).isoformat())
            return
        await self._read("", min(datetime.fromisoformat(text), datetime.now(UTC)) - SLACK)

    async def catch_up_in(self, room: str, since: datetime) -> None:
        """Read what a room's archive has from a moment on."""
        await self._read(room, since)

    async def _read(self, room: str, since: datetime) -> None:
        """Give the reader what an archive has, the account's without a room."""
        if not await self._exists(slixmpp.JID(room or self._client.boundjid.bare)):
            return
        count, own = 0, self._client.boundjid.bare
        results = self._client.plugin["xep_0313"].iterate(
            jid=slixmpp.JID(room) if room else None, start=since, rsm={"max": PAGE}, total=LIMIT
        )
        try:
            async for result in results:
                forwarded = result["mam_result"]["forwarded"]
                stanza = forwarded["stanza"]
                if result["from"].full not in ((room,) if room else ("", own)):
                    continue  # anybody can send what looks like a result
                if room and (stanza["from"].bare != room or stanza["type"] != "groupchat"):
                    continue  # a room tells what was said in it, and speaks for nobody else
                self._reader.on_message(stanza, str(result["mam_result"]["id"]), forwarded["delay"]["stamp"])
                count += 1
        except (IqError, IqTimeout) as error:
            _log.warning("archive_failed", room=room, error=str(error))
        _log.info("caught_up", room=room, messages=count)

    async def _exists(self, jid: slixmpp.JID) -> bool:
        try:
            info = await self._client.plugin["xep_0030"].get_info(jid=jid, timeout=TIMEOUT_S)
        except (IqError, IqTimeout):
            return False
        return MAM in info["disco_info"]["features"]
