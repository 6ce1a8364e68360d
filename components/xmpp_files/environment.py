"""What the server tells the component when it has started it.

Without any file, what is missing then has its place: the server's door, the domains, the secret, a folder for the data,
and the certificate of the domain above ours, by whose name clients reach us.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.xmpp_component import environment
from components.xmpp_component.environment import Tables, has_any

_PROXY = "proxy."


def told(tables: Tables, environ: Mapping[str, str]) -> Tables:
    """Return the tables of what the environment says; `tables` are those of the file."""
    domains = environment.domains(environ)
    upload = next((domain for domain in domains if not domain.startswith(_PROXY)), "")
    proxy = next((domain for domain in domains if domain.startswith(_PROXY)), "")
    found: Tables = {
        "server": environment.door(tables, environ),
        "upload": {"domain": upload},
        "proxy": {"domain": proxy},
    }
    if not has_any(tables, "http", "certificate", "key"):
        names = {"certificate": "COMPONENT_CERTIFICATE", "key": "COMPONENT_KEY"}
        found["http"] = {key: environ.get(name, "") for key, name in names.items()} | {"host": upload.partition(".")[2]}
    return found | environment.data(environ)
