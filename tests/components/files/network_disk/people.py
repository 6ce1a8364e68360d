"""People on a live server who use the network disk by ad-hoc commands, with slixmpp."""

from __future__ import annotations

import asyncio

import slixmpp

from tests.components.files.xmpp_peers import DOMAINS
from tests.interop.slix import SlixClient
from tests.peers import DOMAIN, Address

UPLOAD = DOMAINS[0]
CONFERENCE = f"conference.{DOMAIN}"
NS_COMMANDS = "http://jabber.org/protocol/commands"
NS_FORMS = "jabber:x:data"
PLUGINS = ("xep_0004", "xep_0030", "xep_0045", "xep_0050", "xep_0066", "xep_0199", "xep_0363")


class Command:
    """What a command has answered."""

    def __init__(self, iq: slixmpp.Iq) -> None:
        self.status = iq["command"]["status"]
        self.session = iq["command"]["sessionid"]
        element = iq["command"].xml
        self.note = element.findtext(f"{{{NS_COMMANDS}}}note") or ""
        self.actions = {child.tag.rpartition("}")[2] for child in element.iterfind(f"{{{NS_COMMANDS}}}actions/*")}
        self.form = element.find(f"{{{NS_FORMS}}}x")

    @property
    def fields(self) -> set[str]:
        """What it asks for, or tells."""
        assert self.form is not None
        return {field.get("var", "") for field in self.form.iterfind(f"{{{NS_FORMS}}}field")}

    def value(self, var: str) -> str:
        assert self.form is not None
        return self.form.findtext(f"{{{NS_FORMS}}}field[@var='{var}']/{{{NS_FORMS}}}value") or ""

    def options(self, var: str) -> dict[str, str]:
        """Values by their labels."""
        assert self.form is not None
        options = self.form.iterfind(f"{{{NS_FORMS}}}field[@var='{var}']/{{{NS_FORMS}}}option")
        return {option.get("label", ""): option.findtext(f"{{{NS_FORMS}}}value") or "" for option in options}

    @property
    def rows(self) -> list[dict[str, str]]:
        assert self.form is not None
        return [
            {
                field.get("var", ""): field.findtext(f"{{{NS_FORMS}}}value") or ""
                for field in item.iterfind(f"{{{NS_FORMS}}}field")
            }
            for item in self.form.iterfind(f"{{{NS_FORMS}}}item")
        ]

    @property
    def names(self) -> list[str]:
        return [row["name"] for row in self.rows]


class Person(SlixClient):
    """A user."""

    def __init__(self, user: str) -> None:
        super().__init__(user, plugins=PLUGINS)

    async def run(
        self, node: str, fields: dict[str, str | list[str]] | None = None, *, action: str = "execute", session: str = ""
    ) -> Command:
        """Do one step of a command."""
        form = None
        if fields is not None:
            form = self.plugin["xep_0004"].make_form("submit")
            for var, value in fields.items():
                form.add_field(var, value=value)
        answer = await self.plugin["xep_0050"].send_command(
            slixmpp.JID(UPLOAD), node, action=action, payload=form, sessionid=session or None, timeout=20
        )
        return Command(answer)

    async def own_room(self, name: str, *, members: tuple[str, ...] = (), **keepers: str) -> str:
        """Make a persistent room that one owns; `keepers` are others by their affiliation."""
        room = f"{name}@{CONFERENCE}"
        muc = self.plugin["xep_0045"]
        await muc.join_muc_wait(slixmpp.JID(room), self.boundjid.user, timeout=10)
        form = await muc.get_room_config(slixmpp.JID(room))
        answer = self.plugin["xep_0004"].make_form("submit")
        answer.add_field("FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/muc#roomconfig")
        answer.add_field("muc#roomconfig_persistentroom", value="1")
        assert form is not None
        await muc.set_room_config(slixmpp.JID(room), answer)
        for affiliation, jid in (*(("member", jid) for jid in members), *keepers.items()):
            await muc.set_affiliation(slixmpp.JID(room), affiliation, jid=slixmpp.JID(jid))
        return room

    async def oob(self, wanted: str) -> tuple[str, str, str]:
        """Wait for a message that has a link; return its sender, its text and the link."""
        got: asyncio.Future[slixmpp.Message] = asyncio.get_running_loop().create_future()

        def take(message: slixmpp.Message) -> None:
            if wanted in message["body"] and not got.done():
                got.set_result(message)

        for event in ("message", "groupchat_message"):
            self.add_event_handler(event, take)
        async with asyncio.timeout(15):
            message = await got
        return message["from"].bare, message["body"], message["oob"]["url"]


async def online(user: str, address: Address) -> Person:
    person = Person(user)
    await person.online(address)
    return person
