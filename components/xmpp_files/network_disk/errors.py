"""Why the network disk does not do what it is asked to."""

from __future__ import annotations

from enum import Enum, auto


class Reason(Enum):
    """What kind of refusal it is; each door has its own code for it."""

    BAD = auto()
    MISSING = auto()
    FORBIDDEN = auto()
    TAKEN = auto()
    FULL = auto()


class DiskError(Exception):
    """Nothing was changed; the text is for the user."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
