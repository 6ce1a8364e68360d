"""Names that look the same (UTS #39 §4, in small): the letters that are drawn alike in Latin, Greek and Cyrillic."""
# ruff: noqa: RUF001 - ambiguous letters are what this is about

from __future__ import annotations

import unicodedata

#: What looks like a Latin letter, after decomposition and case folding: each upper character like the one below it.
_LOOKS_LIKE = str.maketrans(
    "авеѕіјкмнорстухԁһԛԝӏ" + "αβεικνορτυχγηωϲϳ" + "ıɑɡɩ01|",
    "abesijkmhopctyxdhqwl" + "abeikvoptuxynwcj" + "iagioll",
)
#: Two letters that are drawn like one.
_PAIRS = (("rn", "m"), ("vv", "w"))


def skeleton(localpart: str) -> str:
    """Return what all names that look like this one have in common; it is no name itself."""
    plain = unicodedata.normalize("NFKD", localpart.casefold())
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    shape = letters.translate(_LOOKS_LIKE)
    for pair, one in _PAIRS:
        shape = shape.replace(pair, one)
    return shape
