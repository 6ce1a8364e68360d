"""What the server tells the program: enough to go without a file, and the file's keys go before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.xmpp_component.config import ConfigError
from components.xmpp_files.config import load


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret").write_text("s3cret\n")
    return {
        "COMPONENT_SERVER": "127.0.0.1:15347",
        "COMPONENT_DOMAINS": "upload.a.example proxy.a.example",
        "COMPONENT_SECRET_FILE": str(tmp_path / "secret"),
        "COMPONENT_DATA": str(tmp_path / "data"),
        "COMPONENT_CERTIFICATE": "/tls/a.pem",
        "COMPONENT_KEY": "/tls/a.key",
    }


def test_no_file_is_needed(environ: dict[str, str], tmp_path: Path) -> None:
    config = load(None, environ)
    assert (config.server.address, config.server.secret) == ("127.0.0.1:15347", "s3cret")
    assert (config.upload.domain, config.proxy.domain) == ("upload.a.example", "proxy.a.example")
    assert (config.http.certificate, config.http.key, config.http.host) == ("/tls/a.pem", "/tls/a.key", "a.example")
    assert config.folder == tmp_path / "data"


def test_the_domains_say_what_is_served(environ: dict[str, str]) -> None:
    config = load(None, {**environ, "COMPONENT_DOMAINS": "files.a.example"})
    assert (config.upload.domain, config.proxy.domain) == ("files.a.example", "")
    config = load(None, {**environ, "COMPONENT_DOMAINS": "proxy.a.example"})
    assert (config.upload.domain, config.proxy.domain) == ("", "proxy.a.example")


def test_the_file_goes_before(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "files.toml"
    file.write_text(
        'data_dir = "own"\n[server]\nsecret = "other"\n[upload]\nmax_file_bytes = 5\n[proxy]\ndomain = ""\n'
        '[http]\ncertificate = "own.pem"\nkey = "own.key"\n'
    )
    config = load(file, environ)
    assert (config.server.address, config.server.secret) == ("127.0.0.1:15347", "other")
    assert (config.upload.domain, config.upload.max_file_bytes) == ("upload.a.example", 5)
    assert config.proxy.domain == ""
    assert (config.http.certificate, config.http.host) == (str(tmp_path / "own.pem"), "")
    assert config.folder == tmp_path / "own"


def test_mistakes_are_named(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["COMPONENT_SECRET_FILE"]
    with pytest.raises(ConfigError, match=r"environment: server: either secret or secret_file"):
        load(None, environ)
    file = tmp_path / "files.toml"
    file.write_text("http = 1\n")
    with pytest.raises(ConfigError, match=r"files.toml: http: Expected `object`"):
        load(file, environ)


def test_nothing_is_taken_from_an_environment_of_others() -> None:
    with pytest.raises(ConfigError, match="either secret or secret_file"):
        load(None, {"COMPONENT_DOMAINS": "upload.a.example"})
