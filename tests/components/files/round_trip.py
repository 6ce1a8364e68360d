"""A client on its own: `python -m tests.components.files.round_trip PORT` uploads a file with slixmpp and fetches it.

A process, so that SSL_CERT_FILE says which certificate its HTTP client trusts. Prints the address of the file.
"""

from __future__ import annotations

import asyncio
import io
import sys

import aiohttp

from tests.interop.slix import SlixClient

DATA = bytes(range(256)) * 1000


async def main(port: int) -> None:
    romeo = await SlixClient("romeo", plugins=("xep_0030", "xep_0065", "xep_0199", "xep_0363")).online(
        ("127.0.0.1", port)
    )
    proxies = await romeo.plugin["xep_0065"].discover_proxies(timeout=10)
    assert {str(jid) for jid in proxies} == {"proxy.localhost"}
    url = await romeo.plugin["xep_0363"].upload_file("balcony.jpg", input_file=io.BytesIO(DATA))
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert await answer.read() == DATA
    await romeo.offline()
    print(url)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
