"""Reads the configuration file, and says precisely what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from components.xmpp_archive.settings import Config
from components.xmpp_component import environment
from components.xmpp_component.config import checked_addresses, checked_server, loaded
from components.xmpp_component.environment import Tables, has_any

__all__ = ["load"]

_ENV = re.compile(r"\$\{env:([^}]*)\}")


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check the settings, as `loaded` says."""
    return loaded(path, environ, Config, _told, partial(_checked, environ=environ))


def _told(tables: Tables, environ: Mapping[str, str]) -> Tables:
    server = environment.door(tables, environ)
    domains = environment.domains(environ)
    if domains and not has_any(tables, "server", "domain"):
        server |= {"domain": domains[0], "hosts": [domain.partition(".")[2] for domain in domains]}
    return {"server": server} | environment.data(environ)


def _checked(config: Config, folder: Path, *, environ: Mapping[str, str]) -> Config:
    if config.url and not config.url.startswith("postgresql://"):
        raise ValueError('url: must begin with "postgresql://"')
    if config.pages.default > config.pages.most:
        raise ValueError("pages.default: must not be more than pages.most")
    return replace(
        config,
        data_dir=str(folder / config.data_dir),
        url=_ENV.sub(lambda match: _variable(match[1], environ), config.url),
        server=checked_server(config.server, folder),
        monitor=replace(config.monitor, listen=checked_addresses("monitor.listen", config.monitor.listen, folder)),
    )


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ValueError(f"url: the environment has no {name}")
    return environ[name]
