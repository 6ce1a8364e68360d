"""Every state with every stanza, against a model of four booleans, and two parties that stay in step."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.im.subscriptions import (
    INBOUND,
    OUTBOUND,
    SUBSCRIBE,
    SUBSCRIBED,
    UNLISTED,
    UNSUBSCRIBE,
    UNSUBSCRIBED,
    State,
    Step,
    applied,
    inbound,
    outbound,
)
from xmpp_server.jid import JID
from xmpp_server.stanzas.presence import SUBSCRIPTION_TYPES, PresenceType
from xmpp_server.storage.api import RosterItem

ROMEO = JID.parse("romeo@example.net")
REQUEST = b"<presence type='subscribe'/>"
EVERYTHING = sorted(product(State, (False, True), sorted(SUBSCRIPTION_TYPES)), key=str)


def bits(state: State) -> tuple[bool, bool, bool, bool]:
    """To, from, pending out, pending in."""
    return state.sees, state.seen, state.pending_out, state.pending_in


def test_tables_have_a_row_for_every_state_and_stanza() -> None:
    for table in (OUTBOUND, INBOUND):
        assert table.keys() == SUBSCRIPTION_TYPES
        assert all(rows.keys() == set(State) for rows in table.values())


def test_states_are_those_in_which_nobody_asks_for_what_they_have() -> None:
    possible = {
        (to, from_, out, in_)
        for to, from_, out, in_ in product((False, True), repeat=4)
        if not (to and out) and not (from_ and in_)
    }
    assert {bits(state) for state in State} == possible


@pytest.mark.parametrize(("state", "approved", "kind"), EVERYTHING)
def test_outbound(state: State, approved: bool, kind: PresenceType) -> None:
    to, from_, out, in_ = bits(state)
    step = outbound(state, approved, kind)
    expected = {
        SUBSCRIBE: ((to, from_, not to, in_), True, approved),
        UNSUBSCRIBE: ((False, from_, False, in_), True, approved),
        SUBSCRIBED: ((to, from_ or in_, out, False), in_, approved or not (from_ or in_)),
        UNSUBSCRIBED: ((to, False, out, False), from_ or in_, False),
    }[kind]
    assert (bits(step.state), step.passes, step.approved) == expected
    assert step.answer is None


@pytest.mark.parametrize(("state", "approved", "kind"), EVERYTHING)
def test_inbound(state: State, approved: bool, kind: PresenceType) -> None:
    to, from_, out, in_ = bits(state)
    step = inbound(state, approved, kind)
    grants = approved and not in_
    expected = {
        SUBSCRIBE: ((to, from_ or grants, out, not from_ and not grants), not (from_ or in_ or grants)),
        UNSUBSCRIBE: ((to, False, out, False), from_ or in_),
        SUBSCRIBED: ((to or out, from_, False, in_), out),
        UNSUBSCRIBED: ((False, from_, False, in_), to or out),
    }[kind]
    assert (bits(step.state), step.passes) == expected
    assert step.answer == (SUBSCRIBED if kind is SUBSCRIBE and (from_ or grants) else None)
    assert step.approved is approved


@pytest.mark.parametrize(("state", "approved", "kind"), EVERYTHING)
@pytest.mark.parametrize("table", [outbound, inbound])
def test_twice_is_once(table: object, state: State, approved: bool, kind: PresenceType) -> None:
    assert callable(table)
    once = table(state, approved, kind)
    twice = table(once.state, once.approved, kind)
    assert twice.state is once.state
    assert twice.approved is once.approved


ACTS = st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(SUBSCRIPTION_TYPES))), max_size=30)


@given(ACTS)
def test_two_parties_agree_after_each_exchange(acts: list[tuple[bool, PresenceType]]) -> None:
    states = {True: (State.NONE, False), False: (State.NONE, False)}
    for who, kind in acts:
        step = outbound(*states[who], kind)
        states[who] = step.state, step.approved
        travelling = [(not who, kind)] if step.passes else []
        while travelling:
            reader, arriving = travelling.pop()
            step = inbound(*states[reader], arriving)
            states[reader] = step.state, step.approved
            if step.answer is not None:
                travelling.append((not reader, step.answer))
        one, other = states[True][0], states[False][0]
        assert bits(one) == (other.seen, other.sees, other.pending_in, other.pending_out)


items = st.builds(
    RosterItem,
    jid=st.just(ROMEO),
    name=st.sampled_from(["", "Romeo"]),
    subscription=st.sampled_from([UNLISTED, "none", "to", "from", "both"]),
    ask=st.booleans(),
    approved=st.booleans(),
    groups=st.sampled_from([(), ("Friends",)]),
    pending_in=st.sampled_from([None, REQUEST]),
)
steps = st.builds(Step, st.booleans(), st.sampled_from(list(State)), st.booleans())


@given(st.none() | items, steps)
def test_an_item_holds_the_state_that_was_put_into_it(item: RosterItem | None, step: Step) -> None:
    new = applied(item, ROMEO, step, REQUEST)
    assert State.of(new) is step.state
    assert (new is not None and new.approved) is step.approved
    if new is None:
        return
    if item is not None:
        assert (new.name, new.groups) == (item.name, item.groups)
    if item is not None and item.subscription != UNLISTED:
        assert new.subscription != UNLISTED
    if new.subscription == UNLISTED:
        assert new.pending_in is not None
        assert not new.ask
        assert not new.approved


def test_a_listed_contact_stays_listed_while_they_ask_and_when_they_are_refused() -> None:
    item = RosterItem(ROMEO)
    asked = applied(item, ROMEO, inbound(State.of(item), False, SUBSCRIBE), REQUEST)
    assert asked == RosterItem(ROMEO, pending_in=REQUEST)
    assert applied(asked, ROMEO, outbound(State.of(asked), False, UNSUBSCRIBED)) == item


def test_a_stranger_who_is_refused_leaves_nothing() -> None:
    asked = applied(None, ROMEO, inbound(State.NONE, False, SUBSCRIBE), REQUEST)
    assert asked == RosterItem(ROMEO, subscription=UNLISTED, pending_in=REQUEST)
    assert applied(asked, ROMEO, outbound(State.of(asked), False, UNSUBSCRIBED)) is None


def test_the_first_of_several_requests_is_kept() -> None:
    asked = applied(None, ROMEO, inbound(State.NONE, False, SUBSCRIBE), REQUEST)
    again = applied(asked, ROMEO, inbound(State.of(asked), False, SUBSCRIBE), b"<presence/>")
    assert again == asked
