"""`config/archive.toml` says what the defaults are, and mistakes are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from components.xmpp_archive.config import load
from components.xmpp_archive.settings import Config
from components.xmpp_component.config import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config" / "archive.toml"


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "archive.toml"
    shutil.copy(EXAMPLE, path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "archive.secret").write_text("secret\n")
    config = load(path)
    server = replace(config.server, secret="", secret_file="")
    assert config.server.secret == "secret"
    assert replace(config, server=server, data_dir="var/archive") == Config()
    assert config.database == tmp_path / "var" / "archive" / "archive.db"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = ", "is not TOML"),
        ("colour = 1", "unknown field"),
        ("[server]", "either secret or secret_file"),
        ("[server]\nsecret = 'a'\naddress = 'localhost'", "neither host:port"),
        ("[server]\nsecret_file = 'missing'", "cannot be read"),
        ("[server]\nsecret = 'a'\n[pages]\ndefault = 60\nmost = 50", "must not be more"),
        ("[server]\nsecret = 'a'\n[pages]\nmost = 0", "pages.most"),
        ("url = 'mysql://a'\n[server]\nsecret = 'a'", "must begin with"),
        ("url = 'postgresql://${env:NO_SUCH_NAME}@a/b'\n[server]\nsecret = 'a'", "NO_SUCH_NAME"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "archive.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "archive.toml")


def test_a_server_that_runs_us_tells_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "archive.toml"
    path.write_text("")
    secret = tmp_path / "secret"
    secret.write_text("word")
    environ = {
        "COMPONENT_SERVER": "127.0.0.1:1234",
        "COMPONENT_DOMAINS": "archive.example.org other.example.org",
        "COMPONENT_SECRET_FILE": str(secret),
    }
    server = load(path, environ).server
    assert (server.address, server.domain, server.secret) == ("127.0.0.1:1234", "archive.example.org", "word")
    assert server.hosts == ("example.org", "example.org")
    path.write_text("[server]\naddress = 'localhost:1'\ndomain = 'a.b'\nsecret = 'c'")
    server = load(path, environ).server
    assert (server.address, server.domain, server.secret) == ("localhost:1", "a.b", "c")
    assert server.hosts == ()


def test_no_file_is_needed_where_the_server_says_it_all(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("word")
    environ = {
        "COMPONENT_SERVER": "unix:/run/components",
        "COMPONENT_DOMAINS": "archive.a.example archive.b.example",
        "COMPONENT_SECRET_FILE": str(tmp_path / "secret"),
        "COMPONENT_DATA": str(tmp_path / "data"),
    }
    config = load(None, environ)
    assert (config.server.domain, config.server.hosts) == ("archive.a.example", ("a.example", "b.example"))
    assert config.database == tmp_path / "data" / "archive.db"
