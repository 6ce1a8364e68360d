"""XEP-0059: Result Set Management."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import RSM

T = TypeVar("T")

#: Longer numbers are nonsense, and never handed to int().
_MAX_DIGITS = 12


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for; an empty `before` is the last page (§2.5), `max` None any size."""

    max: int | None = None
    after: str | None = None
    before: str | None = None
    index: int | None = None

    @classmethod
    def of(cls, parent: Element) -> PageRequest | None:
        """Read the `<set/>` child of `parent`, if there is one.

        Raises:
            StanzaError: bad-request; a number is none, or a page is asked for by index and by item at once.

        """
        element = parent.find("set", RSM)
        if element is None:
            return None
        page = cls(
            max=_number(element, "max"),
            # An empty <after/> is before the first item (§2.2), the same as none.
            after=_text(element, "after") or None,
            before=_text(element, "before"),
            index=_number(element, "index"),
        )
        if page.index is not None and (page.after is not None or page.before is not None):
            raise StanzaError(Condition.BAD_REQUEST, "Ask for a page by item or by index")
        return page

    def size(self, limit: int) -> int:
        """Return how many items the page may have: what was asked for, at most `limit`."""
        return limit if self.max is None else min(self.max, limit)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What `<set/>` says about a returned page; `first` and `last` are None for an empty one (§2.2)."""

    first: str | None = None
    last: str | None = None
    index: int | None = None
    count: int | None = None

    def to_element(self) -> Element:
        """Return `<set/>`."""
        element = Element("set", RSM)
        if self.first is not None and self.last is not None:
            first = element.add("first", text=self.first)
            if self.index is not None:
                first.attrs["index"] = str(self.index)
            element.add("last", text=self.last)
        if self.count is not None:
            element.add("count", text=str(self.count))
        return element


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items of a page, in order, and what to tell about it."""

    items: Sequence[T]
    info: PageInfo
    complete: bool


def paginate(items: Sequence[T], key: Callable[[T], str], request: PageRequest, limit: int) -> Page[T]:
    """Cut the page that `request` asks for out of the whole ordered result set, at most `limit` items.

    `complete` tells that nothing follows in the direction of paging. Takes time linear in the set: for sets
    that fit in memory (disco items, ad-hoc lists), not for archives.

    Raises:
        StanzaError: item-not-found; the item after or before which the page lies is unknown (§2.4).

    """
    keys = [key(item) for item in items]
    start = 0 if request.after is None else _position(keys, request.after) + 1
    end = _position(keys, request.before) if request.before else len(keys)
    if request.index is not None:
        start = request.index
    size = request.size(limit)
    if request.before is not None:
        low, high = max(start, end - size), end
        complete = low <= start
    else:
        low, high = start, min(start + size, end)
        complete = high >= end
    if low >= high:
        return Page((), PageInfo(count=len(keys)), complete)
    info = PageInfo(keys[low], keys[high - 1], low, len(keys))
    return Page(items[low:high], info, complete)


def _position(keys: list[str], wanted: str) -> int:
    try:
        return keys.index(wanted)
    except ValueError:
        raise StanzaError(Condition.ITEM_NOT_FOUND, "No such item in the result set") from None


def _text(element: Element, name: str) -> str | None:
    child = element.find(name, RSM)
    return None if child is None else child.text


def _number(element: Element, name: str) -> int | None:
    text = _text(element, name)
    if text is None:
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise StanzaError(Condition.BAD_REQUEST, f"Not a number: {name}")
    return int(digits)
