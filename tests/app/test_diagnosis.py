from __future__ import annotations

import msgspec
import pytest

from xmpp_server.app import diagnosis
from xmpp_server.app.diagnosis import Level, diagnose
from xmpp_server.app.settings import S2S, Config, Dns, DomainTls, Listen, Storage, Tls
from xmpp_server.net.self_signed import ensure_self_signed


@pytest.fixture
def config(tmp_path):
    return Config(domains=("localhost",), data_dir=str(tmp_path))


def changed(config: Config, **values: object) -> Config:
    return msgspec.structs.replace(config, **values)


async def levels(config: Config, subject: str) -> list[Level]:
    return [finding.level for finding in await diagnose(config, (subject,))]


async def test_the_defaults_are_fine(config):
    findings = await diagnose(config, tuple(diagnosis.CHECKS))
    assert {finding.level for finding in findings} == {Level.OK}
    assert {finding.subject for finding in findings} == set(diagnosis.CHECKS)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"listen": Listen(c2s=(), c2s_tls=())}, "no client can connect"),
        ({"domains": ("example.org",)}, "only clients on this machine can connect"),
        ({"listen": Listen(c2s=("0.0.0.0:5222",)), "tls": Tls(require=False)}, "passwords may travel in clear"),
        ({"admins": ("a@elsewhere",)}, "admins from elsewhere: a@elsewhere"),
    ],
)
async def test_configurations_that_lead_nowhere(config, values, text):
    findings = await diagnose(changed(config, **values), ("config",))
    (found,) = [finding for finding in findings if finding.level is not Level.OK]
    assert found.text == text
    assert found.remedy


async def test_certificates(config, tmp_path):
    path = ensure_self_signed(tmp_path / "tls", ["example.org"]).source
    pair = DomainTls(certificate=path, key=path)
    good = changed(config, domains=("example.org",), tls=Tls(certificate=path, key=path))
    assert await levels(good, "tls") == [Level.OK]
    other = changed(good, domains=("example.org", "example.net"))
    assert await levels(other, "tls") == [Level.OK, Level.ERROR]
    by_sni = changed(config, domains=("localhost", "example.org"), tls=Tls(domains={"example.org": pair}))
    assert await levels(by_sni, "tls") == [Level.WARNING, Level.OK]
    missing = changed(config, tls=Tls(certificate=str(tmp_path / "none"), key=path))
    assert await levels(missing, "tls") == [Level.ERROR]


async def test_a_certificate_that_ends_soon(config, tmp_path, monkeypatch):
    path = ensure_self_signed(tmp_path / "tls", ["localhost"]).source
    config = changed(config, tls=Tls(certificate=path, key=path))
    monkeypatch.setattr(diagnosis, "WARN_DAYS", 10_000)
    assert await levels(config, "tls") == [Level.WARNING]


async def test_dns_that_does_not_answer(config, monkeypatch):
    monkeypatch.setattr(diagnosis, "DNS_TIMEOUT_S", 0.05)
    config = changed(config, domains=("example.org",), s2s=S2S(enabled=False, dns=Dns(nameservers=("127.0.0.1:9",))))
    assert await levels(config, "dns") == [Level.WARNING, Level.WARNING]


async def test_storage(config, tmp_path):
    assert await levels(config, "storage") == [Level.OK]
    (tmp_path / "xmpp.db").write_text("nonsense" * 1000)
    assert await levels(config, "storage") == [Level.ERROR]
    assert await levels(changed(config, storage=Storage(url="memory:")), "storage") == [Level.WARNING]
    nowhere = changed(config, storage=Storage(url="postgresql://nobody@127.0.0.1:9/none"))
    assert await levels(nowhere, "storage") == [Level.ERROR]
