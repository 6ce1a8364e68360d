"""XEP-0203: Delayed Delivery, and the date-time profile of XEP-0082."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DELAY

_DATETIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,30}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)


@dataclass(frozen=True, slots=True)
class Delay:
    """Who says that a stanza is old, and since when. Only a `by` of one's own server is worth belief."""

    stamp: datetime
    by: JID | None = None
    reason: str = ""

    def to_element(self) -> Element:
        """Return `<delay/>`."""
        element = Element("delay", DELAY, {"stamp": format_datetime(self.stamp)})
        if self.by is not None:
            element.attrs["from"] = str(self.by)
        if self.reason:
            element.append(self.reason)
        return element

    @classmethod
    def of(cls, parent: Element) -> Delay | None:
        """Return the first well-formed `<delay/>` among the children of `parent`."""
        for element in parent.findall("delay", DELAY):
            sender = element.get("from")
            try:
                stamp = parse_datetime(element.get("stamp") or "")
                by = None if sender is None else JID.parse(sender)
            except ValueError:  # JIDMalformed is one
                continue
            return cls(stamp, by, element.text)
        return None


def format_datetime(stamp: datetime) -> str:
    """Write an aware datetime in UTC, with the fraction only where there is one (XEP-0082 §3.2).

    Raises:
        ValueError: `stamp` is naive.

    """
    if stamp.tzinfo is None:
        raise ValueError("a time stamp needs its time zone")
    return stamp.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_datetime(text: str) -> datetime:
    """Read an XEP-0082 DateTime as aware UTC.

    A fraction is cut at microseconds; a leap second is the next second.

    Raises:
        ValueError: not of that form, or not representable (outside the years 1 to 9999).

    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError("not a date and time of XEP-0082")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    leap = second == 60  # XML Schema knows none, but clocks and RFC 3339 do
    stamp = datetime(
        year,
        month,
        day,
        hour,
        minute,
        59 if leap else second,
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=_zone(sign, int(zone_hours or 0), int(zone_minutes or 0)),
    )
    try:
        return (stamp + timedelta(seconds=leap)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


def _zone(sign: str | None, hours: int, minutes: int) -> timezone:
    """Return the zone of an offset; XML Schema allows up to 14:00."""
    if minutes > 59 or hours * 60 + minutes > 14 * 60:
        raise ValueError("not an offset from UTC")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
