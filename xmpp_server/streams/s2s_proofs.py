"""What the peer of an incoming stream has proven: its certificate (XEP-0178), and dialback (XEP-0220)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from xmpp_server.streams.dialback import Pair

#: Claims of one stream that wait for their authoritative servers at one time.
PENDING_CLAIMS = 16
#: Domains that one stream may prove.
PROVEN_PAIRS = 1000

#: Tells whether the peer's certificate proves a domain; it remembers nothing.
Proves: TypeAlias = Callable[[str], bool]


class Proofs:
    """The proofs of one stream."""

    __slots__ = ("_judged", "_proves", "certified", "has_certificate", "pairs", "pending")

    def __init__(self) -> None:
        self.has_certificate = False
        #: PKIX decides at once; None: whoever is asked takes time, and `_judged` is what came of it.
        self._proves: Proves | None = _proves_nothing
        self._judged: dict[str, bool] = {}
        #: Domains that the certificate has proven, to whomever they send; pairs that dialback has.
        self.certified: set[str] = set()
        self.pairs: set[Pair] = set()
        #: Claims that nobody has answered yet.
        self.pending: set[Pair] = set()

    @property
    def domains(self) -> frozenset[str]:
        """The domains that the peer may send from."""
        return frozenset(self.certified | {pair.sender for pair in self.pairs})

    @property
    def full(self) -> bool:
        """Whether the peer has claimed enough."""
        return len(self.pending) >= PENDING_CLAIMS or len(self.pairs) + len(self.certified) >= PROVEN_PAIRS

    @property
    def judged_at_once(self) -> bool:
        """Whether the certificate can be held against any domain without asking elsewhere."""
        return self._proves is not None

    def show(self, proves: Proves | None, *, asks: bool) -> None:
        """Take the peer's certificate, or that there is none; `asks`: to judge it takes time."""
        self.has_certificate = proves is not None
        self._proves = None if asks and proves is not None else proves or _proves_nothing

    def allow(self, remote: str, local: str) -> bool:
        """Tell whether a domain may send to one of ours."""
        return remote in self.certified or Pair(remote, local) in self.pairs

    def forget_dialback(self) -> None:
        """Forget what was said in clear, or before SASL."""
        self.pairs.clear()
        self.pending.clear()

    def certificate_proves(self, domain: str) -> bool:
        """Tell whether the certificate proves a domain, as far as it was judged."""
        if domain in self.certified:
            return True
        return self._judged.get(domain, False) if self._proves is None else self._proves(domain)

    def has_to_judge(self, domain: str) -> bool:
        """Tell whether nobody has held the certificate against a domain yet."""
        return self._proves is None and domain not in self._judged

    def judged(self, domain: str, *, proven: bool) -> None:
        """Remember what came of that; of many domains the oldest are forgotten."""
        self._judged[domain] = proven
        if len(self._judged) > PROVEN_PAIRS:
            del self._judged[next(iter(self._judged))]


def _proves_nothing(_domain: str) -> bool:
    return False
