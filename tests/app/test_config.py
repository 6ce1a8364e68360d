from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
from msgspec import inspect

import xmpp_server.im
import xmpp_server.modules
from xmpp_server.app.config import ConfigError, load
from xmpp_server.app.settings import Config, Limits
from xmpp_server.core.module import Module
from xmpp_server.im.roster import RosterConfig
from xmpp_server.modules.register import RegisterConfig

EXAMPLE = Path(__file__).parents[2] / "config" / "example.toml"


class PingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    interval_s: float = 60.0


MODULES = {"ping": PingConfig, "register": RegisterConfig, "roster": RosterConfig}


def every_module() -> Iterator[type[Module]]:
    """All modules that there are, in the list of `app.modules` or not."""
    for package in (xmpp_server.im, xmpp_server.modules):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            file = importlib.import_module(info.name)
            for value in vars(file).values():
                if isinstance(value, type) and issubclass(value, Module) and value.__module__ == info.name:
                    yield value


MODULE_CONFIGS = {module.name: module.Config for module in every_module() if hasattr(module, "name")}


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str, **environ: str) -> Config:
        path = tmp_path / "server.toml"
        path.write_text(dedent(text), "utf-8")
        return load(path, MODULES, environ)

    return read


def refused(read, text: str, **environ: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    assert caught.value.path is not None
    return caught.value.key, caught.value.reason


def test_who_is_cut_off_from_other_servers_is_checked(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[s2s]\nlocal_only = ['kid@example.org', '*.example.org', 'a b@example.org']\n")
    with pytest.raises(ConfigError, match=r"s2s.local_only\[2\]"):
        load(path, MODULE_CONFIGS)


def test_no_file_serves_localhost_under_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, {})
    assert config.domains == ("localhost",)
    assert config.admins == ("admin@localhost",)
    assert config.data_path == tmp_path / "var"
    assert config.storage_url == f"sqlite:///{tmp_path}/var/xmpp.db"


def test_the_shortest_file(read, tmp_path):
    config = read('domains = ["Example.ORG"]')
    assert config.domains == ("example.org",)
    assert config.admins == ()
    assert config.data_path == tmp_path / "var"
    assert config.listen.c2s == ("127.0.0.1:5222",)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("domain = ['x']", "domain", "unknown key; did you mean domains?"),
        ("[limits]\nstanza_byte = 1", "limits.stanza_byte", "unknown key; did you mean stanza_bytes?"),
        ("[[components]]\ndomain = ['x']", "components[0].domain", "unknown key; did you mean domains?"),
        ("[s2s.dns]\nservers = []", "s2s.dns.servers", "unknown key; did you mean nameservers?"),
        ("[modules.pingg]", "modules.pingg", "unknown module; did you mean ping?"),
        ("[modules.ping]\ninterval = 1", "modules.ping.interval", "unknown key; did you mean interval_s?"),
        ("zzz = 1", "zzz", "unknown key"),
    ],
)
def test_unknown_keys_are_errors_with_a_suggestion(read, text, key, reason):
    assert refused(read, text) == (key, reason)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("domains = []", "domains"),
        ("domains = ['a@b']", "domains[0]"),
        ("domains = ['a', 'A']", "domains"),
        ("domains = 'a'", "domains"),
        ("admins = ['localhost']", "admins[0]"),
        ("[limits]\nstanza_bytes = 9999", "limits.stanza_bytes"),
        ("[limits]\nroster_items = -1", "limits.roster_items"),
        ("[auth]\nscram_iterations = 4096", "auth.scram_iterations"),
        ("[auth]\nmechanisms = ['PLAIN', 'DIGEST-MD5']", "auth.mechanisms[1]"),
        ("[auth]\nanonymous = ['elsewhere']", "auth.anonymous"),
        ("[auth]\nbackoff_s = 90.0", "auth.backoff_max_s"),
        ("[auth]\nregistration = 'all'", "auth.registration"),
        ("[auth]\nregistration = 'invite'\n[modules.register]\nenabled = false", "auth.registration"),
        ("[auth]\nregistration = 'open'\n[modules.register]\nenabled = false", "auth.registration"),
        ("[tls]\ncertificate = 'x.pem'", "tls.key"),
        ("[tls.acme]\nenabled = true", "tls.acme.terms_agreed"),
        ("[tls.acme]\nenabled = true\nterms_agreed = true\nhttp = ['80']", "tls.acme.http[0]"),
        ("[tls.acme]\nenabled = true\nterms_agreed = true\ncontact = ['x']", "tls.acme.contact[0]"),
        ("[tls.acme]\nenabled = true\nterms_agreed = true\ndirectory = 'http://x'", "tls.acme.directory"),
        ("[tls]\ncertificate = 'a'\nkey = 'b'\n[tls.acme]\nenabled = true\nterms_agreed = true", "tls.acme.enabled"),
        ("[tls]\nrequire = 'yes'", "tls.require"),
        ("[tls.domains.'elsewhere']\ncertificate = 'a'\nkey = 'b'", "tls.domains"),
        ("[tls.domains.localhost]\ncertificate = 'a'", "tls.domains[...]"),
        ("[listen]\nc2s = ['5222']", "listen.c2s[0]"),
        ("[listen]\nc2s = ['127.0.0.1:70000']", "listen.c2s[0]"),
        ("[listen]\nc2s = ['::1:5222']", "listen.c2s[0]"),
        ("[storage]\nurl = 'mysql://x'", "storage.url"),
        ("[s2s]\nverify = 'maybe'", "s2s.verify"),
        ("[s2s.routes]\n'example.net' = 'nowhere'", 's2s.routes."example.net"'),
        ("[[components]]\ndomains = ['c.localhost']", "components[0]"),
        ("[[components]]\ndomains = ['localhost']\nsecret = 's'", "components[0].domains"),
        ("[[components]]\ndomains = ['c']\nsecret = 's'\nsecret_file = 'f'", "components[0]"),
        ("[[components]]\ndomains = ['c']\nsecret = 's'\nprivileges = ['all']", "components[0].privileges"),
        (
            "[[components]]\ndomains = ['c']\nsecret = 's'\ndelegate = ['urn:xmpp:delegation:2']",
            "components[0].delegate",
        ),
        ("[[components]]\ndomains = ['c']\nsecret = 's'\ndelegate = ['urn:x', 'urn:x @node']", "components"),
        ("[[components]]\ndomains = ['c']\nsecret = 's'\nlimits = { away_s = 0 }", "components[0].limits.away_s"),
        ("[modules.ping]\nenabled = 1", "modules.ping.enabled"),
        ("[modules.ping]\ninterval_s = 'x'", "modules.ping.interval_s"),
        ("[modules.ping]\ninterval_s = -1.0", "modules.ping.interval_s"),
        ("[modules.roster.groups]\nall = ['@']", "modules.roster"),
        ("modules = 1", "modules"),
    ],
)
def test_wrong_values_name_their_key(read, text, key):
    if "domains = " not in text or "[[" in text:
        text = 'domains = ["localhost"]\n' + text
    assert refused(read, text)[0] == key


def test_a_choice_names_what_there_is(read):
    assert refused(read, "[log]\nlevel = 'loud'") == (
        "log.level",
        "'loud' is none of debug, error, info, warning",
    )


def test_a_shared_group_names_the_member_that_is_wrong(read):
    key, reason = refused(read, "[modules.roster.groups]\nall = ['a@example.org', '@']")
    assert (key, reason.partition(":")[0]) == ("modules.roster", "'@' in group 'all' is no address")


def test_not_toml(read):
    key, reason = refused(read, "domains = ?")
    assert key == ""
    assert "line 1" in reason


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"


def test_the_message_names_file_key_and_reason(read, tmp_path):
    with pytest.raises(ConfigError) as caught:
        read("[tls]\nrequire = 1")
    assert str(caught.value) == f"{tmp_path}/server.toml: tls.require: Expected `bool`, got `int`"


def test_environment_variables(read):
    config = read('[storage]\nurl = "postgresql://x:${env:PW}@h/db"', PW="geheim")
    assert config.storage_url == "postgresql://x:geheim@h/db"
    assert refused(read, 'data_dir = "${env:NONE}/x"') == (
        "data_dir",
        "there is no environment variable NONE",
    )


def test_secrets_in_files(read, tmp_path):
    (tmp_path / "url").write_text("postgresql://u:p@h/db\n")
    assert read('[storage]\nurl_file = "url"').storage.url == "postgresql://u:p@h/db"
    assert refused(read, '[storage]\nurl_file = "none"')[0] == "storage.url_file"
    assert refused(read, '[storage]\nurl_file = "url"\nurl = "sqlite:///x"')[0] == "storage.url_file"
    (tmp_path / "url").write_text("\n")
    assert refused(read, '[storage]\nurl_file = "url"') == ("storage.url_file", "the file is empty")


def test_relative_paths_start_at_the_folder_of_the_file(read, tmp_path):
    config = read(
        """
        domains = ["localhost"]
        data_dir = "data"
        [listen]
        component = ["127.0.0.1:0", "unix:door", "unix:/run/door"]
        [tls]
        certificate = "a.pem"
        key = "/etc/a.key"
        [[components]]
        domains = ["c.localhost"]
        secret_file = "c.secret"
        """
    )
    assert config.data_dir == str(tmp_path / "data")
    assert config.listen.component == ("127.0.0.1:0", f"unix:{tmp_path}/door", "unix:/run/door")
    assert config.tls.certificate == str(tmp_path / "a.pem")
    assert config.tls.key == "/etc/a.key"
    assert config.components[0].secret_file == str(tmp_path / "c.secret")
    assert config.storage_url == f"sqlite:///{tmp_path}/data/xmpp.db"


@pytest.mark.parametrize("url", ["sqlite:////srv/x.db", "memory:", "postgresql:///xmpp"])
def test_other_storage_urls_stay(read, url):
    assert read(f'[storage]\nurl = "{url}"').storage_url == url


def test_addresses_are_prepared(read):
    config = read(
        """
        domains = ["Localhost"]
        admins = ["Admin@LOCALHOST"]
        [auth]
        anonymous = ["LOCALHOST"]
        """
    )
    assert config.admins == ("admin@localhost",)
    assert config.auth.anonymous == ("localhost",)


def test_modules_get_their_own_struct_and_a_switch(read):
    config = read("[modules.ping]\ninterval_s = 5\n[modules.pubsub]\nenabled = false")
    assert config.modules["ping"].config == PingConfig(interval_s=5.0)
    assert config.modules["ping"].enabled is None
    assert config.modules["pubsub"].enabled is False


def test_no_value_is_in_a_representation(read):
    config = read('[storage]\nurl = "postgresql://x:geheim@h/db"')
    assert "geheim" not in repr(config) + repr(config.storage)


def keys(info: inspect.Type) -> Iterator[str]:
    """All keys that a struct can have, with those of the structs inside."""
    match info:
        case inspect.Metadata(type=inner) | inspect.VarTupleType(item_type=inner) | inspect.DictType(value_type=inner):
            yield from keys(inner)
        case inspect.StructType(cls=cls, fields=fields) if cls.__name__ != "ModuleSettings":
            for field in fields:
                yield field.name
                yield from keys(field.type)


def uncommented(text: str) -> str:
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def test_the_example_is_the_defaults(tmp_path, monkeypatch):
    config = load(EXAMPLE, MODULE_CONFIGS, {})
    monkeypatch.chdir(EXAMPLE.parent)
    defaults = load(None, MODULES, {})
    assert msgspec.to_builtins(config.limits) == msgspec.to_builtins(Limits())
    for field in set(config.__struct_fields__) - {"modules"}:
        assert getattr(config, field) == getattr(defaults, field), field


def test_the_example_documents_every_key():
    text = uncommented(EXAMPLE.read_text("utf-8"))
    written = set(re.findall(r"^\[*([\w.]+)", text, re.MULTILINE))
    written |= {part for name in written for part in name.split(".")}
    assert set(keys(inspect.type_info(Config))) <= written


@pytest.mark.parametrize("name", sorted(MODULE_CONFIGS))
def test_the_example_documents_the_keys_of_a_module(name):
    """Every key of `[modules.NAME]`, with its default."""
    tables = tomllib.loads(uncommented(EXAMPLE.read_text("utf-8")))["modules"]
    fields = msgspec.structs.fields(MODULE_CONFIGS[name])
    table = tables.get(name, {})
    assert {field.name for field in fields} == set(table) - {"enabled"}
    assert msgspec.convert(table, MODULE_CONFIGS[name]) == MODULE_CONFIGS[name]() if fields else True


def test_the_examples_in_the_example_load(tmp_path):
    text = uncommented(EXAMPLE.read_text("utf-8")).replace('url = "sqlite:///xmpp.db"', "")
    text = text.replace('domains = ["localhost"]', 'domains = ["localhost", "example.org"]')
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database-url").write_text("postgresql://user@host/db")
    (tmp_path / "full.toml").write_text(text, "utf-8")
    config = load(tmp_path / "full.toml", MODULE_CONFIGS, {"IRC_SECRET": "s"})
    assert [component.secret for component in config.components] == ["", "", "s"]
    assert config.s2s.routes == {"example.net": "127.0.0.1:15269"}
    assert config.storage.url == "postgresql://user@host/db"
