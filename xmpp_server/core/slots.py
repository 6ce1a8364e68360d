"""Typed per-session and per-account state of modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Holder(Protocol):
    """What can carry slots: sessions and accounts."""

    state: dict[object, object]


class Slot(Generic[T]):
    """A value that one module keeps on each session or account; absent ones are made by `default`."""

    __slots__ = ("_default", "name")

    def __init__(self, name: str, default: Callable[[], T]) -> None:
        self.name = name
        self._default = default

    def get(self, holder: Holder) -> T:
        """Return the value, making and keeping the default where there is none."""
        state = holder.state
        if self not in state:
            state[self] = self._default()
        return state[self]  # type: ignore[return-value]  # as in `peek`

    def peek(self, holder: Holder) -> T | None:
        """Return the value or None, without making one."""
        return holder.state.get(self)  # type: ignore[return-value]  # `set` and `get` put a T there; `cast` costs time

    def set(self, holder: Holder, value: T) -> None:
        """Replace the value."""
        holder.state[self] = value

    def discard(self, holder: Holder) -> None:
        """Forget the value, if any."""
        holder.state.pop(self, None)
