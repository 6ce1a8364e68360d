"""Serialises elements; the only place where text becomes XML (XML 1.0, Namespaces in XML)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .element import Element
from .namespaces import CLIENT, XML, XMLNS

# What XML 1.0 §2.2 leaves out of Char.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL_IN_TEXT = re.compile("[^\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL_IN_ATTR = re.compile("[^\x20!#-%(-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# XML 1.0 §2.3, without the colon (Namespaces in XML §3).
_NAME_START = (
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME = re.compile(f"[{_NAME_START}][{_NAME_START}.0-9\xb7\u0300-\u036f\u203f-\u2040-]*")

_NO_PREFIXES: Mapping[str, str] = {}


def escape_text(text: str) -> str:
    """Escape character data, so that a parser gives back the same text.

    Raises:
        ValueError: the text holds a character that XML forbids.

    """
    if _SPECIAL_IN_TEXT.search(text) is None:
        return text
    _refuse_forbidden(text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def escape_attr(text: str) -> str:
    """Escape an attribute value for either kind of quotes, so that a parser gives back the same text.

    Raises:
        ValueError: the text holds a character that XML forbids.

    """
    if _SPECIAL_IN_ATTR.search(text) is None:
        return text
    return (
        escape_text(text)
        .replace("'", "&apos;")
        .replace('"', "&quot;")
        .replace("\t", "&#9;")  # bare white space would be normalised to spaces (XML 1.0 §3.3.3)
        .replace("\n", "&#10;")
    )


def serialize(element: Element, default_ns: str = CLIENT, prefixes: Mapping[str, str] = _NO_PREFIXES) -> bytes:
    """Write an element for a place where `default_ns` and `prefixes` (namespace -> prefix) are in force.

    A default namespace is declared only where it changes; a prefix only for an attribute that needs one.

    Raises:
        ValueError: a name or a character cannot be written in XML.

    """
    out: list[str] = []
    _write(element, default_ns, prefixes, out)
    return "".join(out).encode()


def _write(element: Element, default_ns: str, prefixes: Mapping[str, str], out: list[str]) -> None:
    ns = element.ns
    name = _checked(element.name)
    declaration = ""
    if ns != default_ns:
        if ns == XML:
            name = "xml:" + name  # never a default namespace (Namespaces in XML §3)
        elif (prefix := prefixes.get(ns)) is not None:
            name = f"{prefix}:{name}"
        elif ns == XMLNS or " " in ns:
            raise ValueError(f"not a namespace: {ns!r}")
        else:
            declaration = f" xmlns='{escape_attr(ns)}'"
            default_ns = ns
    out.append(f"<{name}{declaration}")
    if element.attrs:
        _write_attributes(element.attrs, out)
    if not element.children:
        out.append("/>")
        return
    out.append(">")
    for child in element.children:
        if isinstance(child, str):
            out.append(escape_text(child))
        else:
            _write(child, default_ns, prefixes, out)
    out.append(f"</{name}>")


def _write_attributes(attrs: Mapping[str, str], out: list[str]) -> None:
    declared: dict[str, str] = {}
    for key, value in attrs.items():
        name = key
        if key.startswith("xml:"):
            _checked(key[4:])
        elif " " not in key:
            if key == "xmlns":
                raise ValueError("not an XML name of an attribute: 'xmlns'")
            _checked(key)
        else:
            ns, _, local = key.rpartition(" ")
            prefix = declared.get(ns)
            if prefix is None:
                if ns in (XML, XMLNS) or " " in ns or not ns:
                    raise ValueError(f"not an attribute: {key!r}")
                prefix = declared[ns] = f"ns{len(declared)}"
                out.append(f" xmlns:{prefix}='{escape_attr(ns)}'")
            name = f"{prefix}:{_checked(local)}"
        out.append(f" {name}='{escape_attr(value)}'")


def _refuse_forbidden(text: str) -> None:
    if (match := _FORBIDDEN.search(text)) is not None:
        raise ValueError(f"U+{ord(match[0]):04X} is not allowed in XML")


@lru_cache(maxsize=2048)
def _checked(name: str) -> str:
    if _NCNAME.fullmatch(name) is None:
        raise ValueError(f"not an XML name: {name!r}")
    return name
