"""XEP-0115 §5: what a disco#info answer says, and the hash that proves it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, DISCO_INFO

#: Hash functions by their names in XEP-0300.
HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha-1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha-256": lambda data: hashlib.sha256(data).digest(),
    "sha-512": lambda data: hashlib.sha512(data).digest(),
}

#: category, type, xml:lang, name
Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a client is and can."""

    identities: tuple[Identity, ...]
    features: frozenset[str]

    def __contains__(self, feature: str) -> bool:
        return feature in self.features


def read_capabilities(query: Element) -> Capabilities:
    """Read a disco#info answer as it stands."""
    return Capabilities(tuple(_identities(query)), frozenset(_features(query)))


def is_proven(query: Element, hash_name: str, ver: str) -> bool:
    """Tell whether `ver` is the hash of a disco#info answer, so that it holds for everybody who says so (§5.4)."""
    function = HASHES.get(hash_name)
    text = _hashed_text(query)
    return function is not None and text is not None and b64encode(function(text.encode())).decode() == ver


def _identities(query: Element) -> list[Identity]:
    return [
        (one.get("category") or "", one.get("type") or "", one.get("xml:lang") or "", one.get("name") or "")
        for one in query.findall("identity", DISCO_INFO)
    ]


def _features(query: Element) -> list[str]:
    return [one.get("var") or "" for one in query.findall("feature", DISCO_INFO)]


def _hashed_text(query: Element) -> str | None:
    """Join what is hashed (§5.1); None for an answer that is ill-formed (§5.4)."""
    identities, features = _identities(query), _features(query)
    forms = _forms(query)
    if forms is None or _has_doubles(identities) or _has_doubles(features) or _has_doubles([name for name, _ in forms]):
        return None
    parts = ["/".join(identity) for identity in sorted(identities)] + sorted(features)
    for name, fields in sorted(forms):
        parts.append(name)
        for var, values in sorted(fields):
            parts.append(var)
            parts += sorted(values)
    # "<" ends a part. One inside would let other features have the same hash (§8.2 tells of such poisoning).
    if any("<" in part for part in parts):
        return None
    return "".join(f"{part}<" for part in parts)


def _forms(query: Element) -> list[tuple[str, list[tuple[str, list[str]]]]] | None:
    """Return the forms that count, by FORM_TYPE; None where one has more than one FORM_TYPE."""
    forms = []
    for form in query.findall("x", DATA_FORMS):
        fields = {field.get("var") or "": field for field in form.findall("field", DATA_FORMS)}
        kind = fields.pop("FORM_TYPE", None)
        if kind is None or kind.get("type") != "hidden":
            continue
        names = set(_values(kind))
        if len(names) != 1:
            return None
        forms.append((names.pop(), [(var, _values(field)) for var, field in fields.items()]))
    return forms


def _values(field: Element) -> list[str]:
    return [value.text for value in field.findall("value", DATA_FORMS)]


def _has_doubles(things: Sequence[object]) -> bool:
    return len(set(things)) < len(things)
