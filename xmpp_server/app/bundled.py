"""The components that come with the server: which of them run by default, what they need, what they are told."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from xmpp_server.app.settings import Component, Config

__all__ = ["DEFAULTS", "EXTRA", "environment", "is_installed", "secret_path", "self_signed_folder"]

#: What stands in `[[components]]` when there is no configuration file.
DEFAULTS: Sequence[Mapping[str, Sequence[str]]] = (
    {"domains": ("archive.localhost",), "run": ("xmpp-archive",)},
    {"domains": ("upload.localhost", "proxy.localhost"), "run": ("xmpp-files",)},
)
#: What their programs need beyond the server's own requirements.
EXTRA = "pip install 'xmpp-server[components]'"
_PROGRAMS = frozenset({"xmpp-archive", "xmpp-files"})


def is_installed(run: Sequence[str]) -> bool:
    """Tell whether a program can run; False only for one of ours whose requirements are missing."""
    return not run or run[0] not in _PROGRAMS or importlib.util.find_spec("slixmpp") is not None


def environment(
    settings: Component, config: Config, doors: Sequence[str], certificate: tuple[str, str]
) -> dict[str, str]:
    """Return the variables that tell a supervised program where the server is, and what it may use.

    Args:
        settings: The component.
        config: The server's.
        doors: The addresses that components connect to.
        certificate: The files of its certificate and of the key.

    """
    return {
        "COMPONENT_DOMAINS": " ".join(settings.domains),
        "COMPONENT_SERVER": doors[0] if doors else "",
        "COMPONENT_DATA": str(config.data_path / "components" / settings.domains[0]),
        "COMPONENT_CERTIFICATE": certificate[0],
        "COMPONENT_KEY": certificate[1],
        "COMPONENT_SECRET_FILE": str(secret_path(settings, config.data_path)),
    }


def secret_path(settings: Component, data: Path) -> Path:
    """Return the file that a component finds its secret in."""
    return Path(settings.secret_file) if settings.secret_file else data / f"component-{settings.domains[0]}.secret"


def self_signed_folder(data: Path) -> Path:
    """Return the folder of the certificate that the server makes where it was given none."""
    return data / "tls"
