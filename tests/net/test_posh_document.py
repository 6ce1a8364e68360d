"""POSH documents: what is one, and which fingerprints of it count."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.net.posh_document import FINGERPRINTS, PoshError, parse

CERTIFICATE = b"not really, but any bytes will do"


def fingerprint(certificate: bytes = CERTIFICATE, function: str = "sha256") -> str:
    return base64.b64encode(hashlib.new(function, certificate).digest()).decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"fingerprints": [{"sha-256": "YQ=="}]}',
        b'{"fingerprints": [{"sha-256": "YQ=="}], "expires": 0}',
        b'{"fingerprints": [{"sha-256": "YQ=="}], "expires": -1}',
        b'{"fingerprints": [{"sha-256": "YQ=="}], "expires": "60"}',
        b'{"fingerprints": [], "expires": 60}',
        b'{"fingerprints": [{"md5": "YQ=="}, {"sha-1": "YQ=="}, {"sha-256": "?"}], "expires": 60}',
        b'{"url": 1, "expires": 60}',
    ],
)
def test_what_is_no_document(body):
    with pytest.raises(PoshError):
        parse(body)


@given(st.binary())
def test_rubbish_is_no_document(body):
    with pytest.raises(PoshError):
        parse(body)


def test_the_strongest_fingerprint_of_a_certificate_counts():
    """An attacker who can make two certificates of one weak hash gains nothing."""
    hashes = {"sha-1": "YQ==", "sha-256": fingerprint(), "sha-512": fingerprint(b"another", "sha512")}
    document = parse(json.dumps({"fingerprints": [hashes], "expires": 60}).encode())
    assert not document.names(CERTIFICATE)
    assert document.names(b"another")


def test_too_many_certificates():
    entries = [{"sha-256": fingerprint(bytes([number]))} for number in range(100)]
    document = parse(json.dumps({"fingerprints": entries, "expires": 60}).encode())
    assert len(document.fingerprints) == FINGERPRINTS
