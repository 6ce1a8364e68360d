"""XEP-0433: searching for rooms."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import HAG, SERVICE, Coven
from xmpp_server.modules.muc.search import BASE, DIALECTS, ERRORS, Dialect
from xmpp_server.stanzas.forms import FieldType, Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DISCO_INFO, RSM


@pytest.fixture(params=DIALECTS, ids=["XEP-0433", "muclumbus"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def coven(coven: Coven) -> Coven:
    coven.founded(f"alpha@{SERVICE}", roomname="Cats", roomdesc="All on cats", lang="en", persistentroom="1")
    coven.founded(f"beta@{SERVICE}", roomname="Dogs", roomdesc="Not on cats", membersonly="1", whois="anyone")
    coven.founded(f"gamma@{SERVICE}", roomname="Hidden cats", publicroom="0")
    coven.enters(HAG, "hag", room=f"alpha@{SERVICE}")
    coven.quiet()
    return coven


def search(coven: Coven, dialect: Dialect, rsm: str = "", **fields: str) -> Element:
    form = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items())
    return coven.asks(
        HAG,
        "get",
        f"<search xmlns='{dialect.search}'>{rsm}<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{dialect.params}</value></field>{form}</x></search>",
        SERVICE,
    )


def items(answer: Element, dialect: Dialect) -> list[Element]:
    result = answer.find("result", dialect.search)
    assert result is not None, answer
    return list(result.findall("item", dialect.search))


def names(answer: Element, dialect: Dialect) -> list[str]:
    return [(one.get("address") or "").split("@")[0] for one in items(answer, dialect)]


def test_form(coven: Coven, dialect: Dialect) -> None:
    # §4.1, §4.2.1
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>", SERVICE)
    assert dialect.search in str(answer)
    answer = coven.asks(HAG, "get", f"<search xmlns='{dialect.search}'/>", SERVICE)
    found = answer.find("search", dialect.search)
    assert found is not None
    form = Form.of(found)
    assert form is not None
    assert form.form_type == dialect.params
    kinds = {field.var: field.type for field in form.fields}
    assert kinds["q"] is FieldType.TEXT_SINGLE
    assert kinds["key"] is FieldType.LIST_SINGLE
    assert form.value("sinname") == "true"


def test_words(coven: Coven, dialect: Dialect) -> None:
    assert names(search(coven, dialect, q="CATS"), dialect) == ["alpha", "beta"]
    assert names(search(coven, dialect, q="cats not"), dialect) == ["beta"]
    assert names(search(coven, dialect, q="cats", sindescription="0"), dialect) == ["alpha"]
    assert names(search(coven, dialect, q="alpha", sinaddress="false"), dialect) == []
    assert names(search(coven, dialect, q="cats", min_users="2"), dialect) == ["alpha"]
    assert names(search(coven, dialect, q="cats", types="xep-0369"), dialect) == []
    assert names(search(coven, dialect, q="cats", unknown="1"), dialect) == ["alpha", "beta"]
    assert names(search(coven, dialect, q="unicorn"), dialect) == []


def test_everything_sorted(coven: Coven, dialect: Dialect) -> None:
    coven.enters("juliet@example.org/x", "juliet", room=f"zeta@{SERVICE}")
    coven.configures(f"zeta@{SERVICE}", "juliet@example.org/x")
    for nick in ("nurse", "romeo"):
        coven.enters(f"{nick}@example.org/x", nick, room=f"zeta@{SERVICE}")
    assert names(search(coven, dialect, all="true", key=dialect.key("address")), dialect) == ["alpha", "beta", "zeta"]
    assert names(search(coven, dialect, all="true", key=dialect.key("nusers")), dialect) == ["zeta", "alpha", "beta"]
    page = f"<set xmlns='{RSM}'><max>1</max><after>alpha@{SERVICE}</after></set>"
    assert names(search(coven, dialect, page, all="1", key=dialect.key("address")), dialect) == ["beta"]


def test_items(coven: Coven, dialect: Dialect) -> None:
    # §6.2
    alpha, beta = items(search(coven, dialect, q="cats"), dialect)
    assert {child.name: child.text for child in alpha.elements()} == {
        "name": "Cats",
        "description": "All on cats",
        "language": "en",
        "nusers": "2",
        "service-type": "xep-0045",
        "is-open": "true",
        "anonymity-mode": "muc_semianonymous",
    }
    rest = {child.name: child.text for child in beta.elements()}
    assert "is-open" not in rest
    assert rest["anonymity-mode"] == f"{{{BASE}:anonymity}}none"


def test_rooms_that_sleep(coven: Coven, dialect: Dialect) -> None:
    for client in coven.world.clients.values():
        client.says(f"<presence type='unavailable' to='alpha@{SERVICE}/x'/>")
    coven.world.runtime.advance(600)
    assert coven.muc.rooms.get("alpha") is None
    assert [(names(search(coven, dialect, q=q), dialect)) for q in ("all on cats", "unicorn")] == [["alpha"], []]


@pytest.mark.parametrize(
    ("fields", "reason", "kind", "app"),
    [
        ({"q": "x", "key": "this-is-none"}, "feature-not-implemented", "modify", "invalid-sort-key"),
        ({"q": " "}, "bad-request", "modify", "invalid-search-terms"),
        ({"q": "x", "all": "1"}, "bad-request", "modify", "conflicting-fields"),
        ({"sinname": "1"}, "bad-request", "cancel", "no-search-conditions"),
    ],
)
def test_refused(coven: Coven, dialect: Dialect, fields: dict[str, str], reason: str, kind: str, app: str) -> None:
    # §4.2.2.2-4.2.2.7
    answer = search(coven, dialect, **fields)
    assert condition(answer) == reason
    error = answer.find("error", CLIENT)
    assert error is not None
    assert error.get("type") == kind
    assert error.find(app, ERRORS) is not None


def test_nonsense(coven: Coven, dialect: Dialect) -> None:
    assert condition(search(coven, dialect, q="x", min_users="many")) == "bad-request"
    assert condition(search(coven, dialect, q="x", all="maybe")) == "not-acceptable"
