"""How sizes, moments and kinds are written for people."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """Return "1.5 MiB"."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{count} bytes" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def moment(seconds: int | None) -> str:
    """Return a moment in UTC; "never" for None."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def used(taken: int, limit: int) -> str:
    """Return what of a quota is used; a limit of 0 is none."""
    return f"{size(taken)} of {size(limit)}" if limit else f"{size(taken)}, without a limit"
