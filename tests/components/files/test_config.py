"""The configuration: the documented file loads and holds the defaults, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from components.xmpp_component.config import ConfigError
from components.xmpp_files.config import load
from components.xmpp_files.settings import Config

EXAMPLE = Path(__file__).parents[3] / "config" / "files.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "files.toml"
    path.write_text(text)
    return path


@pytest.fixture
def example(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "files.secret").write_text("s3cret\n")
    return written(tmp_path, EXAMPLE.read_text())


def test_the_example_holds_every_key_with_its_default(example, tmp_path):
    config = load(example)
    assert config.server.secret == "s3cret"
    assert config.folder == tmp_path / "var" / "files"
    plain = load(written(tmp_path, '[server]\nsecret = "s3cret"\n'))
    own, other = msgspec.to_builtins(config), msgspec.to_builtins(plain)
    own["server"]["secret_file"] = ""
    assert own == other


def test_the_example_names_every_key():
    text = EXAMPLE.read_text()

    def keys(table: type[msgspec.Struct]) -> set[str]:
        found: set[str] = set()
        for field in msgspec.structs.fields(table):
            found |= {field.name}
            if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                found |= keys(field.type)
        return found

    words = set(re.findall(r"\w+", text))
    assert keys(Config) - words == set()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server]\n", "secret"),
        ('[server]\nsecret = "a"\nsecret_file = "b"\n', "secret"),
        ('[server]\nsecret_file = "missing"\n', "missing"),
        ('[server]\nsecret = "a"\naddress = "nowhere"\n', "server.address"),
        ('[server]\nsecret = "a"\naddress = "unix:/x"\ntls = true\n', "server.tls"),
        ('[server]\nsecret = "a"\n[http]\nlisten = ["nowhere"]\n', "http.listen"),
        ('[server]\nsecret = "a"\n[http]\ncertificate = "x"\n', "certificate"),
        ('[server]\nsecret = "a"\n[http]\npublic_url = "ftp://x"\n', "public_url"),
        ('[server]\nsecret = "a"\n[upload]\nmax_file_bytes = "big"\n', "upload.max_file_bytes"),
        ('[server]\nsecret = "a"\n[upload]\ncolour = "red"\n', "colour"),
        ('[server]\nsecret = "a"\n[upload]\ndomain = ""\n[proxy]\ndomain = ""\n', "nothing"),
        ('[server]\nsecret = "a"\n[upload]\ndomain = "x"\n[proxy]\ndomain = "x"\n', "proxy.domain"),
        ('[server]\nsecret = "a"\n[s3]\naccess_key_id = "x"\n', "s3: access_key_id"),
        ('[server]\nsecret = "a"\n[s3]\nsecret_access_key = "x"\nsecret_access_key_file = "y"\n', "s3: either"),
        (
            '[server]\nsecret = "a"\n[s3]\naccess_key_id = "x"\nsecret_access_key_file = "y"\n',
            "s3.secret_access_key_file",
        ),
        ('[server]\nsecret = "a"\n[s3]\nendpoint = "ftp://x"\n', "s3.endpoint"),
        ('[server]\nsecret = "a"\n[s3]\nbucket = "x"\n[upload]\nscan = ["x"]\n', "upload.scan"),
        ("[server\n", "TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        load(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_the_key_of_s3_is_read_from_its_file(tmp_path):
    (tmp_path / "key").write_text("word\n")
    text = '[server]\nsecret = "a"\n[s3]\nbucket = "x"\naccess_key_id = "y"\nsecret_access_key_file = "key"\n'
    assert load(written(tmp_path, text)).s3.secret_access_key == "word"
