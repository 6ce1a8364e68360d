"""Reads a configuration file, and says precisely what is wrong with it."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from components.xmpp_component.addresses import AddressError, split
from components.xmpp_component.environment import Tables, is_supervised, merged
from components.xmpp_component.settings import Server, Table

C = TypeVar("C", bound=Table)
S = TypeVar("S", bound=Server)

_PLACE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)


class ConfigError(Exception):
    """One line for the operator."""


def loaded(
    path: Path | None,
    environ: Mapping[str, str],
    kind: type[C],
    told: Callable[[Tables, Mapping[str, str]], Tables],
    checked: Callable[[C, Path], C],
) -> C:
    """Read and check the settings of a component.

    Args:
        path: The file; relative paths inside it start at its folder. None: all is as the environment says.
        environ: What the server says that has started us; keys of the file go before it.
        kind: What the tables are.
        told: Returns tables of what the environment says, where those of the file leave something to it.
        checked: Returns settings whose paths start at a folder. Raises ValueError where something is wrong.

    Raises:
        ConfigError: With the file and the key that is wrong.

    """
    tables = read(path)
    if is_supervised(environ):
        tables = merged(tables, told(tables, environ))
    with complaints(path):
        return checked(msgspec.convert(tables, kind), folder_of(path))


def read(path: Path | None) -> Tables:
    """Return what stands in a file; without one, nothing.

    Raises:
        ConfigError: It cannot be read, or is not TOML.

    """
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def folder_of(path: Path | None) -> Path:
    """Return where the relative paths in a file start."""
    return path.absolute().parent if path else Path.cwd()


@contextlib.contextmanager
def complaints(path: Path | None) -> Iterator[None]:
    """Turn what is wrong with values (ValueError, its subclasses and msgspec's) into one line that names the place.

    Raises:
        ConfigError: With the file and the key that is wrong.

    """
    place = path or "environment"
    try:
        yield
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        reason, key = match.groups() if match else (str(error), None)
        raise ConfigError(f"{place}: {key}: {reason}" if key else f"{place}: {reason}") from None
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def checked_addresses(key: str, texts: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Return addresses, paths of Unix sockets from where relative paths start; ValueError if one is malformed."""
    try:
        return tuple(f"unix:{folder / where}" if isinstance(where := split(text), Path) else text for text in texts)
    except AddressError as error:
        raise ValueError(f"{key}: {error}") from None


def checked_server(server: S, folder: Path) -> S:
    """Return `[server]` with the secret in it.

    Args:
        server: What the file says.
        folder: Where relative paths start.

    Raises:
        ValueError: The address is malformed, or there is no secret, or there are two.

    """
    (address,) = checked_addresses("server.address", [server.address], folder)
    if server.tls and server.address.startswith("unix:"):
        raise ValueError("server.tls: not on a Unix socket")
    if bool(server.secret) == bool(server.secret_file):
        raise ValueError("server: either secret or secret_file")
    secret = server.secret or secret_in(folder / server.secret_file, "server.secret_file")
    return replace(server, address=address, secret=secret)


def secret_in(file: Path, key: str) -> str:
    """Return the secret in a file.

    Args:
        file: Its path.
        key: Of the settings, for complaints.

    Raises:
        ValueError: There is none.

    """
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{key}: {file} cannot be read") from None
    if not secret:
        raise ValueError(f"{key}: {file} is empty")
    return secret
