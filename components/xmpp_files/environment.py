"""What the server tells a component that it has started: defaults that only a file's own keys go before.

Without any file, what is missing then has its place: the server's door, the domains, the secret, a folder for the data,
and the certificate of the domain above ours, by whose name clients reach us.
"""

from __future__ import annotations

from collections.abc import Mapping

Tables = dict[str, object]

_PROXY = "proxy."


def is_supervised(environ: Mapping[str, str]) -> bool:
    """Tell whether the server has started us."""
    return bool(environ.get("COMPONENT_SERVER"))


def with_environment(tables: Tables, environ: Mapping[str, str]) -> Tables:
    """Return a configuration with what it does not say itself taken from the environment."""
    if not is_supervised(environ):
        return tables
    merged = dict(tables)
    for name, value in _told(tables, environ).items():
        own = tables.get(name, {} if isinstance(value, dict) else value)
        merged[name] = {**value, **own} if isinstance(value, dict) and isinstance(own, dict) else own
    return merged


def _told(tables: Tables, environ: Mapping[str, str]) -> Tables:
    domains = environ.get("COMPONENT_DOMAINS", "").split()
    upload = next((domain for domain in domains if not domain.startswith(_PROXY)), "")
    proxy = next((domain for domain in domains if domain.startswith(_PROXY)), "")
    told: dict[str, dict[str, object]] = {
        "server": {"address": environ["COMPONENT_SERVER"]},
        "upload": {"domain": upload},
        "proxy": {"domain": proxy},
    }
    server, http = (tables.get(name) for name in ("server", "http"))
    if not (isinstance(server, dict) and {"secret", "secret_file"} & server.keys()):
        told["server"]["secret_file"] = environ.get("COMPONENT_SECRET_FILE", "")
    if not (isinstance(http, dict) and {"certificate", "key"} & http.keys()):
        names = {"certificate": "COMPONENT_CERTIFICATE", "key": "COMPONENT_KEY"}
        told["http"] = {key: environ.get(name, "") for key, name in names.items()}
        told["http"]["host"] = upload.partition(".")[2]
    data = environ.get("COMPONENT_DATA")
    return {**told, **({"data_dir": data} if data else {})}
