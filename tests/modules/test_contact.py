"""XEP-0157: the XEP's example."""

from __future__ import annotations

from tests.transcript import play
from tests.world import World
from xmpp_server.modules.contact import Contact, ContactConfig
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.xml.namespaces import DATA_FORMS


def test_the_server_tells_whom_to_write_to() -> None:
    config = ContactConfig(
        abuse=("mailto:abuse@shakespeare.lit", "xmpp:abuse@shakespeare.lit"),
        status=("https://status.shakespeare.lit",),
    )
    world = World("shakespeare.lit", modules=(ServiceDiscovery, lambda: Contact(config)))
    play(
        world,
        """
        juliet@shakespeare.lit/chamber connects
        juliet@shakespeare.lit/chamber > <iq type='get' id='disco1' to='shakespeare.lit'>
                <query xmlns='http://jabber.org/protocol/disco#info'/></iq>
        juliet@shakespeare.lit/chamber < <iq from='shakespeare.lit' to='juliet@shakespeare.lit/chamber' id='disco1'
                type='result'><query xmlns='http://jabber.org/protocol/disco#info'>
                <identity category='server' type='im' name='xmpp-server'/>
                <feature var='http://jabber.org/protocol/caps'/>
                <feature var='http://jabber.org/protocol/disco#info'/>
                <feature var='http://jabber.org/protocol/disco#items'/>
                <x xmlns='jabber:x:data' type='result'>
                <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>
                <field var='abuse-addresses' type='list-multi'><value>mailto:abuse@shakespeare.lit</value>
                <value>xmpp:abuse@shakespeare.lit</value></field>
                <field var='status-addresses' type='list-multi'><value>https://status.shakespeare.lit</value></field>
                </x></query></iq>
        """,
    )


def test_without_addresses_there_is_no_form() -> None:
    world = World("shakespeare.lit", modules=(ServiceDiscovery, Contact))
    juliet = world.login("juliet@shakespeare.lit/chamber")
    info = juliet.asks("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to="shakespeare.lit").first
    assert info is not None
    assert info.find("x", DATA_FORMS) is None
