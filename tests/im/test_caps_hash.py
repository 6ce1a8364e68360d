"""XEP-0115 §5: its own examples, and answers that are made to look like others."""

import hashlib
from base64 import b64encode

import pytest

from xmpp_server.im.caps_hash import Capabilities, is_proven, read_capabilities
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, DISCO_INFO
from xmpp_server.xml.parser import parse

FEATURES = (
    "<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>"
)
SIMPLE = f"<identity category='client' name='Exodus 0.9.1' type='pc'/>{FEATURES}"
SOFTWARE = (
    f"<x xmlns='{DATA_FORMS}' type='result'>"
    "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>"
    "<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>"
    "<field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>"
    "<field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x>"
)
COMPLEX = (
    "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
    f"<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>{FEATURES}{SOFTWARE}"
)


def query(content: str) -> Element:
    return parse(f"<query xmlns='{DISCO_INFO}'>{content}</query>".encode())


def test_examples_of_the_specification() -> None:  # §5.2, §5.3
    assert is_proven(query(SIMPLE), "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=")
    assert is_proven(query(COMPLEX), "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=")
    assert not is_proven(query(COMPLEX), "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=")


def test_other_hashes() -> None:
    text = "client/pc//Exodus 0.9.1<" + "".join(
        f"http://jabber.org/protocol/{name}<" for name in ("caps", "disco#info", "disco#items", "muc")
    )
    assert is_proven(query(SIMPLE), "sha-256", b64encode(hashlib.sha256(text.encode()).digest()).decode())
    assert is_proven(query(SIMPLE), "sha-512", b64encode(hashlib.sha512(text.encode()).digest()).decode())
    assert not is_proven(query(SIMPLE), "md5", b64encode(hashlib.md5(text.encode()).digest()).decode())


def test_a_form_without_a_hidden_form_type_does_not_count() -> None:
    open_type = SOFTWARE.replace("type='hidden'", "type='text-single'")
    for form in (open_type, f"<x xmlns='{DATA_FORMS}' type='result'/>"):
        assert is_proven(query(SIMPLE + form), "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=")


@pytest.mark.parametrize(
    "content",
    [
        SIMPLE + "<feature var='http://jabber.org/protocol/muc'/>",
        SIMPLE + "<identity category='client' name='Exodus 0.9.1' type='pc'/>",
        COMPLEX + SOFTWARE,
        COMPLEX.replace("<value>urn:", "<value>urn:other</value><value>urn:"),
    ],
)
def test_ill_formed_answers_prove_nothing(content: str) -> None:  # §5.4
    parts = query(content)
    identities = sorted(
        "/".join(one.get(key) or "" for key in ("category", "type", "xml:lang", "name")) + "<"
        for one in parts.findall("identity", DISCO_INFO)
    )
    features = sorted((one.get("var") or "") + "<" for one in parts.findall("feature", DISCO_INFO))
    text = "".join(identities + features)
    assert not is_proven(parts, "sha-1", b64encode(hashlib.sha1(text.encode()).digest()).decode())


def test_one_feature_cannot_pose_as_two() -> None:
    honest = "<feature var='a'/><feature var='b'/>"
    ver = b64encode(hashlib.sha1(b"a<b<").digest()).decode()
    assert is_proven(query(honest), "sha-1", ver)
    assert not is_proven(query("<feature var='a&lt;b'/>"), "sha-1", ver)


def test_capabilities() -> None:
    found = read_capabilities(query(COMPLEX))
    assert "http://jabber.org/protocol/muc" in found
    assert "urn:xmpp:ping" not in found
    assert ("client", "pc", "el", "Ψ 0.11") in found.identities
    assert read_capabilities(query("")) == Capabilities((), frozenset())
