"""XEP-0045 §7.13, §8.6: asking for voice."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, Coven, item
from tests.world import Client
from xmpp_server.stanzas.forms import Form


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded(moderatedroom="1")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def fill(client: Client, kind: str = "submit", **fields: str) -> None:
    form = "".join(f"<field var='muc#{name}'><value>{value}</value></field>" for name, value in fields.items())
    client.says(
        f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='{kind}'><field var='FORM_TYPE'>"
        f"<value>http://jabber.org/protocol/muc#request</value></field>{form}</x></message>"
    )


def test_asked_and_granted(coven: Coven, hag: Client) -> None:
    fill(hag, role="participant")
    assert not hag.hears()
    owner = coven.client(CRONE)
    [message] = owner.hears()
    form = Form.of(message)
    assert form is not None
    assert (form.value("muc#roomnick"), form.value("muc#jid"), form.value("muc#request_allow")) == (
        "thirdwitch",
        HAG,
        "0",
    )
    fill(owner, role="participant", jid=HAG, roomnick="thirdwitch", request_allow="0")
    assert not hag.hears()
    fill(owner, role="participant", jid=HAG, roomnick="thirdwitch", request_allow="1")
    assert item(hag.hears()[0]).get("role") == "participant"


def test_refused(coven: Coven, hag: Client) -> None:
    def reason(client: Client, **fields: str) -> str:
        fill(client, **fields)
        return condition(client.hears()[-1])

    owner = coven.client(CRONE)
    assert reason(owner, role="participant") == "conflict"
    assert reason(hag, role="moderator") == "bad-request"
    assert reason(hag, roomnick="thirdwitch", request_allow="1") == "forbidden"
    assert reason(coven.client("stranger@example.org/x"), role="participant") == "not-acceptable"
    fill(hag, role="participant")
    assert reason(hag, role="participant") == "policy-violation"
    assert reason(owner, roomnick="nobody", request_allow="1") == "item-not-found"
    assert reason(owner, roomnick="thirdwitch", jid="other@example.org/x", request_allow="1") == "item-not-found"
    coven.configures(allowvoicerequests="0")
    coven.quiet()
    assert reason(hag, role="participant") == "forbidden"


def test_cancelled(coven: Coven, hag: Client) -> None:
    fill(coven.client(CRONE), "cancel")
    assert not coven.client(CRONE).hears()


def test_other_forms(coven: Coven, hag: Client) -> None:
    hag.says(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'/></message>")
    assert condition(hag.hears()[0]) == "bad-request"
