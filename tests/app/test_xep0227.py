from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmpp_server.app import xep0227
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys, verify_password
from xmpp_server.storage.api import AccountRecord, OfflineMessage, RosterItem
from xmpp_server.storage.memory import MemoryStorage
from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse

JULIET = JID.parse("juliet@capulet.lit")
ROMEO = JID.parse("romeo@montague.lit")
STAMP = datetime(2026, 7, 10, 23, 8, 25, 123456, tzinfo=UTC)
KEYS = {"SHA-1": ScramKeys(b"salt", 10_000, b"stored", b"server"), "SHA-256": ScramKeys(b"s2", 20_000, b"x", b"y")}
EXODUS = (
    b"<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'>x</exodus><exodus xmlns='exodus:prefs'/></query>"
)
REQUEST = b"<presence from='mercutio@montague.lit' type='subscribe'><nick xmlns='urn:n'>M</nick></presence>"


async def store_of_juliet() -> MemoryStorage:
    store = MemoryStorage()
    await store.accounts.create(AccountRecord(JULIET, False, STAMP, KEYS))
    for item in (
        RosterItem(ROMEO, "Romeo & co", "both", groups=("Friends", "<Lovers>")),
        RosterItem(JID.parse("nurse@capulet.lit"), ask=True, approved=True),
        RosterItem(JID.parse("mercutio@montague.lit"), pending_in=REQUEST),
        RosterItem(JID.parse("paris@capulet.lit"), name="P", subscription="to", pending_in=REQUEST),
    ):
        await store.rosters.put(JULIET, item)
    await store.documents.put(JULIET, "private", "exodus:prefs exodus", EXODUS)
    await store.documents.put(JULIET, "vcard", "", b"<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>")
    await store.documents.put(JULIET, "other", "a'b", bytes(range(256)))
    for n in range(250):
        raw = f"<message from='{ROMEO}/orchard' to='{JULIET}' id='{n}' xml:lang='it'><body>\u00e8 {n}</body></message>"
        await store.offline.append(JULIET, OfflineMessage(f"{n:08}", STAMP, raw.encode()))
    await store.accounts.create(AccountRecord(ROMEO, True, STAMP, KEYS))
    return store


async def exported(store: MemoryStorage, path: Path) -> int:
    with xep0227.new_file(path) as file:
        return await xep0227.export(store, file.write, lambda _: None)


async def imported(path: Path, *domains: str) -> tuple[MemoryStorage, xep0227.Report]:
    store = MemoryStorage()
    importer = xep0227.Importer(store, domains or ("capulet.lit", "montague.lit"), 10_000)
    return store, await importer.run(path, lambda _: None)


def parsed(documents: dict[str, bytes]) -> dict[str, Element]:
    return {key: parse(data) for key, data in documents.items()}


async def test_everything_comes_back(tmp_path):
    old = await store_of_juliet()
    assert await exported(old, tmp_path / "all.xml") == 2
    new, report = await imported(tmp_path / "all.xml")
    assert (report.imported, report.skipped, report.ignored) == (2, [], [])
    assert await new.accounts.get(JULIET) == await old.accounts.get(JULIET)
    assert await new.accounts.get(ROMEO) == await old.accounts.get(ROMEO)
    before, after = (await old.rosters.load(JULIET)).items, (await new.rosters.load(JULIET)).items
    assert [(i.jid, i.name, i.subscription, i.ask, i.approved, i.groups) for i in before] == [
        (i.jid, i.name, i.subscription, i.ask, i.approved, i.groups) for i in after
    ]
    assert parse(after[0].pending_in or b"") == parse(REQUEST)
    for kind in ("private", "vcard"):
        documents = [await store.documents.all(JULIET, kind) for store in (old, new)]
        assert parsed(documents[0]) == parsed(documents[1])
    assert await new.documents.get(JULIET, "other", "a'b") == bytes(range(256))
    messages = await new.offline.load(JULIET)
    assert len(messages) == 250
    assert [parse(message.stanza).get("id") for message in messages] == [str(n) for n in range(250)]
    assert {message.stamp for message in messages} == {STAMP}
    assert parse(messages[3].stanza) == parse((await old.offline.load(JULIET))[3].stanza)


async def test_damaged_rows_are_left_out(tmp_path):
    store = await store_of_juliet()
    await store.documents.put(JULIET, "vcard", "", b"<vCard")
    await store.documents.put(JULIET, "private", "a b", b"")
    await store.offline.append(JULIET, OfflineMessage("0", STAMP, b"<message>"))
    await store.rosters.put(JULIET, RosterItem(JID.parse("paris@capulet.lit"), pending_in=b"<"))
    assert await exported(store, tmp_path / "all.xml") == 2
    new, report = await imported(tmp_path / "all.xml")
    assert (report.imported, report.ignored) == (2, [])
    assert await new.offline.count(JULIET) == 250
    assert len((await new.rosters.load(JULIET)).items) == 4


async def test_what_cannot_be_used_of_a_roster_and_of_messages_is_told(tmp_path):
    (tmp_path / "in.xml").write_text(
        user(
            "<query xmlns='jabber:iq:roster'><item jid='@@'/><item subscription='both'/><item jid='a@b.lit'/></query>"
            "<offline-messages><message xmlns='jabber:client'><body>!</body></message></offline-messages>"
        )
    )
    store, report = await imported(tmp_path / "in.xml")
    assert len(report.ignored) == 3
    assert [item.jid for item in (await store.rosters.load(JULIET)).items] == ["a@b.lit"]
    assert await store.offline.count(JULIET) == 0


async def test_the_file_is_private(tmp_path):
    await exported(await store_of_juliet(), tmp_path / "all.xml")
    assert stat.S_IMODE((tmp_path / "all.xml").stat().st_mode) == 0o600


async def test_a_file_is_never_replaced_and_never_half(tmp_path):
    path = tmp_path / "all.xml"

    def fail() -> None:
        with xep0227.new_file(path) as file:
            file.write(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        await exported(MemoryStorage(), path)
    assert path.read_text() == "mine"


async def test_who_waits_for_an_account_hears_of_it_once_all_is_there(tmp_path):
    await exported(await store_of_juliet(), tmp_path / "all.xml")
    store, heard = MemoryStorage(), []
    importer = xep0227.Importer(store, ("capulet.lit",), on_imported=heard.append)
    await importer.run(tmp_path / "all.xml", lambda _: None)
    assert heard == [JULIET]


async def test_accounts_that_exist_are_skipped(tmp_path):
    await exported(await store_of_juliet(), tmp_path / "all.xml")
    store = MemoryStorage()
    await store.accounts.create(AccountRecord(JULIET, True, STAMP, {}))
    report = await xep0227.Importer(store, ("capulet.lit", "montague.lit"), 10_000).run(
        tmp_path / "all.xml", lambda _: None
    )
    assert report.skipped == [str(JULIET)]
    assert report.imported == 1
    assert (await store.rosters.load(JULIET)).items == []


def user(inner: str, attrs: str = "name='juliet'") -> str:
    return (
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='capulet.lit'><user {attrs}>{inner}</user></host></server-data>"
    )


async def test_a_plain_password_becomes_keys(tmp_path):
    (tmp_path / "x.xml").write_text(user("", "name='Juliet' password='wherefore'"))
    store, _ = await imported(tmp_path / "x.xml")
    record = await store.accounts.get(JULIET)
    assert record is not None
    assert verify_password(record.credentials["SHA-256"], "SHA-256", "wherefore")


@pytest.mark.parametrize(
    ("inner", "ignored"),
    [
        ("<x xmlns='urn:foreign'><y/></x>", "urn:foreign x"),
        ("<archive xmlns='urn:xmpp:pie:0#mam'/>", "urn:xmpp:pie:0#mam archive"),
        ("<query xmlns='jabber:iq:roster'><item jid='@'/></query>", "contact @ of juliet@capulet.lit: "),
        ("<query xmlns='jabber:iq:roster'><item jid='a@b' subscription='remove'/></query>", "subscription remove"),
        ("<presence xmlns='jabber:client' from='a@b'/>", "not a subscription request"),
        ("<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-MD5'/>", "unknown mechanism SCRAM-MD5"),
        ("<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'/>", "iter-count is missing"),
        ("<scram-credentials xmlns='urn:xmpp:pie:0#scram'/>", "'mechanism'"),
    ],
)
async def test_what_is_not_understood_is_told(tmp_path, inner, ignored):
    (tmp_path / "x.xml").write_text(user(inner))
    _, report = await imported(tmp_path / "x.xml")
    assert report.imported == 1
    assert ignored in " ".join(report.ignored)


async def test_a_delay_that_is_not_ours_stays_in_the_message(tmp_path):
    delays = "".join(
        f"<delay xmlns='urn:xmpp:delay' from='{by}' stamp='{stamp}'/>"
        for by, stamp in (("montague.lit", "2001-01-01T00:00:00Z"), ("capulet.lit", "2002-02-02T00:00:00Z"))
    )
    message = f"<message xmlns='jabber:client' from='romeo@montague.lit'><body>x</body>{delays}</message>"
    (tmp_path / "x.xml").write_text(user(f"<offline-messages>{message}</offline-messages>"))
    store, _ = await imported(tmp_path / "x.xml")
    (kept,) = await store.offline.load(JULIET)
    assert kept.stamp == datetime(2002, 2, 2, tzinfo=UTC)
    assert kept.stanza.count(b"<delay") == 1
    assert b"montague.lit'" in kept.stanza


async def test_other_hosts_are_told_and_left_out(tmp_path):
    await exported(await store_of_juliet(), tmp_path / "all.xml")
    store, report = await imported(tmp_path / "all.xml", "capulet.lit")
    assert report.imported == 1
    assert report.ignored == ["host montague.lit: not served here"]
    assert await store.accounts.hosts() == ["capulet.lit"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<server-data xmlns='urn:xmpp:pie:0'>",
        "<server-data/>",
        "<host xmlns='urn:xmpp:pie:0' jid='a'/>",
        "<server-data xmlns='urn:xmpp:pie:0'><user name='x'/></server-data>",
        "<!DOCTYPE x [<!ENTITY e 'x'>]><server-data xmlns='urn:xmpp:pie:0'/>",
        user("<a xmlns='b'>" * 300 + "</a>" * 300),
    ],
)
async def test_malformed_files_are_refused(tmp_path, text):
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(xep0227.FormatError, match=r"line|x\.xml"):
        await imported(tmp_path / "x.xml")


async def test_accounts_before_the_damage_are_imported(tmp_path):
    await exported(await store_of_juliet(), tmp_path / "all.xml")
    data = (tmp_path / "all.xml").read_bytes()
    (tmp_path / "all.xml").write_bytes(data[: data.rindex(b"</user>")])
    store = MemoryStorage()
    with pytest.raises(xep0227.FormatError):
        await xep0227.Importer(store, ("capulet.lit", "montague.lit"), 10_000).run(tmp_path / "all.xml", lambda _: None)
    assert await store.accounts.get(JULIET) is not None
    assert await store.accounts.get(ROMEO) is None


# XEP-0227 §5: the layout with one file for each host and user.
MAIN = "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>{}</server-data>"
INCLUDE = "<xi:include href='{}'/>"


async def test_files_in_parts(tmp_path):
    (tmp_path / "main.xml").write_text(MAIN.format(INCLUDE.format("capulet.lit.xml")))
    (tmp_path / "capulet.lit.xml").write_text(
        "<host xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude' jid='capulet.lit'>"
        "<xi:include href='capulet.lit/juliet.xml'/></host>"
    )
    (tmp_path / "capulet.lit").mkdir()
    (tmp_path / "capulet.lit" / "juliet.xml").write_text(
        "<user xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude' name='juliet'>"
        "<xi:include href='juliet-roster.xml'/></user>"
    )
    (tmp_path / "capulet.lit" / "juliet-roster.xml").write_text(
        "<query xmlns='jabber:iq:roster'><item jid='romeo@montague.lit' subscription='both'/></query>"
    )
    store, report = await imported(tmp_path / "main.xml")
    assert report.ignored == []
    assert (await store.rosters.load(JULIET)).items == [RosterItem(ROMEO, subscription="both")]


@pytest.mark.parametrize(
    "href", ["../secret.xml", "/etc/passwd", "http://example.org/x.xml", "main.xml", "%2e%2e/x.xml"]
)
async def test_inclusion_stays_in_the_folder(tmp_path, href):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.xml").write_text("<host xmlns='urn:xmpp:pie:0' jid='capulet.lit'/>")
    (folder / "main.xml").write_text(MAIN.format(INCLUDE.format(href)))
    with pytest.raises(xep0227.FormatError):
        await imported(folder / "main.xml")


async def test_other_kinds_of_inclusion_are_told(tmp_path):
    (tmp_path / "main.xml").write_text(MAIN.format("<xi:include href='x' parse='text'/>"))
    _, report = await imported(tmp_path / "main.xml")
    assert len(report.ignored) == 1


text_of_xml = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))


@given(name=text_of_xml, groups=st.lists(text_of_xml.filter(bool), unique=True), data=st.binary())
@settings(max_examples=50, deadline=None)
async def test_any_text_comes_back(tmp_path_factory, name, groups, data):
    path = tmp_path_factory.mktemp("x") / "x.xml"
    old = MemoryStorage()
    await old.accounts.create(AccountRecord(JULIET, True, STAMP, {}))
    item = RosterItem(ROMEO, name, "to", groups=tuple(groups))
    await old.rosters.put(JULIET, item)
    await old.documents.put(JULIET, "k", "key", data)
    await exported(old, path)
    new, _ = await imported(path)
    assert (await new.rosters.load(JULIET)).items == [item]
    assert await new.documents.get(JULIET, "k", "key") == data
