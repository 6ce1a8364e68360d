"""What the components' configurations have in common: reading, complaints, the server's table, what a server tells."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from components.xmpp_component import environment
from components.xmpp_component.config import ConfigError, checked_addresses, checked_server, complaints, folder_of, read
from components.xmpp_component.settings import Server, Table

TOLD = {"COMPONENT_SERVER": "unix:/run/door", "COMPONENT_SECRET_FILE": "/s", "COMPONENT_DOMAINS": "a.b c.b"}


class Whole(Table, frozen=True, kw_only=True):
    server: Server = Server()


def test_no_file_is_an_empty_one() -> None:
    assert read(None) == {}
    assert folder_of(None) == Path.cwd()


@pytest.mark.parametrize(("text", "complaint"), [(b"a = ", "is not TOML"), (b"\xff", "is not TOML")])
def test_files_that_are_none(tmp_path: Path, text: bytes, complaint: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=complaint):
        read(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "missing")


def test_complaints_name_the_place() -> None:
    with pytest.raises(ConfigError, match=r"^x: server.tls: Expected `bool`"), complaints(Path("x")):
        msgspec.convert({"server": {"tls": 1}}, Whole)
    with pytest.raises(ConfigError, match=r"^environment: Object contains unknown field `colour`"), complaints(None):
        msgspec.convert({"colour": 1}, Whole)
    with pytest.raises(ConfigError, match=r"^x: a.b: 'c' is neither"), complaints(Path("x")):
        checked_addresses("a.b", ["c"], Path())


def test_the_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" word\n")
    assert checked_server(Server(secret_file="secret"), tmp_path).secret == "word"
    assert checked_server(Server(secret="own", address="unix:/run/door"), tmp_path).secret == "own"


def test_relative_paths_of_sockets_start_at_the_folder(tmp_path: Path) -> None:
    assert checked_server(Server(secret="own", address="unix:door"), tmp_path).address == f"unix:{tmp_path}/door"
    texts = ["unix:door", "unix:/run/door", "[::1]:80"]
    assert checked_addresses("a.b", texts, tmp_path) == (f"unix:{tmp_path}/door", "unix:/run/door", "[::1]:80")


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (Server(), "either secret or secret_file"),
        (Server(secret="a", secret_file="b"), "either secret or secret_file"),
        (Server(secret_file="missing"), "cannot be read"),
        (Server(secret_file="empty"), "is empty"),
        (Server(secret="a", address="x"), "server.address"),
        (Server(secret="a", address="unix:/x", tls=True), "not on a Unix socket"),
    ],
)
def test_what_is_wrong_with_a_server(tmp_path: Path, server: Server, complaint: str) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match=complaint):
        checked_server(server, tmp_path)


def test_what_a_server_tells_comes_after_what_stands_in_the_file() -> None:
    assert not environment.is_supervised({})
    assert environment.is_supervised(TOLD)
    assert environment.domains(TOLD) == ["a.b", "c.b"]
    assert environment.door({}, TOLD) == {"address": "unix:/run/door", "secret_file": "/s"}
    tables: environment.Tables = {"server": {"secret": "own"}, "x": 1}
    told: environment.Tables = {"server": environment.door(tables, TOLD)} | environment.data({"COMPONENT_DATA": "/d"})
    merged = environment.merged(tables, told)
    assert merged == {"server": {"secret": "own", "address": "unix:/run/door"}, "x": 1, "data_dir": "/d"}
    assert environment.merged({"server": 5}, told)["server"] == 5  # the complaint comes with the types
    assert environment.data({}) == {}
