"""The components that come with the server: on by default, told what they need, left out where they cannot run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import structlog

from tests.world import World
from xmpp_server.app import bundled
from xmpp_server.app.component_service import ComponentService
from xmpp_server.app.config import load
from xmpp_server.app.modules import MODULE_CONFIGS, build_modules, is_enabled
from xmpp_server.app.settings import Component, Config
from xmpp_server.modules.archive import Archive
from xmpp_server.net.self_signed import FILE_NAME, ensure_self_signed

FILES = Component(domains=("upload.a.example", "proxy.a.example"), run=("xmpp-files",))


def test_both_run_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, {})
    archive, files = config.components
    assert (archive.domains, archive.run) == (("archive.localhost",), ("xmpp-archive",))
    assert (files.domains, files.run) == (("upload.localhost", "proxy.localhost"), ("xmpp-files",))
    assert "archive" in [module.name for module in build_modules(config, "localhost")]


def test_the_archive_is_on_where_its_component_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "server.toml"

    def hosts(more: str) -> list[str]:
        path.write_text('domains = ["a.example", "b.example"]\n' + more)
        config = load(path, MODULE_CONFIGS, {})
        return [domain for domain in config.domains if is_enabled(Archive, config, domain)]

    component = '[[components]]\ndomains = ["archive.b.example"]\nrun = ["xmpp-archive"]\n'
    assert hosts("") == []
    assert hosts(component) == ["b.example"]
    assert hosts(component + "[modules.archive]\nenabled = false") == []
    assert hosts(component + '[modules.archive]\ncomponent = "archive.b.example"') == ["a.example", "b.example"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert hosts(component) == []


def test_a_file_says_itself_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text("")
    assert load(path, {}, {}).components == ()


def test_programs_learn_where_the_server_is(tmp_path: Path) -> None:
    made = str(bundled.self_signed_folder(tmp_path) / FILE_NAME)
    told = bundled.environment(FILES, Config(data_dir=str(tmp_path)), ["127.0.0.1:5347"], (made, made))
    assert told == {
        "COMPONENT_SERVER": "127.0.0.1:5347",
        "COMPONENT_DOMAINS": "upload.a.example proxy.a.example",
        "COMPONENT_DATA": f"{tmp_path}/components/upload.a.example",
        "COMPONENT_CERTIFICATE": f"{tmp_path}/tls/self-signed.pem",
        "COMPONENT_KEY": f"{tmp_path}/tls/self-signed.pem",
        "COMPONENT_SECRET_FILE": f"{tmp_path}/component-upload.a.example.secret",
    }
    ensure_self_signed(bundled.self_signed_folder(tmp_path), ["a.example"])
    assert Path(told["COMPONENT_KEY"]).exists()


def test_the_certificate_that_is_told(tmp_path: Path) -> None:
    other = Component(domains=("upload.b.example",), secret="geheim")
    told = bundled.environment(other, Config(data_dir=str(tmp_path)), [], ("b.pem", "b.key"))
    assert (told["COMPONENT_CERTIFICATE"], told["COMPONENT_KEY"]) == ("b.pem", "b.key")


def test_without_the_extra_they_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("localhost")
    others = Component(domains=("irc.localhost",), run=("irc-gateway",))
    config = Config(data_dir=str(tmp_path), components=(FILES, others))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with structlog.testing.capture_logs() as logged:
        service = ComponentService(config, world.router, world.runtime)
    assert [str(component.jid) for component in service.components.all] == ["irc.localhost"]
    (line,) = logged
    assert (line["event"], line["component"]) == ("component-not-installed", "upload.a.example")
    assert "xmpp-server[components]" in line["hint"]
