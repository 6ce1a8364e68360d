"""What an external component may do for the accounts of this server (XEP-0355, XEP-0356), as the configuration says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xmpp_server.xml.namespaces import DELEGATION

#: In `Grants.iq`: any namespace.
ANY = "*"

_PRIVILEGE = re.compile(
    r"(?P<roster>roster=(?:get|set|both))|(?P<message>message=outgoing)|(?P<presence>presence=(?:managed_entity|roster))"
    r"|(?P<iq>iq(?::\S+)?=(?:get|set|both))"
)


@dataclass(frozen=True, slots=True)
class Delegation:
    """A namespace whose requests the component answers, if the payload has all these attributes (XEP-0355 §4.1)."""

    namespace: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grants:
    """The permissions of one component; types are those of XEP-0356: "get", "set", "both", or empty for none."""

    roster: str = ""
    message: bool = False
    #: "managed_entity", "roster" (which includes the other), or empty.
    presence: str = ""
    #: Type by namespace; `ANY` stands for those that are not named.
    iq: Mapping[str, str] = field(default_factory=dict)
    delegations: tuple[Delegation, ...] = ()

    @classmethod
    def parse(cls, privileges: Iterable[str], delegate: Iterable[str]) -> Grants:
        """Read "roster=both", "iq:NAMESPACE=get" and the like, and "NAMESPACE @attribute …".

        Raises:
            ValueError: One is malformed, or must not be granted.

        """
        roster = presence = ""
        message = False
        iq: dict[str, str] = {}
        for text in privileges:
            match = _PRIVILEGE.fullmatch(text)
            if match is None:
                raise ValueError(f"{text!r} is no privilege of XEP-0356")
            name, _, kind = text.rpartition("=")
            if match["roster"]:
                roster = kind
            elif match["message"]:
                message = True
            elif match["presence"]:
                presence = kind
            else:
                iq[name.partition(":")[2] or ANY] = kind
        if presence == "roster" and roster not in ("get", "both"):  # XEP-0356 §7.4
            raise ValueError("presence=roster needs roster=get or roster=both")
        return cls(roster, message, presence, iq, tuple(_delegation(text) for text in delegate))

    def may_ask(self, namespace: str, kind: str) -> bool:
        """Tell whether an IQ of type `kind` with such a payload may be sent in an account's name (§6)."""
        return self.iq.get(namespace, self.iq.get(ANY)) in (kind, "both")


def _delegation(text: str) -> Delegation:
    namespace, *rest = text.split() or [""]
    if not namespace:
        raise ValueError("an empty text is no namespace")
    if namespace == DELEGATION:  # XEP-0355 §8
        raise ValueError(f"{namespace} cannot be delegated")
    if not all(re.fullmatch(r"@[\w.-]+", one) for one in rest):
        raise ValueError(f"{text!r} is not a namespace with @attributes behind it")
    return Delegation(namespace, tuple(one[1:] for one in rest))
