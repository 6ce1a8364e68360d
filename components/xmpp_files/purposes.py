"""What an upload is for, and until when it is kept (XEP-0363 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

NS_PURPOSE = "urn:xmpp:http:upload:purpose:0"


class Purpose(StrEnum):
    """The purposes of XEP-0363 1.2; each is advertised by its own feature."""

    MESSAGE = "message"
    PROFILE = "profile"
    EPHEMERAL = "ephemeral"
    PERMANENT = "permanent"

    @property
    def feature(self) -> str:
        """The feature for disco#info."""
        return f"{NS_PURPOSE}#{self.value}"


PURPOSES = {purpose.value: purpose for purpose in Purpose}


@dataclass(frozen=True, slots=True)
class Retention:
    """How files of one purpose are kept: `keep_s` 0 is for ever."""

    keep_s: int
    max_file_bytes: int

    def expires(self, now: int, expire_before: int | None = None) -> int | None:
        """Return when a file of now goes (seconds since 1970), None for never; `expire_before` can only shorten."""
        own = now + self.keep_s if self.keep_s else None
        if own is None or expire_before is None:
            return own if expire_before is None else expire_before
        return min(own, expire_before)


def moment(text: str) -> int | None:
    """Read a DateTime of XEP-0082 as whole seconds since 1970, rounded down; None if it is none."""
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return None
    if stamp.tzinfo is None or "T" not in text:
        return None
    try:
        return int(stamp.timestamp() // 1)
    except (OverflowError, ValueError):
        return None


def stamp(seconds: int) -> str:
    """Write seconds since 1970 as a DateTime in UTC (XEP-0082 §3.2)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
