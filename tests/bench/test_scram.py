"""The client's side of SCRAM, against the example of RFC 5802 §5."""

import pytest

from bench.accounts import Accounts
from bench.load.scram import ScramClient, ScramError, client_keys


@pytest.fixture
def client() -> ScramClient:
    client = ScramClient(b"user", b"pencil")
    client._first_bare = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL"  # the nonce of the example
    return client


SERVER_FIRST = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"


def test_the_example_of_the_rfc(client: ScramClient) -> None:
    assert client.final(SERVER_FIRST) == (
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    )
    client.verify(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
    with pytest.raises(ScramError):
        client.verify(b"v=AAAApqV8S7suAoZWja4dJRkFsKQ=")


def test_a_foreign_nonce_is_refused(client: ScramClient) -> None:
    with pytest.raises(ScramError):
        client.final(SERVER_FIRST.replace(b"fyko", b"fyka"))


def test_the_accounts_of_all_servers_have_the_keys_of_the_password() -> None:
    accounts = Accounts(plain=1, friends=0)
    keys = client_keys(b"secret", b"0123456789abcdef", 10_000)
    assert (accounts.stored_key, accounts.server_key) == (keys.stored_key, keys.server_key)
