"""Two clients in one room of the real server, of which each is asserted to have received what the other has said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import slixmpp
from slixmpp.exceptions import IqError, PresenceError

from tests.interop.conftest import NewAio, NewSlix
from tests.interop.slix import TIMEOUT_S, Heard, SlixClient
from tests.interop.terminal import Terminal, terminal
from tests.peers import PASSWORD, ServerProcess, environment, need

Users = tuple[str, str]


def rooms_of(users: Users) -> str:
    """An address of a room for a test alone."""
    return f"{users[0]}-coven@conference.localhost"


async def test_profanity_and_mcabber(server: ServerProcess, users: Users, tmp_path: Path) -> None:
    """One makes the room, the other enters, they talk; then the owner puts the other out."""
    profanity, mcabber = need("profanity", "profanity"), need("mcabber", "mcabber")
    host, port = server.c2s
    room = rooms_of(users)
    settings = {
        "jid": f"{users[1]}@localhost",
        "password": PASSWORD,
        "server": host,
        "port": port,
        "tls": 1,
        "ssl_ignore_checks": 1,
    }
    file = tmp_path / "mcabberrc"
    file.write_text("".join(f"set {name} = {value}\n" for name, value in settings.items()))
    file.chmod(0o600)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with (
        terminal(environment(tmp_path / "one"), profanity) as owner,
        terminal(environment(tmp_path / "two"), mcabber, "-f", str(file)) as guest,
    ):
        await owner.shows("Profanity")
        owner.type(f"/connect {users[0]}@localhost server {host} port {port} tls trust")
        await owner.shows("Enter password")
        owner.type(PASSWORD)
        await owner.shows("logged in successfully")
        owner.type(f"/join {room} nick firstwitch")
        await owner.shows("requires configuration")
        owner.type("/room accept")
        await owner.shows("unlocked")
        await guest.shows("Your status has been set")
        guest.type(f"/room join {room} thirdwitch")
        await owner.shows("thirdwitch")  # in the list of participants
        await guest.shows("You have joined")
        guest.type(f"/roster search {room}")
        guest.type("")  # opens the room
        await guest.shows("firstwitch")
        await talk(owner, guest)
        owner.type("/kick thirdwitch Avaunt, you cullion!")
        await guest.shows("Avaunt, you cullion!")
        await owner.shows("thirdwitch has been kicked")
        owner.type("/quit")
        guest.type("/quit")


async def talk(owner: Terminal, guest: Terminal) -> None:
    """Each says something, and sees what the other has said, with the nickname of who said it."""
    owner.type("When shall we <three> meet again?")
    shown = await guest.shows("When shall we <three> meet again?")
    [line] = [line for line in shown.splitlines() if "meet again" in line]
    assert "firstwitch" in line
    guest.type("In thunder, lightning, & in rain")
    shown = await owner.shows("In thunder, lightning, & in rain")
    [line] = [line for line in shown.splitlines() if "In thunder" in line]
    assert "thirdwitch" in line


class Visitor:
    """slixmpp's plugin for rooms, in one room."""

    def __init__(self, client: SlixClient, room: str) -> None:
        self.client = client
        self.room = slixmpp.JID(room)
        self.plugin = client.plugin["xep_0045"]
        client.add_event_handler(f"muc::{room}::got_online", self._on_online)

    async def enter(self, nick: str) -> set[str]:
        """Enter, and return who is there."""
        joined = self.plugin.join_muc_wait(self.room, nick, maxchars=0, timeout=TIMEOUT_S)
        _, _, occupants, _ = await joined
        return {one["from"].resource for one in occupants}

    def _on_online(self, presence: slixmpp.Presence) -> None:
        self.client.note(Heard(presence["from"].full, "in room"))

    async def sees(self, nick: str) -> None:
        await self.client.hears(lambda one: one == Heard(f"{self.room}/{nick}", "in room"))

    def speak(self, text: str) -> None:
        self.client.send_message(mto=self.room, mbody=text, mtype="groupchat")

    async def hears(self, nick: str, text: str, kind: str = "groupchat") -> Heard:
        wanted = Heard(f"{self.room}/{nick}", kind, text)
        return await self.client.hears(lambda one: one == wanted)


async def test_slixmpp_and_aioxmpp(slix: NewSlix, aio: NewAio, users: Users) -> None:
    """One founds the room, sets it up and moderates it; the other enters, talks, and is put out."""
    room = rooms_of(users)
    romeo, juliet = Visitor(await slix(users[0]), room), await aio(users[1])
    await romeo.enter("firstwitch")
    form = await romeo.plugin.get_room_config(romeo.room)
    form["type"] = "submit"
    form.set_values({"muc#roomconfig_roomname": "A Dark Cave", "muc#roomconfig_changesubject": True})
    await romeo.plugin.set_room_config(romeo.room, form)
    info = await romeo.client.plugin["xep_0030"].get_info(jid=romeo.room)
    assert ("conference", "text", None, "A Dark Cave") in info["disco_info"]["identities"]

    assert await juliet.do("enter", room=room, nick="thirdwitch") == ["firstwitch", "thirdwitch"]
    await romeo.sees("thirdwitch")
    romeo.speak("When shall we <three> meet again?")
    await juliet.event("in room", nick="firstwitch", text="When shall we <three> meet again?", kind="groupchat")
    await juliet.do("speak", room=room, text="In thunder & lightning")
    await romeo.hears("thirdwitch", "In thunder & lightning")
    romeo.plugin.set_subject(romeo.room, "Macbeth")
    await juliet.event("subject", nick="firstwitch", text="Macbeth")
    await juliet.do("rename", room=room, nick="oldhag")
    await romeo.sees("oldhag")
    await juliet.do("say", to=f"{room}/firstwitch", text="Fair is foul")
    await romeo.hears("oldhag", "Fair is foul", "chat")

    await romeo.plugin.set_role(romeo.room, "oldhag", "none", reason="Avaunt, you cullion!")
    await juliet.event("out", mode="KICKED", reason="Avaunt, you cullion!")
    since = len(juliet.events)
    await juliet.do("enter", room=room, nick="thirdwitch")
    await romeo.plugin.set_affiliation(romeo.room, "outcast", jid=f"{users[1]}@localhost", reason="Treason")
    await juliet.event("out", since=since, mode="BANNED", reason="Treason")
    with pytest.raises(AssertionError, match="forbidden"):
        await juliet.do("enter", room=room, nick="thirdwitch")
    assert await romeo.plugin.get_affiliation_list(romeo.room, "outcast") == [f"{users[1]}@localhost"]


async def test_aioxmpp_and_slixmpp(slix: NewSlix, aio: NewAio, users: Users) -> None:
    """The other way round, in a room that stays when it is empty."""
    room = rooms_of(users)
    romeo, juliet = Visitor(await slix(users[0]), room), await aio(users[1])
    await juliet.do("enter", room=room, nick="firstwitch")
    with pytest.raises(PresenceError) as refused:  # it is not set up yet
        await romeo.enter("thirdwitch")
    assert refused.value.condition == "item-not-found"
    await juliet.do("configure", room=room, name="A Lonely Heath")
    assert await romeo.enter("thirdwitch") == {"firstwitch", "thirdwitch"}
    await juliet.event("joined", nick="thirdwitch")
    romeo.speak("Thrice the brinded cat hath mew'd.")
    await juliet.event("in room", nick="thirdwitch", text="Thrice the brinded cat hath mew'd.", kind="groupchat")
    await juliet.do("speak", room=room, text="Thrice and once the hedge-pig whined.")
    await romeo.hears("firstwitch", "Thrice and once the hedge-pig whined.")
    with pytest.raises(IqError) as denied:
        await romeo.plugin.set_role(romeo.room, "firstwitch", "none")
    assert denied.value.condition == "forbidden"

    out: asyncio.Future[slixmpp.Presence] = asyncio.get_running_loop().create_future()
    romeo.client.add_event_handler(f"muc::{room}::self-presence", out.set_result, disposable=True)
    await juliet.do("put_out", room=room, nick="thirdwitch", reason="Begone")
    presence = await asyncio.wait_for(out, TIMEOUT_S)
    assert presence["type"] == "unavailable"
    assert {"110", "307"} <= {str(code) for code in presence["muc"]["status_codes"]}
    await juliet.event("left", nick="thirdwitch", mode="KICKED")
    await juliet.do("affiliate", room=room, jid=f"{users[0]}@localhost", affiliation="owner")
    await juliet.do("leave", room=room)
    assert await romeo.enter("thirdwitch") == {"thirdwitch"}  # it has stayed
    await romeo.plugin.destroy(romeo.room, reason="Macbeth doth come.")
