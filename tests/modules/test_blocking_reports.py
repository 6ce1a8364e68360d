"""XEP-0377: Spam Reporting: reports that come with a block."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.modules.test_blocking import JULIET, item
from tests.world import World
from xmpp_server.jid import JID
from xmpp_server.modules.blocking import Blocking
from xmpp_server.xml.namespaces import BLOCKING


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, Blocking))


def test_a_report_is_kept_with_the_block(world: World) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    # XEP-0377, example 6
    report = (
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'><stanza-id xmlns='urn:xmpp:sid:0' "
        "by='romeo@example.net' id='28482-98726-73623'/><text xml:lang='en'>Never came trouble</text></report>"
    )
    payload = f"<block xmlns='{BLOCKING}'><item jid='romeo@example.net'>{report}</item></block>"
    assert juliet.asks("set", payload).get("type") == "result"
    kept = world.run(world.storage.documents.get(JID.parse(JULIET), "reports", "romeo@example.net"))
    assert kept is not None
    assert b"28482-98726-73623" in kept
    assert b"2024-02-29T12:00:00Z" in kept


def test_reports_are_kept_up_to_a_number(world: World) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    report = "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'/>"
    for number in range(60):
        spammer = f"spammer{number}@example.net"
        juliet.asks("set", f"<block xmlns='{BLOCKING}'><item jid='{spammer}'>{report}</item></block>")
        juliet.asks("set", item(spammer, "unblock"))
    kept = world.run(world.storage.documents.all(JID.parse(JULIET), "reports"))
    assert len(kept) == world.module(Blocking).config.reports


@pytest.mark.parametrize(
    "report",
    [
        "<report xmlns='urn:xmpp:reporting:1'/>",
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:abuse'><text>"
        + "x" * 20_000
        + "</text></report>",
        "<report xmlns='urn:xmpp:reporting:0' reason='urn:xmpp:reporting:abuse'/>",
    ],
    ids=["no reason", "too long", "another namespace"],
)
def test_a_report_that_is_none_blocks_all_the_same(world: World, report: str) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    payload = f"<block xmlns='{BLOCKING}'><item jid='romeo@example.net'>{report}</item></block>"
    assert juliet.asks("set", payload).get("type") == "result"
    assert world.run(world.storage.documents.all(JID.parse(JULIET), "reports")) == {}
    assert juliet.account is not None
    assert world.module(Blocking).is_blocked(juliet.account, JID.parse("romeo@example.net"))
