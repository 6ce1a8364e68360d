"""XEP-0215: who is told what, credentials that expire, and requests that ask too much."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tests.modules.conftest import condition
from tests.virtual_runtime import START
from tests.world import Client, World
from xmpp_server.jid import JID
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.external_services import (
    NS,
    NS_OLD,
    ExternalService,
    ExternalServices,
    ExternalServicesConfig,
    credentials,
)
from xmpp_server.xml.element import Element

Played = Callable[..., World]
STUN = ExternalService(type="stun", host="stun.shakespeare.lit")
TURN = ExternalService(type="turn", host="turn.shakespeare.lit", port=9999, secret="geheim", ttl_s=3600)
TURNS = ExternalService(type="turns", host="turn.shakespeare.lit", secret="geheim")
FTP = ExternalService(
    type="ftp", host="192.0.2.1", name="Files", port=20, transport="tcp", username="guest", password="x"
)
OTHERS = ExternalService(type="sip", host="2001:db8::1", restricted=True)
SERVICES = (STUN, TURN, TURNS, FTP, OTHERS)
ALL = f"<services xmlns='{NS}'/>"


def offering(*services: ExternalService, anonymous: bool = False) -> Callable[[], ExternalServices]:
    return lambda: ExternalServices(ExternalServicesConfig(services, anonymous))


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(ServiceDiscovery, offering(*SERVICES)))


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login("romeo@example.org/orchard")


def asked(client: Client, payload: str) -> list[Element]:
    answer = client.asks("get", payload, to="example.org")
    assert answer.get("type") == "result", answer
    assert answer.first is not None
    return list(answer.first.elements())


def wanted(*attributes: str, ns: str = NS) -> str:
    inner = "".join(f"<service {text}/>" for text in attributes)
    return f"<credentials xmlns='{ns}'>{inner}</credentials>"


def test_services_and_credentials(played: Played) -> None:
    # §3.2 and §3.3, with a password that everybody has
    relay = ExternalService(type="turn", host="turn.shakespeare.lit", username="nb78", password="jj92")
    played(
        """
        bard@example.org/globe connects
        bard@example.org/globe > <iq id='yv2' to='example.org' type='get'>
                <services xmlns='urn:xmpp:extdisco:2' type='turn'/></iq>
        bard@example.org/globe < <iq from='example.org' id='yv2' to='bard@example.org/globe' type='result'>
                <services xmlns='urn:xmpp:extdisco:2' type='turn'>
                <service host='turn.shakespeare.lit' password='jj92' port='3478' restricted='true' transport='udp'
                type='turn' username='nb78'/></services></iq>
        bard@example.org/globe > <iq id='xi2' to='example.org' type='get'><credentials xmlns='urn:xmpp:extdisco:2'>
                <service host='turn.shakespeare.lit' type='turn' /></credentials></iq>
        bard@example.org/globe < <iq from='example.org' id='xi2' to='bard@example.org/globe' type='result'>
                <credentials xmlns='urn:xmpp:extdisco:2'>
                <service host='turn.shakespeare.lit' password='jj92' port='3478' restricted='true' transport='udp'
                type='turn' username='nb78'/></credentials></iq>
        """,
        offering(STUN, relay),
    )


def test_what_is_told_of_each_service(romeo: Client) -> None:
    told = [
        {name: value for name, value in entry.attrs.items() if name not in ("username", "password", "expires")}
        for entry in asked(romeo, ALL)
    ]
    turn = {"host": "turn.shakespeare.lit", "restricted": "true"}
    assert told == [
        {"type": "stun", "host": "stun.shakespeare.lit", "port": "3478", "transport": "udp"},
        {"type": "turn", "port": "9999", "transport": "udp", **turn},
        {"type": "turns", "port": "5349", "transport": "tcp", **turn},
        {"type": "ftp", "host": "192.0.2.1", "port": "20", "transport": "tcp", "name": "Files", "restricted": "true"},
        {"type": "sip", "host": "2001:db8::1", "restricted": "true"},
    ]


def test_time_limited_credentials(romeo: Client) -> None:
    [turn] = asked(romeo, f"<services xmlns='{NS}' type='turn'/>")
    expiry, _, user = turn.attrs["username"].partition(":")
    assert int(expiry) == (START + timedelta(seconds=3600)).timestamp()
    assert turn.get("expires") == "2024-02-29T13:00:00Z"
    assert user
    assert "romeo" not in user
    expected = hmac.digest(b"geheim", turn.attrs["username"].encode(), "sha1")
    assert turn.get("password") == b64encode(expected).decode()


def test_a_user_has_one_name_at_a_service_and_nobody_else_has_it() -> None:
    def user(jid: str, service: ExternalService = TURN) -> str:
        given = credentials(service, JID.parse(jid), START)
        assert given is not None
        return given.username

    assert user("romeo@example.org/a") == user("romeo@example.org/b")
    assert user("romeo@example.org") != user("juliet@example.org")
    assert user("romeo@example.org") != user("romeo@example.org", msgspec.structs.replace(TURN, secret="other"))


def test_older_clients_are_told_what_their_version_knows(romeo: Client) -> None:
    [turn] = asked(romeo, f"<services xmlns='{NS_OLD}' type='turn'/>")
    assert turn.ns == NS_OLD
    assert set(turn.attrs) == {"type", "host", "port", "transport", "username", "password"}
    assert asked(romeo, wanted("type='turn' host='turn.shakespeare.lit'", ns=NS_OLD)) == [turn]


def test_a_type_that_there_is_none_of(romeo: Client) -> None:
    assert asked(romeo, f"<services xmlns='{NS}' type='pop3'/>") == []


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        (("type='turn' host='TURN.shakespeare.lit'",), ["turn"]),
        (("type='turn' host='turn.shakespeare.lit' port='9999' transport='udp'",), ["turn"]),
        (("type='turns' host='turn.shakespeare.lit'", "type='ftp' host='192.0.2.1'"), ["turns", "ftp"]),
        (("type='turn' host='turn.shakespeare.lit'",) * 20, ["turn"]),
    ],
)
def test_credentials_of_named_services(romeo: Client, attributes: tuple[str, ...], found: list[str]) -> None:
    assert [entry.get("type") for entry in asked(romeo, wanted(*attributes))] == found


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ((), "bad-request"),
        (("type='turn'",), "bad-request"),
        (("host='turn.shakespeare.lit'",), "bad-request"),
        (("type='turn' host='turn.shakespeare.lit'",) * 21, "bad-request"),
        (("type='turn' host='elsewhere.lit'",), "item-not-found"),
        (("type='turn' host='turn.shakespeare.lit' port='1'",), "item-not-found"),
        (("type='turn' host='turn.shakespeare.lit' port='x'",), "item-not-found"),
        (("type='turn' host='turn.shakespeare.lit' transport='tcp'",), "item-not-found"),
        (("type='sip' host='2001:db8::1'",), "item-not-found"),
    ],
)
def test_requests_for_credentials_that_there_are_none_for(
    romeo: Client, attributes: tuple[str, ...], error: str
) -> None:
    assert condition(romeo.asks("get", wanted(*attributes), to="example.org")) == error


def test_a_service_that_needs_no_credentials(romeo: Client) -> None:
    [stun] = asked(romeo, wanted("type='stun' host='stun.shakespeare.lit'"))
    assert set(stun.attrs) == {"type", "host", "port", "transport"}


def test_strangers_learn_nothing(world: World) -> None:
    eve = world.remote("example.net")
    for payload in (ALL, wanted("type='turn' host='turn.shakespeare.lit'")):
        eve.says(f"<iq from='eve@example.net/x' to='example.org' type='get' id='1'>{payload}</iq>")
        [answer] = eve.hears()
        assert condition(answer) == "forbidden"


@pytest.mark.parametrize("allowed", [False, True])
def test_anonymous_users_get_credentials_only_where_they_may(allowed: bool) -> None:
    world = World("example.org", modules=(offering(STUN, TURN, anonymous=allowed),))
    world.host.accounts.add_anonymous(JID.parse("guest@example.org"))
    guest = world.login("guest@example.org/x")
    assert guest.account.anonymous
    assert [entry.get("password") is not None for entry in asked(guest, ALL)] == [False, allowed]
    answer = guest.asks("get", wanted("type='turn' host='turn.shakespeare.lit'"), to="example.org")
    assert answer.get("type") == ("result" if allowed else "error")


def features(world: World) -> set[str]:
    info = world.login("romeo@example.org/a").asks(
        "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to="example.org"
    )
    assert info.first is not None
    return {one.get("var") or "" for one in info.first.findall("feature", info.first.ns)}


def test_it_is_announced_where_there_are_services(world: World) -> None:
    assert {NS, NS_OLD} <= features(world)
    without = World("example.org", modules=(ServiceDiscovery, ExternalServices))
    assert not {NS, NS_OLD} & features(without)
    assert condition(without.login("romeo@example.org/b").asks("get", ALL, to="example.org")) == "service-unavailable"


@pytest.mark.parametrize(
    "values",
    [
        {"type": "turn"},
        {"type": "turn", "host": ""},
        {"type": "two words", "host": "h"},
        {"type": "turn", "host": "[::1]"},
        {"type": "turn", "host": "turn:h:1/x"},
        {"type": "turn", "host": "h", "port": 65_536},
        {"type": "turn", "host": "h", "transport": "sctp"},
        {"type": "turn", "host": "h", "ttl_s": 1},
        {"type": "turn", "host": "h", "secret": "s", "username": "u", "password": "p"},
        {"type": "turn", "host": "h", "username": "u"},
        {"type": "turn", "host": "h", "password": "p"},
    ],
)
def test_configurations_that_make_no_sense(values: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"services": [values]}, ExternalServicesConfig)


def test_no_secret_is_in_a_representation() -> None:
    assert "geheim" not in repr(TURN)
    assert "geheim" not in repr(ExternalServicesConfig((TURN,)))
