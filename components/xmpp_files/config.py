"""Reads the configuration file, and says precisely what is wrong with it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from components.xmpp_files.addresses import AddressError, split
from components.xmpp_files.environment import Tables, with_environment
from components.xmpp_files.settings import Config, HttpSettings, Server

_PLACE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)


class ConfigError(Exception):
    """One line for the operator."""


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check the settings.

    Args:
        path: The file; relative paths inside it start at its folder. None: all is as the environment says.
        environ: What the server says that has started us; keys of the file go before it.

    Raises:
        ConfigError: With the file and the key that is wrong.

    """
    place = path or "environment"
    raw = with_environment(_parsed(path) if path else {}, environ)
    try:
        return _checked(msgspec.convert(raw, Config), path.absolute().parent if path else Path.cwd())
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        reason, key = match.groups() if match else (str(error), None)
        raise ConfigError(f"{place}: {key}: {reason}" if key else f"{place}: {reason}") from None
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def _parsed(path: Path) -> Tables:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def _checked(config: Config, folder: Path) -> Config:
    if not config.upload.domain and not config.proxy.domain:
        raise ValueError("upload.domain, proxy.domain: both are off, nothing is left to do")
    if config.upload.domain == config.proxy.domain:
        raise ValueError("proxy.domain: must differ from upload.domain")
    doors = {"server.address": (config.server.address,), "http.listen": config.http.listen}
    for key, texts in {**doors, "proxy.listen": config.proxy.listen}.items():
        for text in texts:
            try:
                split(text)
            except AddressError as error:
                raise ValueError(f"{key}: {error}") from None
    if config.server.address.startswith("unix:"):
        raise ValueError("server.address: must be host:port")
    return replace(
        config,
        data_dir=str(folder / config.data_dir),
        server=_with_secret(config.server, folder),
        http=_with_paths(config.http, folder),
    )


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


def _with_paths(http: HttpSettings, folder: Path) -> HttpSettings:
    if bool(http.certificate) != bool(http.key):
        raise ValueError("http: certificate and key belong together")
    if http.public_url and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", http.public_url):
        raise ValueError("http.public_url: must be like https://upload.example.org")
    if not http.certificate:
        return http
    return replace(http, certificate=str(folder / http.certificate), key=str(folder / http.key))
