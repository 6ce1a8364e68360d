"""RFC 5802, RFC 7677, RFC 5929, RFC 9266, XEP-0474: SCRAM exchanges."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

import pytest

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.credentials import HASHES, SALT_BYTES, ScramKeys, derive
from xmpp_server.sasl.mechanism import Ask, Challenge, CredentialsQuery, Disabled, SaslContext, Step, Success
from xmpp_server.sasl.scram import Scram

MakeContext = Callable[..., SaslContext]


class Client(Protocol):
    signature: bytes

    def first(self) -> bytes: ...
    def final(self, server_first: bytes, extra: str = "") -> bytes: ...


ScramClient = Callable[..., Client]
EXPORTER = b"exported, here"


def keys_for(password: str = "pencil", hash_name: str = "SHA-256") -> ScramKeys:
    return derive(password, hash_name, b"0123456789abcdef", 10)


def challenged(exchange: Scram, first: bytes, answer: ScramKeys | Disabled | None) -> bytes:
    assert isinstance(exchange.respond(first), Ask)
    step = exchange.answer(answer)
    assert isinstance(step, Challenge)
    return step.data


def exchanged(exchange: Scram, client: Client, answer: ScramKeys | Disabled | None) -> Step:
    return exchange.respond(client.final(challenged(exchange, client.first(), answer)))


def refused(call: Callable[[], object]) -> SaslCondition:
    with pytest.raises(SaslError) as caught:
        call()
    return caught.value.condition


# The examples of the specifications


def test_rfc_5802_section_5(make_context: MakeContext) -> None:
    context = make_context(nonce=lambda: "3rfcNHYJY1ZVvWVs7j", downgrade_protection=False)
    exchange = Scram(context, "SHA-1", plus=False)
    query = exchange.respond(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
    assert query == Ask(CredentialsQuery("user", "SHA-1"))
    assert exchange.answer(derive("pencil", "SHA-1", b64decode("QSXCR+Q6sek8bf92"), 4096)) == Challenge(
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    )
    assert exchange.respond(
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    ) == Success("user", b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


def test_rfc_7677_section_3(make_context: MakeContext) -> None:
    context = make_context(nonce=lambda: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", downgrade_protection=False)
    exchange = Scram(context, "SHA-256", plus=False)
    exchange.respond(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert exchange.answer(derive("pencil", "SHA-256", b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert exchange.respond(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    ) == Success("user", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_xep_0474_example(make_context: MakeContext) -> None:
    context = make_context(
        nonce=lambda: "a09117a6-ac50-4f2f-93f1-93799c2bddf6",
        offered=("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"),
        channel_bindings={"tls-server-end-point": b"", "tls-exporter": b"THIS IS FAKE CB DATA"},
    )
    exchange = Scram(context, "SHA-1", plus=True)
    exchange.respond(b"p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6")
    assert exchange.answer(derive("pencil", "SHA-1", b64decode("QSXCR+Q6sek8bf92"), 4096)) == Challenge(
        b"r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,"
        b"i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="
    )
    assert exchange.respond(
        b"c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,"
        b"r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,"
        b"x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4="
    ) == Success("user", b"v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=")


# What succeeds


@pytest.mark.parametrize(("hash_name", "digest"), HASHES.items())
def test_each_hash(context: SaslContext, scram_client: ScramClient, hash_name: str, digest: str) -> None:
    client = scram_client(digest)
    step = exchanged(Scram(context, hash_name, plus=False), client, keys_for(hash_name=hash_name))
    assert step == Success("user", client.signature)


@pytest.mark.parametrize(
    ("binding", "data"), [("tls-exporter", EXPORTER), ("tls-server-end-point", b"\0certificate\xff")]
)
def test_each_binding(context: SaslContext, scram_client: ScramClient, binding: str, data: bytes) -> None:
    client = scram_client("sha256", gs2=f"p={binding},,", binding=data)
    step = exchanged(Scram(context, "SHA-256", plus=True), client, keys_for())
    assert step == Success("user", client.signature)


def test_the_name_is_prepared_and_escaped(context: SaslContext, scram_client: ScramClient) -> None:
    client = scram_client("sha256", user="U=S,er", gs2="n,a=u=3Ds=2Cer@example.org,")
    assert exchanged(Scram(context, "SHA-256", plus=False), client, keys_for()) == Success("u=s,er", client.signature)


def test_extensions_are_ignored_but_signed(context: SaslContext, scram_client: ScramClient) -> None:
    client = scram_client("sha256", nonce="clientnonce,x=1")
    exchange = Scram(context, "SHA-256", plus=False)
    server_first = challenged(exchange, client.first(), keys_for())
    assert b"r=clientnonceservernonce," in server_first
    assert exchange.respond(client.final(server_first, ",y=2")) == Success("user", client.signature)


def test_y_where_no_plus_is_offered(make_context: MakeContext, scram_client: ScramClient) -> None:
    context = make_context(offered=("SCRAM-SHA-256", "PLAIN"), channel_bindings={})
    client = scram_client("sha256", gs2="y,,")
    step = exchanged(Scram(context, "SHA-256", plus=False), client, keys_for())
    assert step == Success("user", client.signature)


def test_without_an_initial_response(context: SaslContext, scram_client: ScramClient) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    assert exchange.respond(None) == Challenge(b"")
    client = scram_client("sha256")
    assert exchanged(exchange, client, keys_for()) == Success("user", client.signature)


# Downgrade protection


def test_no_binding_types_in_the_hash_where_none_are_announced(make_context: MakeContext) -> None:
    context = make_context(offered=("SCRAM-SHA-256", "PLAIN"))
    first = challenged(Scram(context, "SHA-256", plus=False), b"n,,n=user,r=a", keys_for())
    assert b64decode(first.partition(b",h=")[2]) == sha256(b"PLAIN\x1eSCRAM-SHA-256").digest()


def test_a_client_that_signs_another_offer_fails(context: SaslContext, scram_client: ScramClient) -> None:
    client = scram_client("sha256")
    exchange = Scram(context, "SHA-256", plus=False)
    server_first = challenged(exchange, client.first(), keys_for())
    tampered = server_first.partition(b",h=")[0] + b",h=" + b64encode(bytes(32))
    assert refused(lambda: exchange.respond(client.final(tampered))) is SaslCondition.NOT_AUTHORIZED


def test_y_while_plus_is_offered_is_a_downgrade(context: SaslContext) -> None:
    for plus in (False, True):
        exchange = Scram(context, "SHA-256", plus=plus)
        assert refused(lambda: exchange.respond(b"y,,n=user,r=a")) is SaslCondition.NOT_AUTHORIZED  # noqa: B023


# What is refused


@pytest.mark.parametrize(
    ("plus", "first"),
    [
        (False, b"p=tls-exporter,,n=user,r=a"),
        (True, b"n,,n=user,r=a"),
        (True, b"p=tls-unique,,n=user,r=a"),
        (False, b"n,,n=user"),
        (False, b"\xff"),
        (False, b""),
    ],
)
def test_malformed_first_messages(context: SaslContext, plus: bool, first: bytes) -> None:
    exchange = Scram(context, "SHA-256", plus=plus)
    assert refused(lambda: exchange.respond(first)) is SaslCondition.MALFORMED_REQUEST


@pytest.mark.parametrize("name", ["user@example.org", "us er", "us\u200ber"])
def test_names_that_no_account_can_have(context: SaslContext, name: str) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    assert refused(lambda: exchange.respond(f"n,,n={name},r=a".encode())) is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("authzid", ["admin@example.org", "user@evil.org", "user", "user@example.org/x"])
def test_authzid_of_another(context: SaslContext, authzid: str) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    first = f"n,a={authzid},n=user,r=a".encode()
    assert refused(lambda: exchange.respond(first)) is SaslCondition.INVALID_AUTHZID


def test_wrong_password(context: SaslContext, scram_client: ScramClient) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    client = scram_client("sha256", password="pen")
    assert refused(lambda: exchanged(exchange, client, keys_for())) is SaslCondition.NOT_AUTHORIZED


def test_binding_of_another_connection(context: SaslContext, scram_client: ScramClient) -> None:
    exchange = Scram(context, "SHA-256", plus=True)
    client = scram_client("sha256", gs2="p=tls-exporter,,", binding=b"the attacker's")
    assert refused(lambda: exchanged(exchange, client, keys_for())) is SaslCondition.NOT_AUTHORIZED


def test_another_gs2_header_in_the_end(context: SaslContext, scram_client: ScramClient) -> None:
    client = scram_client("sha256", gs2="y,,")
    exchange = Scram(context, "SHA-256", plus=False)
    server_first = challenged(exchange, b"n,,n=user,r=clientnonce", keys_for())
    assert refused(lambda: exchange.respond(client.final(server_first))) is SaslCondition.NOT_AUTHORIZED


def test_another_nonce_in_the_end(context: SaslContext, scram_client: ScramClient) -> None:
    client = scram_client("sha256")
    exchange = Scram(context, "SHA-256", plus=False)
    server_first = challenged(exchange, client.first(), keys_for())
    other = server_first.replace(b"servernonce", b"servernoncE")
    assert refused(lambda: exchange.respond(client.final(other))) is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("proof", ["AA==", b64encode(bytes(31)).decode(), b64encode(bytes(32)).decode()])
def test_forged_proofs(context: SaslContext, proof: str) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    challenged(exchange, b"n,,n=user,r=a", keys_for())
    final = f"c=biws,r=aservernonce,p={proof}".encode()
    assert refused(lambda: exchange.respond(final)) is SaslCondition.NOT_AUTHORIZED


def test_malformed_final_message(context: SaslContext) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    challenged(exchange, b"n,,n=user,r=a", keys_for())
    assert refused(lambda: exchange.respond(b"c=biws")) is SaslCondition.MALFORMED_REQUEST


# Whether an account exists


def test_an_unknown_user_gets_a_stable_challenge_like_a_real_one(context: SaslContext) -> None:
    once = challenged(Scram(context, "SHA-256", plus=False), b"n,,n=nobody,r=a", None)
    again = challenged(Scram(context, "SHA-256", plus=False), b"n,,n=NOBODY,r=a", None)
    other = challenged(Scram(context, "SHA-256", plus=False), b"n,,n=nobody2,r=a", None)
    assert once == again
    assert once != other
    salt = dict(part.split(b"=", 1) for part in once.split(b","))[b"s"]
    assert len(b64decode(salt)) == SALT_BYTES
    assert b",i=4096," in once


def test_an_unknown_user_fails_at_the_proof(context: SaslContext, scram_client: ScramClient) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    with pytest.raises(SaslError) as unknown:
        exchanged(exchange, scram_client("sha256"), None)
    with pytest.raises(SaslError) as wrong:
        exchanged(Scram(context, "SHA-256", plus=False), scram_client("sha256", password="x"), keys_for())
    assert unknown.value.args == wrong.value.args


def test_only_who_has_the_password_learns_that_an_account_is_disabled(
    context: SaslContext, scram_client: ScramClient
) -> None:
    def condition(password: str) -> SaslCondition:
        exchange = Scram(context, "SHA-256", plus=False)
        client = scram_client("sha256", password=password)
        return refused(lambda: exchanged(exchange, client, Disabled(keys_for())))

    assert condition("pencil") is SaslCondition.ACCOUNT_DISABLED
    assert condition("wrong") is SaslCondition.NOT_AUTHORIZED


def test_storage_away(context: SaslContext) -> None:
    exchange = Scram(context, "SHA-256", plus=False)
    exchange.respond(b"n,,n=user,r=a")
    error = SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)
    assert refused(lambda: exchange.answer(error)) is SaslCondition.TEMPORARY_AUTH_FAILURE
