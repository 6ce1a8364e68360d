"""Configurations from files and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmpp_bot.config import EXAMPLE, Config, load
from xmpp_bot.errors import ConfigError


def test_the_example_has_all_keys_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_text(EXAMPLE)
    config = load(path, {})
    assert config.rooms[0].jid == "balcony@conference.example.org"
    assert config.store == str(tmp_path / "bot.sqlite")
    whole = EXAMPLE.replace("# server", "server").replace("# ca_file", "ca_file").replace("# direct", "direct")
    path.write_text(whole)
    assert load(path, {}).address == ("192.0.2.7", 5222)
    assert [name for name in Config.__struct_fields__ if f"{name} = " not in whole and f"[{name}]" not in whole] == []


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_text('jid = "a@b"\npassword = "x"\n')
    config = load(path, {"XMPP_BOT_JID": "c@d", "XMPP_BOT_OWNERS": "e@f,g@h", "XMPP_BOT_ROOMS": "r@m"})
    assert (config.jid, config.owners, config.rooms[0].jid) == ("c@d", ("e@f", "g@h"), "r@m")
    alone = load(None, {"XMPP_BOT_JID": "c@d", "XMPP_BOT_PASSWORD": "x", "XMPP_BOT_COMMANDS_PER_MINUTE": "5"})
    assert alone.commands_per_minute == 5


def test_the_password_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    path = tmp_path / "bot.toml"
    path.write_text('jid = "a@b"\npassword_file = "secret"\n')
    assert load(path, {}).password == "geheim"


@pytest.mark.parametrize("text", ["", 'jid = "a@b"', 'jid = "a"\npassword = "x"', "jid = ", 'colour = "red"'])
def test_what_is_wrong_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bot.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(path, {})


def test_addresses() -> None:
    assert Config(jid="a@b", server="[::1]:5223").address == ("::1", 5223)
    assert Config(jid="a@b").address is None
    with pytest.raises(ConfigError):
        _ = Config(jid="a@b", server="example.org").address
