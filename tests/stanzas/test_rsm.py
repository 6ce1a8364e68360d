"""XEP-0059: result set management."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas.rsm import PageInfo, PageRequest, paginate
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import RSM

ITEMS = tuple("abcdefghij")


def asked(**fields: str) -> PageRequest | None:
    query = Element("query", "urn:q")
    children = query.add("set", RSM)
    for name, text in fields.items():
        children.add(name, text=text)
    return PageRequest.of(query)


def page(limit: int = 100, **request: object) -> str:
    fields = PageRequest(**request)  # type: ignore[arg-type]
    return "".join(paginate(ITEMS, str, fields, limit).items)


def test_of() -> None:
    assert PageRequest.of(Element("query", "urn:q")) is None
    assert asked() == PageRequest()
    assert asked(max=" 10 ", after="x") == PageRequest(max=10, after="x")
    assert asked(max="0") == PageRequest(max=0)
    assert asked(before="") == PageRequest(before="")
    assert asked(after="") == PageRequest()
    assert asked(max="10", index="371") == PageRequest(max=10, index=371)


@pytest.mark.parametrize(
    "fields",
    [
        {"max": ""},
        {"max": "-1"},
        {"max": "banana"},
        {"max": "1.5"},
        {"max": "\u0663"},
        {"max": "1" * 5000},
        {"index": "-1"},
        {"index": "0", "before": ""},
        {"index": "0", "after": "x"},
    ],
)
def test_of_refuses(fields: dict[str, str]) -> None:
    with pytest.raises(StanzaError) as caught:
        asked(**fields)
    assert caught.value.condition is Condition.BAD_REQUEST


def test_pages() -> None:
    assert page() == "abcdefghij"
    assert page(max=3) == "abc"
    assert page(max=3, after="c") == "def"
    assert page(max=3, before="e") == "bcd"
    assert page(max=3, before="") == "hij"
    assert page(max=3, index=8) == "ij"
    assert page(max=3, after="b", before="e") == "cd"
    assert page(max=1, after="b", before="e") == "d"
    assert page(max=3, after="e", before="b") == ""
    assert page(max=3, after="j") == ""
    assert page(max=3, before="a") == ""
    assert page(max=3, index=10**11) == ""
    assert page(max=10**11, limit=4) == "abcd"
    assert page(limit=4) == "abcd"


def test_the_count_alone() -> None:
    counted = paginate(ITEMS, str, PageRequest(max=0), 100)
    assert counted.info == PageInfo(count=10)
    assert not counted.complete


@pytest.mark.parametrize("request_", [PageRequest(after="z"), PageRequest(before="z")])
def test_an_unknown_item_is_not_found(request_: PageRequest) -> None:
    with pytest.raises(StanzaError) as caught:
        paginate(ITEMS, str, request_, 100)
    assert caught.value.condition is Condition.ITEM_NOT_FOUND


def test_complete() -> None:
    assert paginate(ITEMS, str, PageRequest(), 10).complete
    assert not paginate(ITEMS, str, PageRequest(), 9).complete
    assert paginate(ITEMS, str, PageRequest(before="d"), 3).complete
    assert not paginate(ITEMS, str, PageRequest(before="d"), 2).complete
    assert paginate((), str, PageRequest(before=""), 2).complete


def test_info_element() -> None:
    query = Element("set", RSM)
    query.add("first", text="a", index="0")
    query.add("last", text="b")
    query.add("count", text="10")
    assert PageInfo("a", "b", 0, 10).to_element() == query
    assert PageInfo(count=0).to_element() == Element("set", RSM).append(Element("count", RSM, text="0"))
    bare = PageInfo("a", "a").to_element()
    assert [child.attrs for child in bare.elements()] == [{}, {}]


@given(st.integers(1, 25), st.integers(1, 7), st.booleans())
def test_paging_through_sees_each_item_once_in_order(count: int, size: int, backwards: bool) -> None:
    items = tuple(f"i{number}" for number in range(count))
    seen: tuple[str, ...] = ()
    request = PageRequest(before="") if backwards else PageRequest()
    while True:
        got = paginate(items, str, request, size)
        part = tuple(got.items)
        seen = part + seen if backwards else seen + part
        if got.complete:
            break
        if backwards:
            request = PageRequest(before=got.info.first)
        else:
            request = PageRequest(after=got.info.last)
    assert seen == items
