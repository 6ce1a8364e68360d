"""slixmpp and aioxmpp, which share no code, talk with one another through the real server."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from slixmpp import JID

from tests.interop.aio import AioPeer
from tests.interop.conftest import NewAio, NewSlix
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import logged_in

Users = tuple[str, str]


def address(user: str) -> str:
    return f"{user}@localhost"


async def befriend(romeo: SlixClient, juliet: AioPeer, users: Users) -> None:
    """Subscribe both ways, each by the user's own consent."""
    romeo.send_presence_subscription(address(users[1]))
    await juliet.event("subscribe", sender=address(users[0]))
    await juliet.do("approve", jid=address(users[0]))
    await romeo.hears_presence("subscribed", address(users[1]))
    await juliet.do("subscribe", jid=address(users[0]))
    await romeo.hears_presence("subscribe", address(users[0 + 1]))
    romeo.send_presence_subscription(address(users[1]), ptype="subscribed")
    await juliet.event("entry", jid=address(users[0]), subscription="both")


async def test_they_log_in_over_tls(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    assert romeo.boundjid.full == f"{users[0]}@localhost/slix"
    await juliet.event("online", jid=f"{users[1]}@localhost/aio")


async def test_they_add_each_other_and_see_presence(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    await befriend(romeo, juliet, users)
    await romeo.hears_presence("available", address(users[1]) + "/aio")
    await juliet.event("available", sender=address(users[0]) + "/slix")
    assert await juliet.do("entries") == {address(users[0]): "both"}
    assert romeo.client_roster[address(users[1])]["subscription"] == "both"
    await juliet.offline()
    await romeo.hears_presence("unavailable", address(users[1]) + "/aio")


async def test_they_chat_both_ways(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    texts = ["But soft!", "<&>'\" ]]> &amp;", "wherefore \u2665 \U0001f339 e\u0301\n\ttab", "x" * 20_000]
    for text in texts:
        romeo.say(address(users[1]), text)
        await juliet.do("say", to=address(users[0]), text=text)
        await juliet.event("message", sender=romeo.boundjid.full, kind="chat", text=text, delayed=False)
        heard = await romeo.hears_text(text)
        assert heard.sender == address(users[1]) + "/aio"
    assert romeo.texts() == texts
    assert juliet.texts() == texts


async def test_offline_messages_come_later_with_their_time(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    texts = [f"message {number}" for number in range(12)]
    for text in texts:
        romeo.say(address(users[1]), text)
    await romeo.settle()
    juliet = await aio(users[1])
    await juliet.event("message", text=texts[-1], delayed=True)
    assert juliet.texts() == texts
    await juliet.do("say", to=address(users[0]), text="answer")
    await romeo.hears_text("answer")
    await juliet.offline()
    again = await aio(users[1])
    await again.do("ping")
    assert again.texts() == []


async def test_offline_messages_for_slixmpp(slix: NewSlix, aio: NewAio, users: Users) -> None:
    juliet = await aio(users[1])
    for number in range(3):
        await juliet.do("say", to=address(users[0]), text=f"later {number}")
    romeo = await slix(users[0])
    heard = await romeo.hears_text("later 2")
    assert heard.delayed
    assert romeo.texts() == ["later 0", "later 1", "later 2"]


async def test_carbons_to_the_other_resource(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    phone = await slix(users[0], "phone")
    await phone.plugin["xep_0280"].enable()
    juliet = await aio(users[1])
    tablet = await aio(users[1], "tablet")
    await tablet.do("carbons")
    romeo.say(address(users[1]) + "/aio", "to one resource")
    await juliet.event("message", text="to one resource")
    await phone.hears_text("to one resource", "sent")
    await tablet.event("carbon", kind="received", sender=romeo.boundjid.full, text="to one resource")
    await juliet.do("say", to=romeo.boundjid.full, text="and back")
    await romeo.hears_text("and back")
    await phone.hears_text("and back", "received")
    await tablet.event("carbon", kind="sent", sender=address(users[1]) + "/aio", text="and back")
    assert romeo.texts() == ["and back"]
    assert phone.texts() == []


async def test_roster_versioning(slix: NewSlix, server: ServerProcess, users: Users) -> None:
    romeo = await slix(users[0])
    assert "rosterver" in romeo.features
    romeo.update_roster(JID(address(users[1])), name="Juliet", groups=["Capulets"])
    await romeo.settle()
    await romeo.get_roster()
    version = romeo.client_roster.version
    assert version
    query = f"<iq type='get' id='roster'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>"
    async with logged_in(server.c2s_tls, users[0]) as other:
        assert len(await other.iq(query)) == 0, "a known version is answered with nothing"
        romeo.update_roster(JID(address(users[1])), name="Love")
        await romeo.settle()
        answer = await other.iq(query)
        if len(answer) == 0:  # then what has changed comes as pushes (RFC 6121 §2.6.3)
            answer = await other.until(lambda element: element.get("type") == "set")
        assert "Love" in ET.tostring(answer, "unicode")


async def test_who_comes_back_learns_what_has_changed(slix: NewSlix, server: ServerProcess, users: Users) -> None:
    romeo, tablet = await slix(users[0]), await slix(users[0], "tablet")
    friends = [JID(f"friend-{number}@example.org") for number in range(8)]
    for friend in friends:
        romeo.update_roster(friend, name="Friend")
    await romeo.settle()
    await romeo.offline()
    tablet.update_roster(friends[0], name="Mercutio")
    tablet.del_roster_item(friends[1])
    await tablet.settle()
    async with logged_in(server.c2s_tls, users[0]) as other:
        version = romeo.client_roster.version
        answer = await other.iq(f"<iq type='get' id='roster'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>")
        assert len(answer) == 0, "nor does the library get the whole roster"
    await romeo.online(server.c2s)
    await romeo.settle()
    assert romeo.client_roster[friends[0]]["name"] == "Mercutio"
    assert [romeo.client_roster.has_jid(friend) for friend in friends[:3]] == [True, False, True]
    assert romeo.client_roster[friends[2]]["name"] == "Friend"
    assert romeo.client_roster.version == tablet.client_roster.version


async def test_blocking(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    await befriend(romeo, juliet, users)
    romeo.forget()
    await juliet.do("block", jid=address(users[0]))
    assert await juliet.do("blocklist") == [address(users[0])]
    await romeo.hears_presence("unavailable", address(users[1]) + "/aio")
    romeo.say(address(users[1]), "are you there?")
    await romeo.hears(lambda one: one.kind == "error")
    romeo.forget()
    await juliet.do("unblock", jid=address(users[0]))
    await romeo.hears_presence("available", address(users[1]) + "/aio")
    romeo.say(address(users[1]), "friends again")
    await juliet.event("message", text="friends again")
    assert juliet.texts() == ["friends again"]
    await romeo.plugin["xep_0191"].block(JID(address(users[1])))
    assert {str(jid) for jid in await romeo.plugin["xep_0191"].get_blocked_jids()} == {address(users[1])}


async def test_vcards(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    await juliet.do("set_vcard", name="Juliet Capulet")
    answer = await romeo.plugin["xep_0054"].get_vcard(JID(address(users[1])))
    assert answer["vcard_temp"]["FN"] == "Juliet Capulet"
    card = romeo.plugin["xep_0054"].make_vcard()
    card["FN"] = "Romeo & Montague"
    await romeo.plugin["xep_0054"].publish_vcard(card)
    assert await juliet.do("vcard", jid=address(users[0])) == "Romeo & Montague"


async def test_private_xml(server: ServerProcess, aio: NewAio, users: Users) -> None:
    juliet = await aio(users[1])
    await juliet.do("private", text="a <secret>")
    assert await juliet.do("private_text") == "a <secret>"
    query = "<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'/></query>"
    async with logged_in(server.c2s_tls, users[1]) as same:
        answer = await same.iq(f"<iq type='get' id='note'>{query}</iq>")
    assert answer.findtext(".//{urn:example:note}note") == "a <secret>"


async def test_disco(slix: NewSlix, aio: NewAio, users: Users) -> None:
    romeo = await slix(users[0])
    juliet = await aio(users[1])
    seen = await juliet.do("features", jid="localhost")
    assert isinstance(seen, list)
    info = await romeo.plugin["xep_0030"].get_info(jid=JID("localhost"))
    assert sorted(info["disco_info"]["features"]) == seen
    assert {"http://jabber.org/protocol/disco#info", "urn:xmpp:carbons:2", "urn:xmpp:blocking", "urn:xmpp:ping"} <= set(
        seen
    )
    assert ("server", "im") in {identity[:2] for identity in info["disco_info"]["identities"]}
    own = await romeo.plugin["xep_0030"].get_info(jid=JID(address(users[0])))
    assert ("account", "registered") in {identity[:2] for identity in own["disco_info"]["identities"]}
    await juliet.do("features", jid=romeo.boundjid.full)
