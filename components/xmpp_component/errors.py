"""How requests fail."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

#: Conditions of RFC 6120 §8.3.3.
Condition = Literal[
    "bad-request",
    "feature-not-implemented",
    "forbidden",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "resource-constraint",
]
ErrorType = Literal["modify", "wait", "auth", "cancel"]


class RequestError(Exception):
    """A stanza error: condition, type, a text for people; `extension` is its application-specific condition."""

    def __init__(
        self, condition: Condition, kind: ErrorType, text: str = "", extension: ET.Element | None = None
    ) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.kind = kind
        self.text = text
        self.extension = extension
