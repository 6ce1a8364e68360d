"""XEP-0500: slow mode."""

from __future__ import annotations

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, Coven, codes
from tests.world import Client
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DATA_FORMS, DATA_VALIDATE, DISCO_INFO, MUC_OWNER

SLOW = "muc#roomconfig_slow_mode_duration"


def said(client: Client, inside: str = "<body>x</body>") -> Element:
    client.says(f"<message to='{ROOM}' type='groupchat'>{inside}</message>")
    [answer] = client.hears()
    return answer


def test_waiting(coven: Coven) -> None:
    # §6
    owner = coven.founded(changesubject="1", **{SLOW: "20"})
    hag = coven.enters(HAG, "hag")
    coven.quiet()
    assert said(hag).get("type") == "groupchat"
    refused = said(hag)
    assert condition(refused) == "policy-violation"
    error = refused.find("error", CLIENT)
    assert error is not None
    assert error.get("type") == "wait"
    assert "20 seconds" in str(error)
    # no message in the sense of the rule
    assert said(hag, "<active xmlns='http://jabber.org/protocol/chatstates'/>").get("type") == "groupchat"
    assert said(hag, "<subject>y</subject>").get("type") == "groupchat"
    owner.hears()
    assert [said(owner).get("type") for _ in range(2)] == ["groupchat"] * 2
    hag.hears()
    coven.world.runtime.advance(20)
    assert said(hag).get("type") == "groupchat"
    # an account is one, whatever it is called
    hag.says(f"<presence to='{ROOM}/other'/>")
    hag.hears()
    assert condition(said(hag)) == "policy-violation"


def test_form(coven: Coven) -> None:
    # §5.1
    coven.founded()
    answer = coven.asks(CRONE, "get", f"<query xmlns='{MUC_OWNER}'/>")
    query = answer.find("query", MUC_OWNER)
    assert query is not None
    x = query.find("x", DATA_FORMS)
    assert x is not None
    [field] = [one for one in x.findall("field", DATA_FORMS) if one.get("var") == "muc#roomconfig_slow_mode_duration"]
    assert field.get("type") == "text-single"
    validate = field.find("validate", DATA_VALIDATE)
    assert validate is not None
    assert validate.get("datatype") == "xs:integer"
    [bounds] = validate.elements()
    assert bounds.get("min") == "0"
    assert condition(coven.configures(**{SLOW: "-1"})) == "not-acceptable"
    assert condition(coven.configures(**{SLOW: "many"})) == "not-acceptable"


def test_told(coven: Coven) -> None:
    # §5.2
    def told() -> str | None:
        query = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>").find("query", DISCO_INFO)
        assert query is not None
        form = Form.of(query)
        assert form is not None
        return form.value("muc#roominfo_slow_mode_duration")

    coven.founded()
    assert told() == "0"
    coven.configures(**{SLOW: "20"})
    assert codes(coven.rest[0]) == {"104"}
    assert told() == "20"
    coven.configures(**{SLOW: "0"})
    assert told() == "0"
    assert coven.open().room.config.more == {}
