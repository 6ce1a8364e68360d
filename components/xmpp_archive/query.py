"""XEP-0313 §4: what a client asks of an archive: the form, the page, the order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from components.xmpp_archive.namespaces import DATA_FORMS, MAM, RSM
from components.xmpp_archive.preferences import prepared
from components.xmpp_component.errors import RequestError

#: XEP-0082; the offset may be Z or +hh:mm.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Ids in one form; a page holds no more anyway.
MOST_IDS = 100
#: XEP-0431 §3.
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"
_FIELDS = ("FORM_TYPE", "with", "start", "end", "before-id", "after-id", "ids", "include-groupchat", FULLTEXT)


@dataclass(frozen=True, slots=True)
class Query:
    """One query. Times are milliseconds since 1970, both ends included; ids bound the range, excluded."""

    queryid: str | None = None
    contact: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    before_id: str | None = None
    after_id: str | None = None
    ids: tuple[str, ...] = ()
    groupchat: bool = True
    flipped: bool = False
    #: Words to be found (XEP-0431).
    text: str | None = None
    #: Of the page (XEP-0059): what stands behind and before it; "" for `before` is the last page.
    after: str | None = None
    before: str | None = None
    most: int = 50

    @property
    def backwards(self) -> bool:
        """Whether the page is the end of the range, not its beginning."""
        return self.before is not None

    @property
    def named_ids(self) -> tuple[str, ...]:
        """The ids that must be in the archive (§4.1.3, §4.2)."""
        given = (self.before_id, self.after_id, self.after, self.before)
        return (*self.ids, *(one for one in given if one))

    @classmethod
    def parse(cls, query: ET.Element, default: int, limit: int) -> Query:
        """Read `<query/>`; pages hold `default` messages, and at most `limit`.

        Raises:
            RequestError: Something is malformed (bad-request, jid-malformed) or not to be had
                (feature-not-implemented).

        """
        fields = _fields(query)
        contact = _one(fields, "with")
        after, before, most = _page(query, default)
        return cls(
            queryid=query.get("queryid"),
            contact=prepared(contact) if contact else None,
            start_ms=_milliseconds(_one(fields, "start"), up=True),
            end_ms=_milliseconds(_one(fields, "end"), up=False),
            before_id=_one(fields, "before-id"),
            after_id=_one(fields, "after-id"),
            ids=_ids(fields),
            groupchat=_one(fields, "include-groupchat") not in ("false", "0"),
            text=_one(fields, FULLTEXT),
            flipped=query.find(f"{{{MAM}}}flip-page") is not None,
            after=after,
            before=before,
            most=min(most, limit),
        )


def form(*, search: bool) -> ET.Element:
    """Return the form of the fields that are understood (§4.1.1); the archive can be searched or not."""
    query = ET.Element(f"{{{MAM}}}query")
    x = ET.SubElement(query, f"{{{DATA_FORMS}}}x", {"type": "form"})
    kinds = {
        "FORM_TYPE": "hidden",
        "with": "jid-single",
        "ids": "list-multi",
        "include-groupchat": "boolean",
    }
    for name in _FIELDS if search else _FIELDS[:-1]:
        field = ET.SubElement(x, f"{{{DATA_FORMS}}}field", {"type": kinds.get(name, "text-single"), "var": name})
        if name == "FORM_TYPE":
            ET.SubElement(field, f"{{{DATA_FORMS}}}value").text = MAM
        if name == "ids":
            validate = ET.SubElement(
                field, "{http://jabber.org/protocol/xdata-validate}validate", {"datatype": "xs:string"}
            )
            ET.SubElement(validate, "{http://jabber.org/protocol/xdata-validate}open")
    return query


def _fields(query: ET.Element) -> dict[str, list[str]]:
    x = query.find(f"{{{DATA_FORMS}}}x")
    if x is None:
        return {}
    fields = {
        field.get("var") or "": [value.text or "" for value in field.findall(f"{{{DATA_FORMS}}}value")]
        for field in x.findall(f"{{{DATA_FORMS}}}field")
    }
    if fields.get("FORM_TYPE", [MAM]) != [MAM]:
        raise RequestError("bad-request", "modify", "The form is of another type")
    unknown = next((name for name in fields if name not in _FIELDS), None)
    if unknown is not None:  # §4.1.1
        raise RequestError("feature-not-implemented", "cancel", f"The field {unknown[:100]!r} is not known")
    return fields


def _one(fields: dict[str, list[str]], name: str) -> str | None:
    values = fields.get(name, [])
    if len(values) > 1:
        raise RequestError("bad-request", "modify", f"{name} has one value")
    return values[0] or None if values else None


def _ids(fields: dict[str, list[str]]) -> tuple[str, ...]:
    if "ids" not in fields:
        return ()
    ids = tuple(dict.fromkeys(one for one in fields["ids"] if one))
    if not ids or len(ids) > MOST_IDS:
        raise RequestError("bad-request", "modify", f"ids holds 1 to {MOST_IDS} ids")
    return ids


def _page(query: ET.Element, default: int) -> tuple[str | None, str | None, int]:
    rsm = query.find(f"{{{RSM}}}set")
    if rsm is None:
        return None, None, default
    if rsm.find(f"{{{RSM}}}index") is not None:  # XEP-0059 §2.3
        raise RequestError("feature-not-implemented", "cancel", "Pages cannot be asked for by their number")
    after, before, most = (rsm.find(f"{{{RSM}}}{name}") for name in ("after", "before", "max"))
    number = default
    if most is not None:
        text = (most.text or "").strip()
        if not text.isascii() or not text.isdigit():
            raise RequestError("bad-request", "modify", "max is a number")
        number = int(text[:10])
    return (
        (after.text or None) if after is not None else None,
        (before.text or "") if before is not None else None,
        number,
    )


def _milliseconds(text: str | None, *, up: bool) -> int | None:
    if text is None:
        return None
    match = _STAMP.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        whole = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise RequestError("bad-request", "modify", "start and end are times of XEP-0082") from None
    digits = (match[2] or "")[:9].ljust(9, "0")
    milliseconds, rest = divmod(int(digits), 1_000_000)
    return whole * 1000 + milliseconds + (1 if up and rest else 0)
