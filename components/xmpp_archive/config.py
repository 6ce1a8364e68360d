"""Reads the configuration file, and says precisely what is wrong with it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from components.xmpp_archive.settings import Config, Server

_PLACE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_ADDRESS = re.compile(r"(?P<host>[^:\s]+|\[[^\]\s]+\]):(?P<port>\d{1,5})")


class ConfigError(Exception):
    """One line for the operator."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check a file; relative paths inside it start at its folder.

    A server that runs us tells in the environment where it is; what stands in the file goes before that.

    Raises:
        ConfigError: With the file and the key that is wrong.

    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
    try:
        config = msgspec.convert(raw, Config)
        config = replace(config, server=_told(config.server, raw.get("server", {}), environ))
        return _checked(config, path.absolute().parent)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        reason, key = match.groups() if match else (str(error), None)
        raise ConfigError(f"{path}: {key}: {reason}" if key else f"{path}: {reason}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def split(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        ValueError: It is not HOST:PORT.

    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(f"server.address: {address!r} is not HOST:PORT")
    return match["host"].strip("[]"), int(match["port"])


def _told(server: Server, written: Mapping[str, object], environ: Mapping[str, str]) -> Server:
    """Take from the server that runs us what the file leaves out."""
    if "address" not in written and (address := environ.get("COMPONENT_SERVER")):
        server = replace(server, address=address)
    if "domain" not in written and (domains := environ.get("COMPONENT_DOMAINS", "").split()):
        server = replace(server, domain=domains[0])
    if not server.secret and not server.secret_file and (file := environ.get("COMPONENT_SECRET_FILE")):
        server = replace(server, secret_file=file)
    return server


def _checked(config: Config, folder: Path) -> Config:
    split(config.server.address)
    if config.pages.default > config.pages.most:
        raise ValueError("pages.default: must not be more than pages.most")
    return replace(config, data_dir=str(folder / config.data_dir), server=_with_secret(config.server, folder))


def _with_secret(server: Server, folder: Path) -> Server:
    if bool(server.secret) == bool(server.secret_file):
        raise ValueError("server: either secret or secret_file")
    if server.secret:
        return server
    file = folder / server.secret_file
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"server.secret_file: {file} cannot be read") from None
    if not secret:
        raise ValueError(f"server.secret_file: {file} is empty")
    return replace(server, secret=secret)
