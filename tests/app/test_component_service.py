"""Secrets of components, and what their streams may take."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.app.live_server import running, settings
from tests.world import World
from xmpp_server.app.component_service import ComponentsPolicy, component_limits, rows, secret_of
from xmpp_server.app.config import ConfigError
from xmpp_server.app.settings import Component, Config, Limits, ModuleSettings
from xmpp_server.core.component import Component as Route
from xmpp_server.modules.archive.module import ArchiveConfig

FILES = "files.localhost"


def test_a_secret_in_the_configuration(tmp_path: Path) -> None:
    assert secret_of(Component(domains=(FILES,), secret="geheim"), "components[0]", tmp_path) == "geheim"
    assert list(tmp_path.iterdir()) == []


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(" geheim\n")
    settings = Component(domains=(FILES,), secret_file=str(tmp_path / "s"))
    assert secret_of(settings, "components[0]", tmp_path) == "geheim"


def test_a_secret_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    settings = Component(domains=(FILES,), run=("true",))
    made = secret_of(settings, "components[0]", tmp_path)
    assert len(made) >= 32
    assert secret_of(settings, "components[0]", tmp_path) == made
    assert (tmp_path / f"component-{FILES}.secret").stat().st_mode & 0o777 == 0o600


def test_a_program_finds_the_secret_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / f"component-{FILES}.secret"
    for secret in ("geheim", "changed"):
        assert secret_of(Component(domains=(FILES,), run=("true",), secret=secret), "components[0]", tmp_path) == secret
        assert path.read_text() == f"{secret}\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_a_file_without_a_secret_is_an_error_of_the_configuration(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        secret_of(Component(domains=(FILES,), secret_file=str(tmp_path / "s")), "components[1]", tmp_path)
    assert caught.value.key == "components[1]"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        secret_of(Component(domains=(FILES,), secret_file=str(tmp_path)), "components[0]", tmp_path)


def test_stream_ids_cannot_be_guessed_and_strangers_have_no_secret() -> None:
    policy = ComponentsPolicy(Config(), {FILES: "geheim"})
    assert len({policy.stream_id() for _ in range(100)}) == 100
    assert policy.secret(FILES) == "geheim"
    assert policy.secret("localhost") is None


def test_what_a_client_may_send_fits_when_it_is_forwarded() -> None:
    limits = component_limits(Config(limits=Limits(stanza_bytes=10_000, stanza_depth=200)))
    assert limits.after_auth.stanza_bytes == 20_000
    assert limits.after_auth.depth == 200
    assert limits.before_auth.stanza_bytes == 10_000


async def test_a_domain_is_not_shared_with_a_module(tmp_path: Path) -> None:
    base = settings(tmp_path)
    component = Component(domains=(FILES, "conference.localhost"), secret="geheim")
    with pytest.raises(ConfigError, match=r"conference\.localhost is a module's"):
        async with running(msgspec.structs.replace(base, components=(component,))):
            pass


def test_rows_tell_the_state() -> None:
    world = World("localhost")
    component = Route((FILES, "proxy.localhost"), world.router, world.runtime)
    assert rows([component])[0]["state"] == "away"
    component.expect()
    assert rows([component])[0] | {"state": "expected"} == {
        "component": FILES,
        "domains": [FILES, "proxy.localhost"],
        "state": "expected",
        "connections": 0,
        "peers": [],
        "queued": 0,
        "open_requests": 0,
        "sent": 0,
        "received": 0,
    }


@pytest.mark.parametrize(("domains", "told"), [(("archive.localhost",), 0), ((FILES,), 1)])
async def test_an_archive_that_nothing_serves_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], domains: tuple[str, ...], told: int
) -> None:
    config = settings(tmp_path, modules={"archive": ModuleSettings(enabled=True, config=ArchiveConfig())})
    config = msgspec.structs.replace(config, components=(Component(domains=domains, secret="geheim"),))
    async with running(config):
        pass
    assert "".join(capsys.readouterr()).count("archive-not-configured") == told
