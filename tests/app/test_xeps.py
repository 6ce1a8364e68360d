"""The list of specifications is the one that the code makes, and says nothing that is not there."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

import xmpp_server
from xmpp_server.app import xeps
from xmpp_server.core.module import Module, Xep

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(xmpp_server.__file__).parent
XMPP = "{https://linkmauve.fr/ns/xmpp-doap#}"
RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"


@pytest.mark.parametrize(("name", "make"), [(xeps.MARKDOWN_FILE, xeps.markdown), (xeps.DOAP_FILE, xeps.doap)])
def test_the_committed_file_is_the_one_that_is_made(name: str, make: object) -> None:
    assert callable(make)
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == make(), "run: python -m xmpp_server.app.xeps"


def test_every_place_exists() -> None:
    places = [one.place for one in xeps.implemented()] + [place for rfc in xeps.RFCS for place in rfc.places]
    assert [place for place in places if not (PACKAGE / place).is_file()] == []


def test_nothing_is_claimed_twice() -> None:
    numbers = [one.xep.number for one in xeps.implemented()] + [xep.number for xep in xeps.REFUSED]
    assert len(numbers) == len(set(numbers))


class StrangeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of all kinds."""

    limit: int = 3
    names: list[str] = []
    open: bool = False
    secret: str | None = None


class Strange(Module):
    """A module of a XEP without a title, off by default."""

    name = "strange"
    xeps = (Xep(9999, "0.0.1", "all but <this/>"),)
    enabled_by_default = False
    Config = StrangeConfig


def test_a_new_module_is_listed_without_any_other_change() -> None:
    lines = xeps.markdown((Strange,)).splitlines()
    [row] = [line for line in lines if "9999" in line]
    assert "| 0.0.1 | `strange`, off by default |" in row
    [keys] = [line for line in lines if line.startswith("| `strange`")]
    assert "| no | `limit = 3`, `names = []`, `open = false`, `secret = …` |" in keys


def test_doap_is_xml_with_a_status_and_a_note_for_what_is_partial() -> None:
    root = ElementTree.fromstring(xeps.doap((Strange,)))
    supported = {
        one.find(f"{XMPP}xep").get(RESOURCE): one  # type: ignore[union-attr]
        for one in root.iter(f"{XMPP}SupportedXep")
    }
    strange = supported["https://xmpp.org/extensions/xep-9999.html"]
    assert strange.findtext(f"{XMPP}status") == "partial"
    assert strange.findtext(f"{XMPP}note") == "all but <this/>"
    assert supported["https://xmpp.org/extensions/xep-0478.html"].findtext(f"{XMPP}status") == "complete"
    assert supported["https://xmpp.org/extensions/xep-0138.html"].findtext(f"{XMPP}status") == "wontfix"


def test_main_writes_both_files(tmp_path: Path) -> None:
    xeps.main([str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [xeps.MARKDOWN_FILE, xeps.DOAP_FILE]
