"""Writes messages until it is killed; prints the number of each message once it is committed."""

from __future__ import annotations

import asyncio
import sys

from xmpp_server.jid import JID
from xmpp_server.storage.api import OfflineMessage
from xmpp_server.storage.sql.rows import time_of
from xmpp_server.storage.urls import storage_for

ROMEO = JID.parse("romeo@example.org")


async def main(url: str) -> None:
    store = storage_for(url)
    await store.open()
    for first in range(0, 10_000_000, 50):
        commits = [
            (number, store.offline.append(ROMEO, OfflineMessage(f"{number:08}", time_of(number), b"x" * 300)))
            for number in range(first, first + 50)
        ]
        for number, commit in commits:
            commit.add_done_callback(lambda _, number=number: print(number, flush=True))
        await commits[-1][1]


asyncio.run(main(sys.argv[1]))
