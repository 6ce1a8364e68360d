"""RFC 5802 §3 and RFC 8265 §4.2: keys and passwords."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.sasl.credentials import (
    HASHES,
    SALT_BYTES,
    PasswordError,
    derive,
    derive_all,
    fake_keys,
    prepare_password,
    verify_password,
)


def test_keys_of_the_rfc_example() -> None:
    keys = derive("pencil", "SHA-1", b64decode("QSXCR+Q6sek8bf92"), 4096)
    assert keys.stored_key == b64decode("6dlGYMOdZcOPutkcNY8U2g7vK9Y=")
    assert keys.server_key == b64decode("D+CSWLOshSulAsxiupA+qs2/fTE=")


@pytest.mark.parametrize("password", ["pencil", "with space", "pass=word,", "p\u00e4ss", "\u6587\u5b57", "\u2163"])
def test_prepared_passwords(password: str) -> None:
    assert prepare_password(password) == password


def test_preparation_normalizes() -> None:
    assert prepare_password("a\u0301") == "\u00e1"  # NFC
    assert prepare_password("a\u3000b") == "a b"  # any space is a plain one


@pytest.mark.parametrize(
    "password", ["", "a\0b", "a\tb", "a\nb", "\x7f", "a\u200bb", "x" * 1025, "\u20ac" * 400, "\ud800"]
)
def test_refused_passwords(password: str) -> None:
    with pytest.raises(PasswordError):
        prepare_password(password)


def test_longest_password() -> None:
    assert prepare_password("x" * 1024)


@given(st.text(max_size=20))
def test_preparation_is_stable(password: str) -> None:
    try:
        prepared = prepare_password(password)
    except PasswordError:
        return
    assert prepare_password(prepared) == prepared


@pytest.mark.parametrize("hash_name", HASHES)
def test_verify(hash_name: str) -> None:
    keys = derive("p\u00e4ss", hash_name, b"salt", 10)
    assert verify_password(keys, hash_name, "pa\u0308ss")
    assert not verify_password(keys, hash_name, "pass")
    assert not verify_password(keys, hash_name, "")


def test_a_fresh_salt_for_each_hash() -> None:
    made = derive_all("pencil", 10)
    assert set(made) == set(HASHES)
    assert len({keys.salt for keys in made.values()}) == len(HASHES)
    assert all(len(keys.salt) == SALT_BYTES and keys.iterations == 10 for keys in made.values())
    assert all(verify_password(keys, name, "pencil") for name, keys in made.items())
    assert set(derive_all("pencil", 10, ["SHA-256"])) == {"SHA-256"}


def test_fake_keys_are_stable_and_look_real() -> None:
    fake = fake_keys(b"secret", "nobody@example.org", "SHA-256", 10)
    assert fake == fake_keys(b"secret", "nobody@example.org", "SHA-256", 10)
    assert (len(fake.salt), fake.iterations, len(fake.stored_key)) == (SALT_BYTES, 10, 32)
    others = [
        fake_keys(b"other", "nobody@example.org", "SHA-256", 10),
        fake_keys(b"secret", "nobody@example.net", "SHA-256", 10),
        fake_keys(b"secret", "nobody@example.org", "SHA-512", 10),
    ]
    assert fake.salt not in {other.salt for other in others}
    assert not verify_password(fake, "SHA-256", "pencil")


def test_keys_stay_out_of_logs() -> None:
    keys = derive("pencil", "SHA-1", b"salt", 10)
    assert repr(keys.stored_key) not in repr(keys)
    assert repr(keys.server_key) not in repr(keys)
