"""Grants of components, as the configuration writes them."""

from __future__ import annotations

import pytest

from xmpp_server.core.grants import Delegation, Grants


def test_nothing_is_granted_by_default() -> None:
    grants = Grants.parse((), ())
    assert grants == Grants()
    assert not grants.may_ask("urn:xmpp:ping", "get")


def test_all_privileges() -> None:
    grants = Grants.parse(("roster=both", "message=outgoing", "presence=roster"), ())
    assert (grants.roster, grants.message, grants.presence) == ("both", True, "roster")


def test_iq_by_namespace_and_for_the_rest() -> None:
    grants = Grants.parse(("iq:urn:x=get", "iq=set", "iq:urn:y=both"), ())
    asked = {(ns, kind) for ns in ("urn:x", "urn:y", "urn:z") for kind in ("get", "set") if grants.may_ask(ns, kind)}
    assert asked == {("urn:x", "get"), ("urn:y", "get"), ("urn:y", "set"), ("urn:z", "set")}


def test_delegations_with_and_without_attributes() -> None:
    grants = Grants.parse((), ("urn:xmpp:mam:2 @node @queryid", "http://jabber.org/protocol/pubsub"))
    assert grants.delegations == (
        Delegation("urn:xmpp:mam:2", ("node", "queryid")),
        Delegation("http://jabber.org/protocol/pubsub"),
    )


@pytest.mark.parametrize("text", ["", "all", "roster", "roster=all", "message=incoming", "presence=both", "iq:=get"])
def test_what_is_no_privilege(text: str) -> None:
    with pytest.raises(ValueError, match="no privilege"):
        Grants.parse((text,), ())


@pytest.mark.parametrize("roster", [(), ("roster=set",)])
def test_presence_of_rosters_needs_the_roster(roster: tuple[str, ...]) -> None:
    """XEP-0356 §7.4: "The server MUST reject the permission"."""
    with pytest.raises(ValueError, match="needs roster"):
        Grants.parse((*roster, "presence=roster"), ())


@pytest.mark.parametrize("text", ["", "urn:xmpp:delegation:2", "urn:x node", "urn:x @"])
def test_what_cannot_be_delegated(text: str) -> None:
    with pytest.raises(ValueError, match=r"delegated|namespace"):
        Grants.parse((), (text,))
