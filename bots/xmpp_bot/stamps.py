"""XEP-0203 and XEP-0082: when a message was sent."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime


def parse_stamp(delay: ET.Element | None) -> datetime | None:
    """Read the moment of a `<delay/>`; None without, or if it tells none."""
    if delay is None:
        return None
    try:
        stamp = datetime.fromisoformat(delay.get("stamp", ""))
    except ValueError:
        return None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
