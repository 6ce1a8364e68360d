"""An aioxmpp client as a program: commands as JSON lines on standard input, what happens as JSON lines on output.

Runs in the virtual environment of `make peers`, as aioxmpp needs older libraries than the server; so it imports nothing
of this project. Arguments: full JID, password, host, port. It ends when its input does.
"""

# mypy: ignore-errors
# aioxmpp is not in the environment that is type-checked, and has no types.

from __future__ import annotations

import asyncio
import json
import sys
import warnings

from lxml import etree

warnings.simplefilter("ignore")

import aioxmpp  # noqa: E402
import aioxmpp.blocking  # noqa: E402
import aioxmpp.carbons  # noqa: E402
import aioxmpp.connector  # noqa: E402
import aioxmpp.dispatcher  # noqa: E402
import aioxmpp.misc  # noqa: E402
import aioxmpp.ping  # noqa: E402
import aioxmpp.private_xml  # noqa: E402
import aioxmpp.rsm.xso  # noqa: E402
import aioxmpp.vcard  # noqa: E402
import aioxmpp.xso  # noqa: E402


@aioxmpp.private_xml.xso.Query.as_payload_class
class Note(aioxmpp.xso.XSO):
    """What is kept as private XML."""

    TAG = ("urn:example:note", "note")
    text = aioxmpp.xso.Text(default="")


MAM = "urn:xmpp:mam:2"


@aioxmpp.IQ.as_payload_class
class ArchiveQuery(aioxmpp.xso.XSO):
    """What an archive is asked (XEP-0313), as aioxmpp has nothing for it."""

    TAG = (MAM, "query")
    queryid = aioxmpp.xso.Attr("queryid")
    rsm = aioxmpp.xso.Child([aioxmpp.rsm.xso.ResultSetMetadata])
    form = aioxmpp.xso.Child([aioxmpp.forms.Data])


@aioxmpp.IQ.as_payload_class
class ArchiveEnd(aioxmpp.xso.XSO):
    """The end of a page."""

    TAG = (MAM, "fin")
    complete = aioxmpp.xso.Attr("complete", type_=aioxmpp.xso.Bool(), default=False)
    rsm = aioxmpp.xso.Child([aioxmpp.rsm.xso.ResultSetMetadata])


class ArchiveResult(aioxmpp.xso.XSO):
    """One message of a page."""

    TAG = (MAM, "result")
    queryid = aioxmpp.xso.Attr("queryid")
    id_ = aioxmpp.xso.Attr("id")
    forwarded = aioxmpp.xso.Child([aioxmpp.misc.Forwarded])


aioxmpp.Message.xep0313_result = aioxmpp.xso.Child([ArchiveResult])


def tell(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


class Peer:
    def __init__(self, client):
        self.client = client
        self.roster = client.summon(aioxmpp.RosterClient)
        self.blocking = client.summon(aioxmpp.BlockingClient)
        self.carbons = client.summon(aioxmpp.CarbonsClient)
        self.vcard = client.summon(aioxmpp.vcard.VCardService)
        self.private = client.summon(aioxmpp.private_xml.PrivateXMLService)
        self.disco = client.summon(aioxmpp.DiscoClient)
        self.presence = client.summon(aioxmpp.PresenceClient)
        self.muc = client.summon(aioxmpp.MUCClient)
        self.rooms = {}
        self.results = []
        messages = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        for kind in aioxmpp.MessageType:
            messages.register_callback(kind, None, self.on_message)
        self.roster.on_subscribe.connect(lambda stanza: tell("subscribe", sender=str(stanza.from_)))
        self.roster.on_subscribed.connect(lambda stanza: tell("subscribed", sender=str(stanza.from_)))
        self.roster.on_unsubscribed.connect(lambda stanza: tell("unsubscribed", sender=str(stanza.from_)))
        self.roster.on_entry_subscription_state_changed.connect(self.on_entry)
        self.presence.on_available.connect(lambda jid, stanza: tell("available", sender=str(jid)))
        self.presence.on_unavailable.connect(lambda jid, stanza: tell("unavailable", sender=str(jid)))
        client.on_stream_suspended.connect(lambda reason: tell("suspended"))
        client.on_stream_resumed.connect(lambda: tell("resumed"))

    def on_message(self, message):
        if message.xep0313_result is not None:
            self.results.append(message.xep0313_result)
            return
        for name in ("received", "sent"):
            carbon = getattr(message, f"xep0280_{name}")
            if carbon is not None:
                inner = carbon.stanza
                tell("carbon", kind=name, sender=str(inner.from_), to=str(inner.to), text=inner.body.any())
                return
        if message.body:
            tell(
                "message",
                sender=str(message.from_),
                kind=message.type_.value,
                text=message.body.any(),
                delayed=bool(message.xep0203_delay),
            )

    def on_entry(self, item):
        tell("entry", jid=str(item.jid), subscription=item.subscription)

    async def do_say(self, to, text):
        message = aioxmpp.Message(to=aioxmpp.JID.fromstr(to), type_=aioxmpp.MessageType.CHAT)
        message.body[None] = text
        await self.client.send(message)

    async def do_subscribe(self, jid):
        self.roster.subscribe(aioxmpp.JID.fromstr(jid))

    async def do_approve(self, jid):
        self.roster.approve(aioxmpp.JID.fromstr(jid))

    async def do_entries(self):
        return {str(jid): item.subscription for jid, item in self.roster.items.items()}

    async def do_ping(self):
        await aioxmpp.ping.ping(self.client, self.client.local_jid.replace(localpart=None, resource=None))

    async def do_carbons(self):
        await self.carbons.enable()

    async def do_block(self, jid):
        await self.blocking.block_jids([aioxmpp.JID.fromstr(jid)])

    async def do_unblock(self, jid):
        await self.blocking.unblock_jids([aioxmpp.JID.fromstr(jid)])

    async def do_blocklist(self):
        return sorted(str(jid) for jid in self.blocking.blocklist)

    async def do_features(self, jid):
        info = await self.disco.query_info(aioxmpp.JID.fromstr(jid))
        return sorted(info.features)

    async def do_vcard(self, jid):
        vcard = await self.vcard.get_vcard(aioxmpp.JID.fromstr(jid) if jid else None)
        return vcard.elements.findtext("{vcard-temp}FN")

    async def do_set_vcard(self, name):
        vcard = await self.vcard.get_vcard()
        etree.SubElement(vcard.elements, "{vcard-temp}FN").text = name
        await self.vcard.set_vcard(vcard)

    async def do_private(self, text):
        note = Note()
        note.text = text
        await self.private.set_private_xml(note)

    async def do_private_text(self):
        return (await self.private.get_private_xml(Note())).registered_payload.text

    async def do_history(self, page, contact=""):
        """Page through the own archive: the bodies, the sizes of the pages, whether each message has its time."""
        rsm = aioxmpp.rsm.xso.ResultSetMetadata.limit(int(page))
        texts, sizes, stamped = [], [], True
        while True:
            query = ArchiveQuery()
            query.queryid = str(len(sizes))
            query.rsm = rsm
            query.form = aioxmpp.forms.Data(type_=aioxmpp.forms.DataType.SUBMIT)
            fields = [("FORM_TYPE", aioxmpp.forms.FieldType.HIDDEN, MAM)]
            fields += [("with", aioxmpp.forms.FieldType.JID_SINGLE, contact)] if contact else []
            for name, kind, value in fields:
                query.form.fields.append(aioxmpp.forms.Field(var=name, type_=kind, values=[value]))
            self.results.clear()
            end = await self.client.send(aioxmpp.IQ(type_=aioxmpp.IQType.SET, payload=query))
            mine = [one for one in self.results if one.queryid == query.queryid]
            texts += [one.forwarded.stanza.body.any() for one in mine]
            stamped = stamped and all(one.forwarded.delay is not None for one in mine)
            sizes.append(len(mine))
            if end.complete:
                return {"texts": texts, "sizes": sizes, "stamped": stamped}
            rsm = end.rsm.next_page(int(page))

    async def do_slot(self, service, filename, size, content_type):
        """Ask for a place to upload to (XEP-0363)."""
        jid = aioxmpp.JID.fromstr(service)
        slot = await aioxmpp.httpupload.request_slot(self.client, jid, filename, int(size), content_type)
        return {"put": slot.put.url, "headers": dict(slot.put.headers), "get": slot.get.url}

    async def do_enter(self, room, nick):
        entered, done = self.muc.join(aioxmpp.JID.fromstr(room), nick)
        entered.on_message.connect(self.on_room_message)
        entered.on_topic_changed.connect(lambda who, topic, **_: tell("subject", nick=who.nick, text=topic.any()))
        entered.on_join.connect(lambda who, **_: tell("joined", nick=who.nick))
        entered.on_leave.connect(
            lambda who, muc_leave_mode=None, **_: tell("left", nick=who.nick, mode=muc_leave_mode.name)
        )
        entered.on_exit.connect(
            lambda muc_leave_mode=None, muc_reason=None, **_: tell("out", mode=muc_leave_mode.name, reason=muc_reason)
        )
        entered.on_nick_changed.connect(lambda who, old, new, **_: tell("renamed", old=old, new=new))
        await done
        self.rooms[room] = entered
        return sorted(member.nick for member in entered.members)

    def on_room_message(self, message, member, source, **_):
        tell("in room", nick=member.nick, text=message.body.any(), kind=message.type_.value)

    async def do_speak(self, room, text):
        message = aioxmpp.Message(type_=aioxmpp.MessageType.GROUPCHAT)
        message.body[None] = text
        await self.rooms[room].send_message(message)

    async def do_rename(self, room, nick):
        await self.rooms[room].set_nick(nick)

    async def do_put_out(self, room, nick, reason):
        await self.rooms[room].muc_set_role(nick, "none", reason=reason)

    async def do_affiliate(self, room, jid, affiliation):
        await self.muc.set_affiliation(aioxmpp.JID.fromstr(room), aioxmpp.JID.fromstr(jid), affiliation)

    async def do_configure(self, room, name):
        address = aioxmpp.JID.fromstr(room)
        form = aioxmpp.muc.xso.ConfigurationForm.from_xso(await self.muc.get_room_config(address))
        form.roomname.value = name
        form.persistentroom.value = True
        await self.muc.set_room_config(address, form.render_reply())

    async def do_leave(self, room):
        await self.rooms.pop(room).leave()

    async def handle(self, line):
        command = json.loads(line)
        try:
            result = await getattr(self, "do_" + command.pop("do"))(**command)
            tell("done", result=result)
        except Exception as error:
            tell("failed", error=f"{type(error).__name__}: {error}")


async def main(jid, password, host, port):
    loop = asyncio.get_running_loop()
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        aioxmpp.make_security_layer(password, no_verify=True),
        override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())],
    )
    peer = Peer(client)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with client.connected():
        tell("online", jid=str(client.local_jid))
        while line := await reader.readline():
            await peer.handle(line)
    tell("offline")


asyncio.run(main(*sys.argv[1:]))
