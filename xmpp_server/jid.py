"""RFC 7622: addresses, prepared and interned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import ClassVar, Final, NoReturn, Self

import idna

from .precis import Profile
from .xml.writer import escape_attr

#: RFC 7622 §3.2-3.4: no part is longer, in bytes of UTF-8.
MAX_PART_BYTES: Final = 1023

_CACHE_GENERATION = 25_000
_CACHEABLE_CHARS = 256

_ASCII_LOCALPART = re.compile(r"[!#-%(-.0-9;=?A-Z\[-~]{1,1023}")
_ASCII_DOMAINPART = re.compile(
    r"(?!(?:.*\.)?..--)"  # A-labels are turned into U-labels
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
    re.IGNORECASE,
)
_ASCII_RESOURCEPART = re.compile(r"[ -~]{1,1023}")
_EXCLUDED_IN_LOCALPART = re.compile("[\"&'/:<>@]")  # RFC 7622 §3.3.1

_USERNAME = Profile("UsernameCaseMapped")
_OPAQUE = Profile("OpaqueString")


class JIDMalformed(ValueError):  # noqa: N818 - named after the condition jid-malformed
    """Text that is not an address."""


class JID(str):
    """An address; as a string it is the prepared full text, and compares, sorts and hashes as that.

    Attributes:
        localpart: None if the address has none.
        resourcepart: None for a bare JID.
        encoded: the text in UTF-8, escaped to stand between quotes in XML.

    """

    __slots__ = ("_bare", "domainpart", "encoded", "localpart", "resourcepart")

    localpart: str | None
    domainpart: str
    resourcepart: str | None
    _bare: JID | None
    encoded: bytes

    #: Prepare and intern an address; raises JIDMalformed. A known text costs one dict lookup.
    parse: ClassVar[Callable[[str], JID]]

    @classmethod
    def of(cls, localpart: str | None, domainpart: str, resourcepart: str | None = None) -> JID:
        """Make an address from parts that are not prepared yet.

        Raises:
            JIDMalformed: a part is empty, too long or holds what RFC 7622 excludes.

        """
        domain = _prepare_domainpart(domainpart)
        bare = domain if localpart is None else f"{_prepare_localpart(localpart)}@{domain}"
        if resourcepart is None:
            return _intern(bare)
        return _intern(f"{bare}/{_prepare_resourcepart(resourcepart)}")

    def with_resource(self, resourcepart: str) -> JID:
        """Return the full JID of this account with another resourcepart.

        Raises:
            JIDMalformed: the resourcepart is empty, too long or holds what RFC 7622 excludes.

        """
        return _intern(f"{self.bare}/{_prepare_resourcepart(resourcepart)}")

    @property
    def bare(self) -> JID:
        """The address without its resourcepart; itself if it has none."""
        return self._bare or self

    @property
    def is_bare(self) -> bool:
        """True without a resourcepart."""
        return self.resourcepart is None

    @property
    def is_full(self) -> bool:
        """True with a resourcepart."""
        return self.resourcepart is not None

    @property
    def is_domain(self) -> bool:
        """True for a domainpart alone."""
        return self.localpart is None and self.resourcepart is None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a JID never changes")

    def __repr__(self) -> str:
        return f"JID({str(self)!r})"

    def __reduce__(self) -> tuple[Callable[[str], JID], tuple[str]]:
        return _parsed, (str(self),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _prepared(text: str) -> JID:
    """Make the object for a text which is prepared."""
    bare, slash, resourcepart = text.partition("/")
    localpart, at, domainpart = bare.rpartition("@")
    jid = JID(text)
    put = str.__setattr__
    put(jid, "localpart", localpart if at else None)
    put(jid, "domainpart", domainpart)
    put(jid, "resourcepart", resourcepart if slash else None)
    put(jid, "_bare", _intern(bare) if slash else None)
    put(jid, "encoded", escape_attr(text).encode())
    return jid


def _split(text: str) -> tuple[str | None, str, str | None]:
    """Find the parts as RFC 7622 §3.1 says: the first slash, then the first at-sign before it."""
    bare, slash, resourcepart = text.partition("/")
    localpart, at, domainpart = bare.partition("@")
    if not at:
        localpart, domainpart = "", localpart
    return (localpart if at else None), domainpart, (resourcepart if slash else None)


def _prepare_localpart(text: str) -> str:
    if _ASCII_LOCALPART.fullmatch(text):
        return text.lower()
    prepared = _enforced(_USERNAME.enforce, text, "localpart")
    if _EXCLUDED_IN_LOCALPART.search(prepared):
        raise JIDMalformed("a character in the localpart is excluded")
    return _capped(prepared, "localpart")


def _prepare_resourcepart(text: str) -> str:
    if _ASCII_RESOURCEPART.fullmatch(text):
        return text
    return _capped(_enforced(_OPAQUE.enforce, text, "resourcepart"), "resourcepart")


def _prepare_domainpart(text: str) -> str:
    name = text.removesuffix(".")  # RFC 7622 §3.2: the root's dot is stripped
    if _ASCII_DOMAINPART.fullmatch(name):
        return name.lower()
    if len(text) > MAX_PART_BYTES:
        raise JIDMalformed("the domainpart is too long")
    if name.startswith("[") and name.endswith("]"):
        return f"[{_prepare_ipv6(name[1:-1])}]"
    try:
        mapped = idna.uts46_remap(text, std3_rules=True).removesuffix(".")  # dots have other forms, too
        ascii_form = idna.encode(mapped).decode("ascii")
        if ascii_form.endswith("."):
            raise idna.IDNAError("an empty label")
        return _capped(unicodedata.normalize("NFC", idna.decode(ascii_form)), "domainpart")
    except ValueError:  # idna.IDNAError and UnicodeError among them
        raise JIDMalformed("not a domain name") from None


def _prepare_ipv6(text: str) -> IPv6Address:
    """Read an address without a zone (RFC 4007 §11), which may be any text and means something on one machine only."""
    try:
        address = IPv6Address(text)
    except ValueError:
        raise JIDMalformed("not an IPv6 address") from None
    if address.scope_id is not None:
        raise JIDMalformed("an IPv6 address with a zone")
    return address


def _enforced(enforce: Callable[[str], str], text: str, part: str) -> str:
    if len(text) > MAX_PART_BYTES:  # before it is prepared, which takes time
        raise JIDMalformed(f"the {part} is too long")
    try:
        return enforce(text)
    except ValueError:
        raise JIDMalformed(f"not a {part}") from None


def _capped(text: str, part: str) -> str:
    if not 0 < len(text.encode()) <= MAX_PART_BYTES:
        raise JIDMalformed(f"the {part} is empty or too long")
    return text


class _Cache(dict[str, JID]):
    """Texts seen lately, in two generations: a hit is a plain dict lookup, and the size stays bounded."""

    def __init__(self) -> None:
        super().__init__()
        self._previous: dict[str, JID] = {}

    def __missing__(self, text: str) -> JID:
        jid = self._previous.get(text)
        if jid is None:
            jid = JID.of(*_split(text))
        self.keep(text, jid)
        return jid

    def intern(self, prepared: str) -> JID:
        """Return the one object for a prepared text."""
        jid = self.get(prepared) or self._previous.get(prepared) or _prepared(prepared)
        self.keep(prepared, jid)
        return jid

    def keep(self, text: str, jid: JID) -> None:
        """Remember, unless the text is so long that many like it would fill the memory."""
        if len(text) > _CACHEABLE_CHARS:
            return
        if len(self) >= _CACHE_GENERATION:
            self._previous = dict(self)
            self.clear()
        self[text] = jid


_cache = _Cache()
_intern = _cache.intern
JID.parse = _cache.__getitem__


def _parsed(text: str) -> JID:
    """Unpickle."""
    return JID.parse(text)
