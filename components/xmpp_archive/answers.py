"""Answers to clients, as XML text: results, the end of a page, metadata (XEP-0313 §4, §5)."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from components.xmpp_archive.batch import stamp
from components.xmpp_archive.namespaces import MAM, RSM
from components.xmpp_archive.query import Query
from components.xmpp_archive.store import Page, Row

#: Elements in one answer, roughly: the server's scanner has a limit.
_MOST_TAGS = 8_000


def page(found: Page, query: Query, most_bytes: int) -> str:
    """Return `<result/>` elements and `<fin/>`; of a page that is too large only its beginning."""
    rows, complete = _fitting(found, most_bytes)
    ordered = list(reversed(rows)) if query.backwards else rows
    shown = list(reversed(ordered)) if query.flipped else ordered
    results = "".join(result(row, query.queryid) for row in shown)
    return results + _fin(ordered, found.count, complete)


def metadata(bounds: tuple[Row, Row] | None) -> str:
    """Return `<metadata/>` (§5)."""
    if bounds is None:
        return f"<metadata xmlns='{MAM}'/>"
    inner = "".join(
        f"<{name} id={quoteattr(row.id)} timestamp='{stamp(row.stamp_ms)}'/>"
        for name, row in zip(("start", "end"), bounds, strict=True)
    )
    return f"<metadata xmlns='{MAM}'>{inner}</metadata>"


def _fitting(found: Page, most_bytes: int) -> tuple[list[Row], bool]:
    size = tags = 0
    for number, row in enumerate(found.rows):
        size += len(row.stanza.encode()) + 300
        tags += row.stanza.count("<")
        if number and (size > most_bytes or tags > _MOST_TAGS):
            return found.rows[:number], False
    return found.rows, found.complete


def result(row: Row, queryid: str | None) -> str:
    """Return `<result/>` with one entry."""
    query = "" if queryid is None else f" queryid={quoteattr(queryid)}"
    return (
        f"<result xmlns='{MAM}'{query} id={quoteattr(row.id)}><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{stamp(row.stamp_ms)}'/>{row.stanza}</forwarded></result>"
    )


def _fin(rows: list[Row], count: int | None, complete: bool) -> str:
    inner = ""
    if rows:
        inner = f"<first>{escape(rows[0].id)}</first><last>{escape(rows[-1].id)}</last>"
    if count is not None:
        inner += f"<count>{count}</count>"
    done = " complete='true'" if complete else ""
    return f"<fin xmlns='{MAM}'{done}><set xmlns='{RSM}'>{inner}</set></fin>"
