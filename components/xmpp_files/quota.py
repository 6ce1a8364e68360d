"""Quotas of users, days and hosts: what a user may still upload, decided from numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOUR_S = 3600
DAY_HOURS = 24
#: A full store empties when files expire: nobody knows when; this is when to ask again.
_RETRY_S = HOUR_S


@dataclass(frozen=True, slots=True)
class Limits:
    """0 is no limit. A day is the last 24 hours, counted by the hour."""

    user_bytes: int
    user_day_bytes: int
    user_day_slots: int
    host_bytes: int


@dataclass(frozen=True, slots=True)
class Hour:
    """What a user asked for in the hour with number `number` since 1970."""

    number: int
    bytes: int
    slots: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What is taken: reserved slots count as if their files were there."""

    user_bytes: int
    host_bytes: int
    day: Sequence[Hour]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no slot, for the user, and when to try again (seconds since 1970)."""

    reason: str
    retry_at: int


def first_hour(now: int) -> int:
    """Return the number of the first hour that still counts."""
    return now // HOUR_S - DAY_HOURS + 1


def refusal(limits: Limits, usage: Usage, size: int, now: int) -> Refusal | None:
    """Tell whether a file of `size` bytes is too much; None if it may come."""
    if limits.user_day_slots:
        freed = _when_freed([(hour.number, hour.slots) for hour in usage.day], 1, limits.user_day_slots, now)
        if freed is not None:
            return Refusal(f"Only {limits.user_day_slots} uploads a day", freed)
    if limits.user_day_bytes:
        freed = _when_freed([(hour.number, hour.bytes) for hour in usage.day], size, limits.user_day_bytes, now)
        if freed is not None:
            return Refusal(f"Only {limits.user_day_bytes} bytes a day", freed)
    if limits.user_bytes and usage.user_bytes + size > limits.user_bytes:
        return Refusal(f"Your store of {limits.user_bytes} bytes is full", now + _RETRY_S)
    if limits.host_bytes and usage.host_bytes + size > limits.host_bytes:
        return Refusal("The store is full", now + _RETRY_S)
    return None


def _when_freed(hours: Sequence[tuple[int, int]], more: int, limit: int, now: int) -> int | None:
    """Return when `more` fits under the limit because old hours count no longer; None if it fits now."""
    first = first_hour(now)
    counted = sorted((number, amount) for number, amount in hours if number >= first)
    total = sum(amount for _, amount in counted)
    if total + more <= limit:
        return None
    for number, amount in counted:
        total -= amount
        if total + more <= limit:
            return (number + DAY_HOURS) * HOUR_S
    return now + DAY_HOURS * HOUR_S
