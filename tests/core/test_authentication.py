"""The built-in back end of authentication, and the back-off."""

from collections.abc import Awaitable

import pytest

from tests.world import World
from xmpp_server.core.accounts import ABSENT_LIMIT
from xmpp_server.core.authentication import Backoff, Peer, StoredAccounts
from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.sasl.mechanism import (
    AnonymousQuery,
    Answer,
    CertificateQuery,
    CredentialsQuery,
    Disabled,
    PasswordQuery,
)
from xmpp_server.storage.api import StorageBusyError

ROMEO = JID.parse("romeo@example.org")
PEER = Peer("192.0.2.1")


async def compute(work: object) -> bool:
    return work()  # type: ignore[operator, no-any-return]


def ask(world: World, answer: Answer | Awaitable[Answer]) -> Answer:
    return world.run(answer) if isinstance(answer, Awaitable) else answer


@pytest.fixture
def world() -> World:
    world = World()
    world.run(world.host.provisioning.create(ROMEO, "secret"))
    return world


@pytest.fixture
def backend(world: World) -> StoredAccounts:
    return StoredAccounts(world.host, compute, b"k" * 32, 10_000)


def test_credentials_of_a_known_and_an_unknown_account(world: World, backend: StoredAccounts) -> None:
    keys = ask(world, backend.answer(CredentialsQuery("romeo", "SHA-256"), PEER))
    assert isinstance(keys, ScramKeys)
    assert keys.iterations == 10_000
    assert ask(world, backend.answer(CredentialsQuery("nobody", "SHA-256"), PEER)) is None


def test_credentials_of_an_account_in_memory_need_no_wait(world: World, backend: StoredAccounts) -> None:
    query = CredentialsQuery("romeo", "SHA-256")
    assert isinstance(ask(world, backend.answer(query, PEER)), ScramKeys)
    assert isinstance(backend.answer(query, PEER), ScramKeys)
    assert backend.answer(CredentialsQuery("romeo", "unknown"), PEER) is None


def test_unknown_names_are_answered_as_fast_as_known_ones(world: World, backend: StoredAccounts) -> None:
    query = CredentialsQuery("nobody", "SHA-256")
    assert ask(world, backend.answer(query, PEER)) is None
    assert backend.answer(query, PEER) is None
    world.run(world.host.provisioning.create(JID.parse("nobody@example.org"), "secret"))
    assert isinstance(ask(world, backend.answer(query, PEER)), ScramKeys)
    assert ask(world, backend.answer(PasswordQuery("nobody", "secret"), PEER)) is True


def test_a_name_that_was_taken_while_it_was_looked_up_is_not_unknown(world: World) -> None:
    juliet = JID.parse("juliet@example.org")

    async def read_slowly(*_: object) -> None:
        await world.host.provisioning.create(juliet, "secret")

    world.storage.load_account = read_slowly  # type: ignore[method-assign, assignment]
    assert world.run(world.host.accounts.load(juliet)) is None
    assert not world.host.accounts.is_absent("juliet")


def test_few_unknown_names_are_remembered(world: World, backend: StoredAccounts) -> None:
    for number in range(ABSENT_LIMIT + 1):
        ask(world, backend.answer(CredentialsQuery(f"nobody{number}", "SHA-256"), PEER))
    assert not world.host.accounts.is_absent("nobody0")
    assert world.host.accounts.is_absent("nobody1")


def test_passwords(world: World, backend: StoredAccounts) -> None:
    assert ask(world, backend.answer(PasswordQuery("romeo", "secret"), PEER)) is True
    assert ask(world, backend.answer(PasswordQuery("romeo", "wrong"), PEER)) is False
    assert ask(world, backend.answer(PasswordQuery("nobody", "secret"), PEER)) is False


def test_a_disabled_account_is_told_only_to_who_knows_the_password(world: World, backend: StoredAccounts) -> None:
    world.storage.accounts.set_enabled(ROMEO, False)
    assert isinstance(ask(world, backend.answer(CredentialsQuery("romeo", "SHA-1"), PEER)), Disabled)
    assert ask(world, backend.answer(PasswordQuery("romeo", "wrong"), PEER)) is False
    with pytest.raises(SaslError) as raised:
        ask(world, backend.answer(PasswordQuery("romeo", "secret"), PEER))
    assert raised.value.condition is SaslCondition.ACCOUNT_DISABLED


@pytest.mark.parametrize(
    ("names", "authzid", "expected"),
    [
        (("romeo@example.org",), None, "romeo"),
        (("romeo@example.org",), "romeo@example.org", "romeo"),
        (("romeo@example.org",), "juliet@example.org", None),
        (("romeo@example.org", "juliet@example.org"), None, None),
        (("romeo@example.org", "juliet@example.org"), "romeo@example.org", "romeo"),
        (("romeo@elsewhere.example",), None, None),
        (("nobody@example.org",), None, None),
        ((), None, None),
    ],
)
def test_certificates_name_accounts(
    world: World, backend: StoredAccounts, names: tuple[str, ...], authzid: str | None, expected: str | None
) -> None:  # XEP-0178 §2
    peer = Peer("192.0.2.1", tuple(JID.parse(name) for name in names))
    query = CertificateQuery(None if authzid is None else JID.parse(authzid))
    assert ask(world, backend.answer(query, peer)) == expected


def test_anonymous_names_cannot_be_guessed(world: World, backend: StoredAccounts) -> None:
    names = {ask(world, backend.answer(AnonymousQuery(), PEER)) for _ in range(5)}
    assert len(names) == 5
    assert all(isinstance(name, str) and len(name) >= 20 for name in names)


def test_a_storage_that_fails_is_a_temporary_failure(world: World, backend: StoredAccounts) -> None:
    async def fail(*_: object) -> None:
        raise StorageBusyError("locked")

    world.storage.load_account = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(SaslError) as raised:
        ask(world, backend.answer(CredentialsQuery("romeo", "SHA-1"), PEER))
    assert raised.value.condition is SaslCondition.TEMPORARY_AUTH_FAILURE


def test_the_back_off_grows_is_capped_and_fades() -> None:
    backoff = Backoff(after=2, delay_s=1.0, max_s=5.0)
    delays = []
    for _ in range(7):
        backoff.fail("address", 0.0)
        delays.append(backoff.delay("address", 0.0))
    assert delays == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert backoff.delay("other", 0.0) == 0.0
    backoff.succeed("address")
    assert backoff.delay("address", 0.0) == 0.0
    for _ in range(9):
        backoff.fail("address", 0.0)
    assert backoff.delay("address", 51.0) == 0.0


def test_the_back_off_remembers_a_bounded_number() -> None:
    backoff = Backoff(after=1, delay_s=1.0, max_s=5.0)
    for number in range(Backoff.LIMIT + 10):
        backoff.fail(str(number), 0.0)
    assert backoff.delay("0", 0.0) == 0.0
    assert backoff.delay(str(Backoff.LIMIT), 0.0) == 1.0
