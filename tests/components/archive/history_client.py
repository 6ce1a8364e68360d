"""Two clients on their own: `python -m tests.components.archive.history_client PORT` talk, then ask for it."""

from __future__ import annotations

import asyncio
import sys
from xml.etree import ElementTree as ET

import slixmpp

from tests.interop.slix import PLUGINS, SlixClient

MAM_PLUGINS = (*PLUGINS, "xep_0059", "xep_0313", "xep_0359", "xep_0441")


async def features(client: SlixClient, jid: str) -> set[str]:
    info = await client.plugin["xep_0030"].get_info(jid=slixmpp.JID(jid))
    return set(info["disco_info"]["features"])


async def opens(client: SlixClient, room: slixmpp.JID, nick: str) -> None:
    """Make an instant room (XEP-0045 §10.1.2)."""
    await client.plugin["xep_0045"].join_muc_wait(room, nick)
    iq = client.make_iq_set(ito=room)
    query = ET.SubElement(iq.xml, "{http://jabber.org/protocol/muc#owner}query")
    ET.SubElement(query, "{jabber:x:data}x", {"type": "submit"})
    await iq.send()


async def main(port: int) -> None:
    door = ("127.0.0.1", port)
    romeo, juliet = [await SlixClient(user, plugins=MAM_PLUGINS).online(door) for user in ("romeo", "juliet")]
    romeo.say("juliet@localhost", "wherefore")
    await juliet.hears_text("wherefore")
    room = slixmpp.JID("coven@conference.localhost")
    await opens(romeo, room, "hag")
    romeo.send_message(mto=room, mbody="bubble", mtype="groupchat")
    await romeo.hears_text("bubble", "groupchat")
    for jid in ("romeo@localhost", str(room)):
        assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "urn:xmpp:sid:0"} <= await features(romeo, jid)
    for client, jid in ((romeo, None), (juliet, None), (romeo, room)):
        results = (await client.plugin["xep_0313"].retrieve(jid=jid))["mam"]["results"]
        print(*(one["mam_result"]["forwarded"]["stanza"]["body"] for one in results))
    for client in (romeo, juliet):
        await client.offline()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
