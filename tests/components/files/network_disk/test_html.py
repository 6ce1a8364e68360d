"""HTML is a tree: what is text stays text. Addresses of pages, words for sizes, fields of forms."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.network_disk import wording
from components.xmpp_files.network_disk.addresses import bare_jid
from components.xmpp_files.network_disk.errors import DiskError
from components.xmpp_files.network_disk.fields import number
from components.xmpp_files.network_disk.html import document, tag
from components.xmpp_files.network_disk.links import Links

TEXT = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=30)


class Tags(HTMLParser):
    """What a browser would see."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@given(text=TEXT, attribute=TEXT)
def test_no_text_becomes_markup(text, attribute):
    seen = Tags(document(tag("p", text, tag("a", "x", href=attribute), text)))
    assert seen.tags == [("p", {}), ("a", {"href": attribute})]
    assert seen.text == f"\n{text}x{text}"


def test_attributes_have_their_names():
    page = document(tag("input", type="text", required=True, disabled=False, data_most="1", class_="a", title=None))
    assert Tags(page).tags == [("input", {"type": "text", "required": "", "data-most": "1", "class": "a"})]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.test", "/disk/get/1/x%2Fy"),
        ("https://a.test:5443/", "/disk/get/1/x%2Fy"),
        ("https://a.test/files", "/files/disk/get/1/x%2Fy"),
    ],
)
def test_addresses_have_the_path_of_the_public_one(url, expected):
    assert Links.of(url).content(1, "x/y") == expected


def test_addresses_of_pages():
    links = Links.of("https://a.test/files")
    assert links.folder("a&b@c", 0) == "/files/disk/?store=a%26b%40c"
    assert links.folder("r", 7, "1\u00e4") == "/files/disk/?store=r&folder=7&after=1%C3%A4"
    assert links.share("token", "x y") == "/files/disk/s/token/x%20y"
    assert links.upload("id", "x y") == "/files/id/x%20y"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes_in_words(count, text):
    assert wording.size(count) == text


def test_moments_and_quotas_in_words():
    assert wording.moment(None) == "never"
    assert wording.moment(1_700_000_000) == "2023-11-14 22:13 UTC"
    assert wording.used(5, 0) == "5 bytes, without a limit"


@pytest.mark.parametrize("text", ["a@b@c", "@b", "a@", "\x00@b", "a" * 2000 + "@b"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(DiskError):
        bare_jid(text)


def test_addresses_are_compared_as_servers_do():
    assert bare_jid(" Romeo@Montague.TEST/x ") == bare_jid("xmpp:romeo@montague.test") == "romeo@montague.test"
    assert bare_jid("") == ""


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "\u0661", "9" * 20])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(DiskError):
        number(text)
    assert number("") == number(None) == 0
    assert number("12") == 12
