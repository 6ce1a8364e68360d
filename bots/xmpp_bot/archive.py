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
    """The archive of the bot's account; rooms give their history at joining."""

    def __init__(self, client: slixmpp.ClientXMPP, reader: Reader, store: Store) -> None:
        self._client = client
        self._reader = reader
        self._seen = store.shelf("seen")

    async def catch_up(self) -> None:
        """Read on from the last message that is known; what came already is known by its id."""
        exists = await self._exists()
        text = self._seen.get("", "")
        if not text:  # the first time: what was before the bot is not for it
            self._seen.set("", datetime.now(UTC).isoformat())
            return
        if not exists:
            return
        count = 0
        results = self._client.plugin["xep_0313"].iterate(
            start=datetime.fromisoformat(text) - SLACK, rsm={"max": PAGE}, total=LIMIT
        )
        try:
            async for result in results:
                forwarded = result["mam_result"]["forwarded"]
                stamp = forwarded["delay"]["stamp"]
                self._reader.on_message(forwarded["stanza"], str(result["mam_result"]["id"]), stamp)
                count += 1
        except (IqError, IqTimeout) as error:
            _log.warning("archive_failed", error=str(error))
        _log.info("caught_up", messages=count)

    async def _exists(self) -> bool:
        try:
            jid = slixmpp.JID(self._client.boundjid.bare)
            info = await self._client.plugin["xep_0030"].get_info(jid=jid, timeout=TIMEOUT_S)
        except (IqError, IqTimeout):
            return False
        return MAM in info["disco_info"]["features"]
