from __future__ import annotations

import msgspec
import pytest

from xmpp_server.app import diagnosis
from xmpp_server.app.diagnosis import diagnose
from xmpp_server.app.finding import Level
from xmpp_server.app.settings import Config, Listen, Storage, Tls

DOORS = ("0.0.0.0:0",)


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
        ({"domains": ("example.org",), "listen": Listen(s2s=DOORS)}, "only clients on this machine can connect"),
        ({"domains": ("example.org",), "listen": Listen(c2s=DOORS)}, "only servers on this machine can connect"),
        ({"listen": Listen(c2s=("0.0.0.0:5222",)), "tls": Tls(require=False)}, "passwords may travel in clear"),
        ({"admins": ("a@elsewhere",)}, "admins from elsewhere: a@elsewhere"),
    ],
)
async def test_configurations_that_lead_nowhere(config, values, text):
    findings = await diagnose(changed(config, **values), ("config",))
    (found,) = [finding for finding in findings if finding.level is not Level.OK]
    assert found.text == text
    assert found.remedy


async def test_storage(config, tmp_path):
    assert await levels(config, "storage") == [Level.OK]
    (tmp_path / "xmpp.db").write_text("nonsense" * 1000)
    assert await levels(config, "storage") == [Level.ERROR]
    assert await levels(changed(config, storage=Storage(url="memory:")), "storage") == [Level.WARNING]
    nowhere = changed(config, storage=Storage(url="postgresql://nobody@127.0.0.1:9/none"))
    assert await levels(nowhere, "storage") == [Level.ERROR]
