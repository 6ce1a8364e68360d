"""RFC 8555: gets certificates from a CA; a process of its own, since it blocks, and loads what is seldom needed.

`python -m xmpp_server.app.acme.issuing` reads a `Job` from standard input and writes a `Report` to standard output.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from xmpp_server import __version__
from xmpp_server.app.acme import memory
from xmpp_server.app.acme.job import Item, Job, Outcome, Report
from xmpp_server.app.acme.names import known
from xmpp_server.app.acme.responder import answering
from xmpp_server.app.acme.timing import renewal_time
from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair
from xmpp_server.net.self_signed import write_private

#: How long the CA may take to look at the challenges and to issue.
ISSUE_S = 120
REQUEST_S = 30


class IssuingError(Exception):
    """There is no certificate, for the reason that the text tells the operator."""


class Issuer:
    """One visit to a CA."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._memory = memory.Memory(Path(job.folder))
        self._client: client.ClientV2 | None = None

    def run(self) -> Report:
        """Look at all certificates; what is wrong with one does not concern the others."""
        return Report(tuple(self._look_after(item) for item in self._job.items))

    def _look_after(self, item: Item) -> Outcome:
        names = (*item.names, *known(item.wanted, self._job.nameservers))
        try:
            pair = load_key_pair(Path(item.path))
        except CertificateError:
            pair = None
        renew_at = self._renew_at(item, names, pair)
        if not self._job.force and renew_at > time.time():
            return Outcome(item.path, names, renew_at=renew_at)
        try:
            issued = self._issue(item, names)
        except (IssuingError, OSError) as error:
            self._memory.failed(item.path, str(error))
            return Outcome(item.path, names, error=str(error))
        self._memory.succeeded(item.path, self._job.directory)
        return Outcome(item.path, names, issued=True, renew_at=renewal_time(issued).timestamp())

    def _renew_at(self, item: Item, names: tuple[str, ...], pair: KeyPair | None) -> float:
        """Return when to renew a certificate, in seconds since the epoch; 0 is at once."""
        if pair is None or pair.is_self_signed or not set(names) <= set(pair.names.dns):
            return 0.0
        if self._memory.of(item.path).directory != self._job.directory:
            return 0.0
        regular = renewal_time(pair).timestamp()
        return min(regular, self._suggested(pair)) if regular > time.time() else regular

    def _suggested(self, pair: KeyPair) -> float:
        """Return when the CA wants it renewed (RFC 9773): it may be going to revoke it."""
        try:
            moment, _ = self._connected().renewal_time(pair.chain[0].public_bytes(Encoding.PEM))
        except (errors.Error, IssuingError):
            return float("inf")  # the regular time is good without
        return float("inf") if moment is None else moment.timestamp()

    def _issue(self, item: Item, names: tuple[str, ...]) -> KeyPair:
        """Get a certificate with a new key, and put it in the place of the old one.

        Raises:
            IssuingError: The CA is not reached, refuses, or cannot reach us.
            OSError: The challenges cannot be served, or the files not be written.

        """
        try:
            return self._order(Path(item.path), names)
        except errors.ValidationError as error:
            raise IssuingError(_failures(error)) from None
        except errors.TimeoutError:
            raise IssuingError(f"the CA has not issued within {ISSUE_S} s") from None
        except (errors.Error, messages.Error, JoseError) as error:
            raise IssuingError(f"the CA refuses: {error}") from None
        except requests.RequestException as error:
            raise IssuingError(f"{self._job.directory} cannot be used: {error}") from None

    def _order(self, path: Path, names: tuple[str, ...]) -> KeyPair:
        acme = self._connected()
        self._register(acme)
        key = _pem(ec.generate_private_key(ec.SECP256R1()))
        order = acme.new_order(crypto_util.make_csr(key, list(names)))
        answers = self._answers(acme, order)
        texts = {each.chall.encode("token"): text for each, _, text in answers}
        with answering(self._job.http, texts) if texts else contextlib.nullcontext():
            for challenge, response, _ in answers:
                acme.answer_challenge(challenge, response)
            done = acme.poll_and_finalize(order, datetime.now() + timedelta(seconds=ISSUE_S))
        return _kept(path, key + done.fullchain_pem.encode(), names)

    def _answers(
        self, acme: client.ClientV2, order: messages.OrderResource
    ) -> list[tuple[messages.ChallengeBody, challenges.HTTP01Response, str]]:
        """Return the challenges to take up, each with what to tell the CA and what to show it."""
        answers = []
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue  # proved not long ago
            found = [each for each in authorization.body.challenges if isinstance(each.chall, challenges.HTTP01)]
            if not found:
                raise IssuingError(f"the CA does not prove {authorization.body.identifier.value} by HTTP")
            answers.append((found[0], *found[0].response_and_validation(acme.net.key)))
        return answers

    def _connected(self) -> client.ClientV2:
        if self._client is None:
            net = client.ClientNetwork(
                _account_key(Path(self._job.folder), self._job.directory),
                alg=ES256,
                user_agent=f"xmpp-server/{__version__}",
                timeout=REQUEST_S,
            )
            try:
                directory = client.ClientV2.get_directory(self._job.directory, net)
            except (requests.RequestException, errors.Error, messages.Error, ValueError) as error:
                raise IssuingError(f"{self._job.directory} cannot be used: {error}") from None
            self._client = client.ClientV2(directory, net)
        return self._client

    def _register(self, acme: client.ClientV2) -> None:
        """Make an account, or find the one that the key has (§7.3.1): a CA may have forgotten it."""
        if acme.net.account is not None:
            return
        if acme.external_account_required():
            raise IssuingError("this CA wants accounts to be made by hand (external account binding): take another")
        contact = ",".join(text.removeprefix("mailto:") for text in self._job.contact) or None
        body = messages.NewRegistration.from_data(email=contact, terms_of_service_agreed=True)
        try:
            acme.new_account(body)
        except errors.ConflictError as there:
            acme.net.account = messages.RegistrationResource(uri=there.location, body=messages.Registration())


def _account_key(folder: Path, directory: str) -> JWKEC:
    """Return the key of our account at a CA, made for the first visit.

    Raises:
        IssuingError: What stands in its file is no key.
        OSError: It cannot be read, or a new one not be written.

    """
    path = folder / f"account-{hashlib.sha256(directory.encode()).hexdigest()[:12]}.pem"
    if not path.exists():
        write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise IssuingError(f"{path}: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IssuingError(f"{path}: this is not the key of an account")
    return JWKEC(key=ComparableECKey(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _kept(path: Path, pem: bytes, names: tuple[str, ...]) -> KeyPair:
    """Put key and chain in the place of the old ones, once they are seen to be good."""
    new = path.with_suffix(".new")
    write_private(new, pem)
    try:
        pair = load_key_pair(new)
    except CertificateError as error:
        raise IssuingError(f"what the CA has issued cannot be used: {error}") from None
    missing = [name for name in names if not pair.names.covers(name)]
    if missing:
        raise IssuingError(f"the CA has issued a certificate without {', '.join(missing)}")
    os.replace(new, path)
    return pair


def _failures(error: errors.ValidationError) -> str:
    """Say which names could not be proved, and why."""
    texts = []
    for authorization in error.failed_authzrs:
        reasons = [str(each.error.detail) for each in authorization.body.challenges if each.error is not None]
        texts.append(f"{authorization.body.identifier.value}: {'; '.join(reasons)}")
    return "the CA has not found its challenge: " + " | ".join(texts)


def main() -> None:
    """Do a job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    if job.ca:
        os.environ["REQUESTS_CA_BUNDLE"] = job.ca
    sys.stdout.buffer.write(msgspec.json.encode(Issuer(job).run()) + b"\n")


if __name__ == "__main__":
    main()
