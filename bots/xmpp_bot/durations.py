"""Durations as people write them: "90s", "5m", "1h30m", "2d"."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"(\d+)\s*(w|d|h|m|s)", re.IGNORECASE)
_WHOLE = re.compile(r"(?:\d+\s*[wdhms]\s*)+", re.IGNORECASE)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
#: Ten years: longer is a mistake, and dates end.
LIMIT_S = 3_650 * 86_400


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: It is not one, is nothing, or is longer than ten years.

    """
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"“{text}” is not a duration such as 90s, 5m, 1h30m or 2d")
    seconds = sum(int(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(text))
    if not 0 < seconds <= LIMIT_S:
        raise ValueError(f"“{text}” is too short or too long")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration as `parse_duration` reads it, in whole seconds."""
    left = int(duration.total_seconds())
    parts = []
    for unit, seconds in _SECONDS.items():
        number, left = divmod(left, seconds)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
