"""What the server tells a component that it has started: defaults that only a file's own keys go before."""

from __future__ import annotations

from collections.abc import Mapping

Tables = dict[str, object]


def is_supervised(environ: Mapping[str, str]) -> bool:
    """Tell whether the server has started us."""
    return bool(environ.get("COMPONENT_SERVER"))


def domains(environ: Mapping[str, str]) -> list[str]:
    """Return the domains that we are to serve."""
    return environ.get("COMPONENT_DOMAINS", "").split()


def door(tables: Tables, environ: Mapping[str, str]) -> Tables:
    """Return what `[server]` is told: where it is, and the secret unless the file has one."""
    told: Tables = {"address": environ["COMPONENT_SERVER"]}
    if not has_any(tables, "server", "secret", "secret_file"):
        told["secret_file"] = environ.get("COMPONENT_SECRET_FILE", "")
    return told


def data(environ: Mapping[str, str]) -> Tables:
    """Return the folder for data, if we are told one."""
    folder = environ.get("COMPONENT_DATA")
    return {"data_dir": folder} if folder else {}


def has_any(tables: Tables, name: str, *keys: str) -> bool:
    """Tell whether a table has one of some keys, which then belong together."""
    table = tables.get(name)
    return isinstance(table, dict) and any(key in table for key in keys)


def merged(tables: Tables, told: Tables) -> Tables:
    """Return the tables of a file, with what it does not say itself taken from what is told."""
    result = dict(tables)
    for name, value in told.items():
        own = tables.get(name, {} if isinstance(value, dict) else value)
        result[name] = {**value, **own} if isinstance(value, dict) and isinstance(own, dict) else own
    return result
