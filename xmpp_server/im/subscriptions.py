"""RFC 6121 Appendix A: the nine states of a presence subscription, and what each subscription stanza does to them.

Nothing but tables and pure functions. A pre-approval (§3.4) is a flag beside the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple

from xmpp_server.jid import JID
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.storage.api import RosterItem

SUBSCRIBE: Final = PresenceType.SUBSCRIBE
SUBSCRIBED: Final = PresenceType.SUBSCRIBED
UNSUBSCRIBE: Final = PresenceType.UNSUBSCRIBE
UNSUBSCRIBED: Final = PresenceType.UNSUBSCRIBED

#: The `subscription` of an item that is no roster entry, but only keeps a request.
UNLISTED: Final = ""


class State(Enum):
    """The states of §A.1 as (subscription, pending out, pending in), from the user's point of view."""

    NONE = ("none", False, False)
    NONE_OUT = ("none", True, False)
    NONE_IN = ("none", False, True)
    NONE_OUT_IN = ("none", True, True)
    TO = ("to", False, False)
    TO_IN = ("to", False, True)
    FROM = ("from", False, False)
    FROM_OUT = ("from", True, False)
    BOTH = ("both", False, False)

    @property
    def subscription(self) -> str:
        """The value of the roster item's attribute."""
        return self.value[0]

    @property
    def pending_out(self) -> bool:
        """The user has asked and has no answer: `ask='subscribe'`."""
        return self.value[1]

    @property
    def pending_in(self) -> bool:
        """The contact has asked and has no answer."""
        return self.value[2]

    @property
    def sees(self) -> bool:
        """The user is subscribed to the contact."""
        return self.subscription in ("to", "both")

    @property
    def seen(self) -> bool:
        """The contact is subscribed to the user."""
        return self.subscription in ("from", "both")

    @classmethod
    def of(cls, item: RosterItem | None) -> State:
        """Return the state that a roster item stands for; nonsense in storage counts as the nearest state."""
        if item is None:
            return cls.NONE
        subscription = item.subscription or "none"
        pending_out = item.ask and subscription in ("none", "from")
        pending_in = item.pending_in is not None and subscription in ("none", "to")
        return cls((subscription, pending_out, pending_in))


class Row(NamedTuple):
    """One line of a table: whether the stanza is routed or delivered, and the new state."""

    passes: bool
    state: State


class Step(NamedTuple):
    """What a stanza does: whether it goes on, the new state, and what the server answers by itself."""

    passes: bool
    state: State
    approved: bool
    answer: PresenceType | None = None


S = State

#: §A.2: the user sends. `passes` says whether the server routes the stanza to the contact.
OUTBOUND: Final[Mapping[PresenceType, Mapping[State, Row]]] = {
    SUBSCRIBE: {  # §A.2.1
        S.NONE: Row(True, S.NONE_OUT),
        S.NONE_OUT: Row(True, S.NONE_OUT),
        S.NONE_IN: Row(True, S.NONE_OUT_IN),
        S.NONE_OUT_IN: Row(True, S.NONE_OUT_IN),
        S.TO: Row(True, S.TO),
        S.TO_IN: Row(True, S.TO_IN),
        S.FROM: Row(True, S.FROM_OUT),
        S.FROM_OUT: Row(True, S.FROM_OUT),
        S.BOTH: Row(True, S.BOTH),
    },
    UNSUBSCRIBE: {  # §A.2.2
        S.NONE: Row(True, S.NONE),
        S.NONE_OUT: Row(True, S.NONE),
        S.NONE_IN: Row(True, S.NONE_IN),
        S.NONE_OUT_IN: Row(True, S.NONE_IN),
        S.TO: Row(True, S.NONE),
        S.TO_IN: Row(True, S.NONE_IN),
        S.FROM: Row(True, S.FROM),
        S.FROM_OUT: Row(True, S.FROM),
        S.BOTH: Row(True, S.FROM),
    },
    SUBSCRIBED: {  # §A.2.3
        S.NONE: Row(False, S.NONE),
        S.NONE_OUT: Row(False, S.NONE_OUT),
        S.NONE_IN: Row(True, S.FROM),
        S.NONE_OUT_IN: Row(True, S.FROM_OUT),
        S.TO: Row(False, S.TO),
        S.TO_IN: Row(True, S.BOTH),
        S.FROM: Row(False, S.FROM),
        S.FROM_OUT: Row(False, S.FROM_OUT),
        S.BOTH: Row(False, S.BOTH),
    },
    UNSUBSCRIBED: {  # §A.2.4
        S.NONE: Row(False, S.NONE),
        S.NONE_OUT: Row(False, S.NONE_OUT),
        S.NONE_IN: Row(True, S.NONE),
        S.NONE_OUT_IN: Row(True, S.NONE_OUT),
        S.TO: Row(False, S.TO),
        S.TO_IN: Row(True, S.TO),
        S.FROM: Row(True, S.NONE),
        S.FROM_OUT: Row(True, S.NONE_OUT),
        S.BOTH: Row(True, S.TO),
    },
}

#: §A.3: the contact sends. `passes` says whether the server delivers the stanza to the user.
INBOUND: Final[Mapping[PresenceType, Mapping[State, Row]]] = {
    SUBSCRIBE: {  # §A.3.1
        S.NONE: Row(True, S.NONE_IN),
        S.NONE_OUT: Row(True, S.NONE_OUT_IN),
        S.NONE_IN: Row(False, S.NONE_IN),
        S.NONE_OUT_IN: Row(False, S.NONE_OUT_IN),
        S.TO: Row(True, S.TO_IN),
        S.TO_IN: Row(False, S.TO_IN),
        S.FROM: Row(False, S.FROM),
        S.FROM_OUT: Row(False, S.FROM_OUT),
        S.BOTH: Row(False, S.BOTH),
    },
    UNSUBSCRIBE: {  # §A.3.2
        S.NONE: Row(False, S.NONE),
        S.NONE_OUT: Row(False, S.NONE_OUT),
        S.NONE_IN: Row(True, S.NONE),
        S.NONE_OUT_IN: Row(True, S.NONE_OUT),
        S.TO: Row(False, S.TO),
        S.TO_IN: Row(True, S.TO),
        S.FROM: Row(True, S.NONE),
        S.FROM_OUT: Row(True, S.NONE_OUT),
        S.BOTH: Row(True, S.TO),
    },
    SUBSCRIBED: {  # §A.3.3
        S.NONE: Row(False, S.NONE),
        S.NONE_OUT: Row(True, S.TO),
        S.NONE_IN: Row(False, S.NONE_IN),
        S.NONE_OUT_IN: Row(True, S.TO_IN),
        S.TO: Row(False, S.TO),
        S.TO_IN: Row(False, S.TO_IN),
        S.FROM: Row(False, S.FROM),
        S.FROM_OUT: Row(True, S.BOTH),
        S.BOTH: Row(False, S.BOTH),
    },
    UNSUBSCRIBED: {  # §A.3.4
        S.NONE: Row(False, S.NONE),
        S.NONE_OUT: Row(True, S.NONE),
        S.NONE_IN: Row(False, S.NONE_IN),
        S.NONE_OUT_IN: Row(True, S.NONE_IN),
        S.TO: Row(True, S.NONE),
        S.TO_IN: Row(True, S.NONE_IN),
        S.FROM: Row(False, S.FROM),
        S.FROM_OUT: Row(True, S.FROM),
        S.BOTH: Row(True, S.FROM),
    },
}

#: §3.4.2: where a pre-approval leads when the request comes; the note on §A.3.1.
PREAPPROVED: Final[Mapping[State, State]] = {S.NONE: S.FROM, S.NONE_OUT: S.FROM_OUT, S.TO: S.BOTH}


def outbound(state: State, approved: bool, kind: PresenceType) -> Step:
    """Tell what a subscription stanza does that the user sends."""
    passes, new = OUTBOUND[kind][state]
    if kind is SUBSCRIBED and not passes and not state.seen:  # §3.4.2: nobody has asked yet
        approved = True
    elif kind is UNSUBSCRIBED:  # §3.4.2: this cancels a pre-approval, too
        approved = False
    return Step(passes, new, approved)


def inbound(state: State, approved: bool, kind: PresenceType) -> Step:
    """Tell what a subscription stanza does that the contact sends."""
    passes, new = INBOUND[kind][state]
    if kind is SUBSCRIBE:
        if approved and state in PREAPPROVED:
            return Step(False, PREAPPROVED[state], approved, SUBSCRIBED)
        if state.seen:  # §3.1.3: they ask for what they have
            return Step(False, new, approved, SUBSCRIBED)
    return Step(passes, new, approved)


def applied(item: RosterItem | None, contact: JID, step: Step, request: bytes | None = None) -> RosterItem | None:
    """Return the item after a step, or None where nothing of it is left to keep.

    `request` is the stanza to keep if the step makes a request pending.
    """
    state = step.state
    pending_in = None
    if state.pending_in:
        pending_in = item.pending_in if item is not None and item.pending_in is not None else request or b""
    empty = state.subscription == "none" and not state.pending_out and not step.approved
    unlisted = (item is None or item.subscription == UNLISTED) and empty
    if unlisted and pending_in is None:
        return None
    return replace(
        item or RosterItem(contact),
        subscription=UNLISTED if unlisted else state.subscription,
        ask=state.pending_out,
        approved=step.approved,
        pending_in=pending_in,
    )
