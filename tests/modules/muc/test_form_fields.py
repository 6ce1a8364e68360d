"""The fields of room configuration, next to those of the registry, of Prosody 0.12 and of ejabberd 23.01."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven, codes, item
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, DISCO_INFO, MUC_OWNER

PREFIX = "muc#roomconfig_"
#: XEP-0045 §16.5.3
REGISTRY = (
    "muc#maxhistoryfetch",
    *(
        PREFIX + name
        for name in (
            "allowinvites",
            "allowpm",
            "changesubject",
            "enablelogging",
            "getmemberlist",
            "lang",
            "maxusers",
            "membersonly",
            "moderatedroom",
            "passwordprotectedroom",
            "persistentroom",
            "presencebroadcast",
            "publicroom",
            "pubsub",
            "roomadmins",
            "roomdesc",
            "roomname",
            "roomowners",
            "roomsecret",
            "whois",
        )
    ),
)
#: What Prosody and ejabberd offer beyond, and what it is here: the same, another field, or a reason that it is none.
BEYOND = {
    "muc#roomconfig_allowvisitornickchange": "muc#roomconfig_allowvisitornickchange",
    "muc#roomconfig_allowvisitorstatus": "muc#roomconfig_allowvisitorstatus",
    "muc#roomconfig_allowvoicerequests": "muc#roomconfig_allowvoicerequests",
    "muc#roomconfig_defaulthistorymessages": "muc#roomconfig_defaulthistorymessages",
    "muc#roomconfig_historylength": "muc#maxhistoryfetch",
    "muc#roomconfig_voicerequestmininterval": "muc#roomconfig_voicerequestmininterval",
    "allow_private_messages": "muc#roomconfig_allowpm",
    "allow_private_messages_from_visitors": "allow_private_messages_from_visitors",
    "allow_query_users": "allow_query_users",
    "members_by_default": "members_by_default",
    "public_list": "public_list",
    "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites": "muc#roomconfig_allowinvites",
}
NOT_HERE = {
    "muc#roomconfig_allow_subscription": "ejabberd's own protocol; XEP-0437 and XEP-0452 tell absent members",
    "muc#roomconfig_captcha_protected": "XEP-0158 has no part in this server",
    "muc#roomconfig_captcha_whitelist": "the same",
    "muc#roomconfig_mam": "of the archive: see its room_setting",
}


def form_of(coven: Coven) -> Form:
    query = coven.asks(CRONE, "get", f"<query xmlns='{MUC_OWNER}'/>").find("query", MUC_OWNER)
    assert query is not None
    form = query.find("x", DATA_FORMS)
    assert form is not None
    return Form.parse(form)


def test_every_field_is_there(coven: Coven) -> None:
    coven.founded()
    ours = {field.var for field in form_of(coven).fields}
    assert {*REGISTRY, *BEYOND.values()} <= ours
    assert not NOT_HERE.keys() & ours


def test_what_is_told_to_everybody(coven: Coven) -> None:
    """XEP-0045 §16.5.4; of directories and published logs there are none to tell of."""
    coven.founded(whois="anyone", roomdesc="For witches", lang="en", pubsub="xmpp:p.example?;node=n", changesubject="1")
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>")
    query = answer.find("query", DISCO_INFO)
    assert query is not None
    form = query.find("x", DATA_FORMS)
    assert form is not None
    told = {field.var: field.values for field in Form.parse(form).fields}
    assert told["muc#roominfo_contactjid"] == ("crone1@example.org",)
    assert told["muc#roominfo_description"] == ("For witches",)
    assert told["muc#roominfo_lang"] == ("en",)
    assert told["muc#roominfo_occupants"] == ("1",)
    assert told["muc#roominfo_subject"] == ("",)
    assert told["muc#roominfo_subjectmod"] == told["muc#roomconfig_changesubject"] == ("1",)
    assert told["muc#roomconfig_pubsub"] == ("xmpp:p.example?;node=n",)
    assert told["muc#roomconfig_allowinvites"] == ("0",)
    assert told["muc#roomconfig_allowpm"] == ("anyone",)
    assert told["muc#maxhistoryfetch"] == ("50",)


def test_voice_at_first(coven: Coven) -> None:
    coven.founded(moderatedroom="1", members_by_default="1")
    entered = coven.enters(HAG, "thirdwitch").hears()
    assert item(entered[1]).get("role") == "participant"
    coven.configures(members_by_default="0")
    coven.quiet()
    entered = coven.enters(WICCA, "secondwitch").hears()
    assert {codes(one) == {"110"}: item(one).get("role") for one in entered if one.name == "presence"}[
        True
    ] == "visitor"


@pytest.mark.parametrize(
    ("whom", "moderator", "other"), [("anyone", True, True), ("moderators", True, False), ("nobody", False, False)]
)
def test_to_whom_visitors_whisper(coven: Coven, whom: str, moderator: bool, other: bool) -> None:
    coven.founded(moderatedroom="1", allow_private_messages_from_visitors=whom)
    hag, wicca = coven.enters(HAG, "thirdwitch"), coven.enters(WICCA, "secondwitch")
    coven.quiet()

    def arrives(nick: str, at: str) -> bool:
        hag.says(f"<message to='{ROOM}/{nick}' type='chat'><body>psst</body></message>")
        refused: list[Element] = hag.hears()
        assert all(condition(one) == "forbidden" for one in refused)
        heard = coven.client(at).hears()
        assert bool(heard) is not bool(refused)
        return bool(heard)

    assert arrives("firstwitch", CRONE) is moderator
    assert arrives("secondwitch", WICCA) is other
    coven.administers(CRONE, "<item nick='thirdwitch' role='participant'/>")
    coven.quiet()
    assert arrives("secondwitch", WICCA)
    assert not wicca.hears()
