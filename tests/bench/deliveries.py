"""What a server delivers to the sessions of a load, as far as the tests of workloads play one."""

from __future__ import annotations

from collections.abc import Callable

from bench.load.session import Session

Delivery = list[tuple[Session, bytes]]


def spoil(old: bytes, new: bytes) -> Callable[[Delivery], Delivery]:
    """Change the first stanza."""
    return lambda delivery: [(delivery[0][0], delivery[0][1].replace(old, new, 1)), *delivery[1:]]
