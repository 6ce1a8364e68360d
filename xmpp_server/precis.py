"""RFC 8264: preparing and enforcing strings, at a cost that grows with their length alone."""

from __future__ import annotations

import re

from precis_i18n import get_profile

# Each of these is allowed or not by what else the string holds (RFC 5892 §A.7 to §A.9).
_JUDGED_BY_ALL = re.compile("([\u0660-\u0669])|([\u06f0-\u06f9])|\u30fb")
#: Allowed everywhere, and no neighbour that another rule asks for.
_INDIFFERENT = "x"


class Profile:
    """A profile by its name at IANA."""

    def __init__(self, name: str) -> None:
        self._profile = get_profile(name)

    def enforce(self, text: str) -> str:
        """Return `text` prepared. Whoever takes it from a peer limits its length before: NFC is not linear.

        Raises:
            ValueError: It is empty, or has characters that the profile refuses.

        """
        profile = self._profile
        prepared = profile.idempotence_check(profile.apply_five_rules(text))
        if not prepared:
            raise ValueError("empty")
        profile.base.enforce(_thinned(prepared))
        return prepared


def _thinned(text: str) -> str:
    """Leave one of the characters for each of which the library would look through the whole string."""
    seen: set[int | None] = set()

    def first_only(match: re.Match[str]) -> str:
        if match.lastindex in seen:
            return _INDIFFERENT
        seen.add(match.lastindex)
        return match[0]

    return _JUDGED_BY_ALL.sub(first_only, text)
