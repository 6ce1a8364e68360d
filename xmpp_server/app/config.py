"""Reads the TOML configuration file into `settings.Config`, and says precisely what is wrong with it."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import inspect

from xmpp_server.app.bundled import DEFAULTS
from xmpp_server.app.config_checks import checked
from xmpp_server.app.config_error import ConfigError
from xmpp_server.app.settings import Config, ModuleSettings, ServiceSettings
from xmpp_server.net.addresses import UNIX_PREFIX

__all__ = ["PLANNED", "Config", "ConfigError", "load"]

T = TypeVar("T", bound=msgspec.Struct)

#: Tables of modules that a later version brings; taken and checked now, so that a file can hold them already.
PLANNED: Mapping[str, type[msgspec.Struct]] = {"pubsub": ServiceSettings}

_ENV = re.compile(r"\$\{env:([^}]*)\}")
_PLACE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_SECRET_FILE_BYTES = 65_536


def load(
    path: Path | None,
    modules: Mapping[str, type[msgspec.Struct]],
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read and check a file; without one, take the embedded defaults for localhost under the current folder.

    Args:
        path: The file. Relative paths inside it start at its folder.
        modules: The configuration struct of each module by name, for `[modules.NAME]`.
        environ: Where `${env:NAME}` is looked up.

    Raises:
        ConfigError: With the key that is wrong, as "limits.stanza_bytes".

    """
    if path is None:
        components = [{key: list(value) for key, value in table.items()} for table in DEFAULTS]
        raw: dict[str, object] = {"admins": ["admin@localhost"], "components": components}
        reader = _Reader(None, Path.cwd(), environ)
    else:
        path = path.absolute()
        raw = _parse(path)
        reader = _Reader(path, path.parent, environ)
    tables = raw.pop("modules", {})
    config = reader.struct({"data_dir": "var", **raw}, Config, "")
    settings = _modules(reader, tables, modules)
    return checked(msgspec.structs.replace(config, modules=settings), path)


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"is not TOML: {error}") from None


def _modules(reader: _Reader, tables: object, modules: Mapping[str, type[msgspec.Struct]]) -> dict[str, ModuleSettings]:
    """Check `[modules.NAME]`: `enabled` is everybody's key, the rest is the module's own."""
    if not isinstance(tables, dict):
        raise ConfigError(reader.path, "modules", "must be tables: [modules.NAME]")
    known = {**PLANNED, **modules}
    settings: dict[str, ModuleSettings] = {}
    for name, table in tables.items():
        key = f"modules.{name}"
        if name not in known:
            raise ConfigError(reader.path, key, f"unknown module{_suggestion(name, known)}")
        if not isinstance(table, dict):
            raise ConfigError(reader.path, key, "must be a table")
        own = {field: value for field, value in table.items() if field != "enabled"}
        enabled = table.get("enabled")
        if not isinstance(enabled, bool | None):
            raise ConfigError(reader.path, f"{key}.enabled", "Expected `bool`")
        config = reader.struct(own, known[name], key)
        for field in config.__struct_fields__:
            value = getattr(config, field)
            if isinstance(value, int | float) and value < 0:
                raise ConfigError(reader.path, f"{key}.{field}", "is negative")
        settings[name] = ModuleSettings(enabled=enabled, config=config)
    return settings


class _Reader:
    """Turns raw tables into structs, knowing the place of each key."""

    def __init__(self, path: Path | None, folder: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._folder = folder
        self._environ = environ

    def struct(self, raw: dict[str, object], kind: type[T], key: str) -> T:
        """Convert a table, as the types of `kind` say."""
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)  # noqa: S101 - T is a Struct
        prepared = self._table(raw, info.fields, key)
        try:
            return msgspec.convert(prepared, kind)
        except msgspec.ValidationError as error:
            match = _PLACE.fullmatch(str(error))
            reason, place = match.groups() if match else (str(error), None)
            raise ConfigError(self.path, _join(key, place or ""), reason) from None

    def _prepared(self, value: object, info: inspect.Type, key: str) -> object:
        """Expand what stands for something else: `${env:NAME}`, KEY_file, relative paths."""
        extra: dict[str, object] = {}
        if isinstance(info, inspect.Metadata):
            extra = info.extra or {}
            info = info.type
        match value, info:
            case str(), inspect.LiteralType(values=values) if value not in values:
                raise ConfigError(self.path, key, f"{value!r} is none of {', '.join(map(str, values))}")
            case str(), _:
                return self._text(value, extra, key)
            case dict(), inspect.StructType(fields=fields):
                return self._table(value, fields, key)
            case dict(), inspect.DictType(value_type=item):
                return {name: self._prepared(child, item, f'{key}."{name}"') for name, child in value.items()}
            case list(), inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
                return [self._prepared(child, item, f"{key}[{index}]") for index, child in enumerate(value)]
            case _:
                return value

    def _table(self, raw: dict[str, object], fields: Iterable[inspect.Field], key: str) -> dict[str, object]:
        known = {field.name: field.type for field in fields}
        secrets = {f"{name}_file": name for name, kind in known.items() if _is_secret(kind)}
        prepared: dict[str, object] = {}
        for name, value in raw.items():
            place = _join(key, name)
            if name in known:
                prepared[name] = self._prepared(value, known[name], place)
            elif name in secrets:
                if secrets[name] in raw:
                    raise ConfigError(self.path, place, f"there is {secrets[name]} as well")
                prepared[secrets[name]] = self._secret(value, place)
            else:
                raise ConfigError(self.path, place, f"unknown key{_suggestion(name, [*known, *secrets])}")
        return prepared

    def _text(self, text: str, extra: Mapping[str, object], key: str) -> str:
        def expand(match: re.Match[str]) -> str:
            if match[1] not in self._environ:
                raise ConfigError(self.path, key, f"there is no environment variable {match[1]}")
            return self._environ[match[1]]

        text = _ENV.sub(expand, text)
        prefix = UNIX_PREFIX if extra.get("door") and text.startswith(UNIX_PREFIX) else ""
        path = text.removeprefix(prefix)
        return f"{prefix}{self._folder / path}" if path and (prefix or extra.get("path")) else text

    def _secret(self, value: object, key: str) -> str:
        if not isinstance(value, str) or not value:
            raise ConfigError(self.path, key, "must be the path of a file")
        try:
            with open(self._text(value, {"path": True}, key), encoding="utf-8") as file:
                text = file.read(_SECRET_FILE_BYTES).strip()
        except OSError as error:
            raise ConfigError(self.path, key, f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(self.path, key, "is not UTF-8") from None
        if not text:
            raise ConfigError(self.path, key, "the file is empty")
        return text


def _is_secret(info: inspect.Type) -> bool:
    return isinstance(info, inspect.Metadata) and bool((info.extra or {}).get("secret"))


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key and name and not name.startswith("[") else key + name


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
