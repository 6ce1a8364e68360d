"""Which modules a host has: the one list, and how the configuration switches them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from xmpp_server.app.bundled import is_installed
from xmpp_server.app.settings import Config
from xmpp_server.core.module import Module
from xmpp_server.im.caps import Caps
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.last_activity import LastActivity
from xmpp_server.im.offline import Offline
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.modules.admin import Admin
from xmpp_server.modules.archive import Archive
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.blocking import Blocking
from xmpp_server.modules.carbons import Carbons
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.components import ExternalComponents
from xmpp_server.modules.contact import Contact
from xmpp_server.modules.csi import ClientState
from xmpp_server.modules.delegation import Delegation
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.external_services import ExternalServices
from xmpp_server.modules.invitations import Invitations
from xmpp_server.modules.legacy_session import LegacySession
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.ping import Ping
from xmpp_server.modules.private import PrivateStorage
from xmpp_server.modules.privilege import Privilege
from xmpp_server.modules.register import Register, Strangers
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.modules.time import EntityTime
from xmpp_server.modules.vcard import VCard
from xmpp_server.modules.version import Version

#: In the order of their registration; a module comes behind those it needs.
MODULES: tuple[type[Module], ...] = (
    Roster,
    Presence,
    Caps,
    LastActivity,
    Delivery,
    Offline,
    ServiceDiscovery,
    StableIds,
    StreamManagementModule,
    LegacySession,
    Carbons,
    ClientState,
    Blocking,
    PrivateStorage,
    VCard,
    Contact,
    Commands,
    Admin,
    Register,
    Invitations,
    Ping,
    EntityTime,
    Version,
    ExternalServices,
    Muc,
    Archive,
    ExternalComponents,
    Privilege,
    Delegation,  # last: what components say of their namespaces replaces what others say
)

#: The configuration struct of each module by its name, for `config.load`.
MODULE_CONFIGS: Mapping[str, type[msgspec.Struct]] = {module.name: module.Config for module in MODULES}


def is_enabled(kind: type[Module], config: Config, domain: str) -> bool:
    """Tell whether a host has a module; with nothing said the archive comes with its component."""
    settings = config.modules.get(kind.name)
    if settings is not None and settings.enabled is not None:
        return settings.enabled
    if kind.enabled_with_component:
        own = ArchiveConfig() if settings is None else settings.config
        assert isinstance(own, ArchiveConfig)  # noqa: S101 - by its name
        serving = [one for one in config.components if is_installed(one.run)]
        return any(own.component_of(domain) in component.domains for component in serving)
    return kind.enabled_by_default


def build_modules(config: Config, domain: str) -> list[Module]:
    """Make the modules that the configuration wants for a host, in their order."""
    built = []
    for kind in MODULES:
        settings = config.modules.get(kind.name)
        if is_enabled(kind, config, domain):
            module = kind(None if settings is None else settings.config)
            if isinstance(module, Register):
                module.strangers = Strangers(config.auth.registration)
            built.append(module)
    return built


def service_domains(config: Config, domain: str) -> list[str]:
    """Return the domains that the modules of a host serve beside it, as that of its rooms."""
    found = []
    for kind in MODULES:
        settings = config.modules.get(kind.name)
        pattern = getattr(kind.Config() if settings is None else settings.config, "domain", "")
        if isinstance(pattern, str) and pattern and is_enabled(kind, config, domain):
            found.append(pattern.replace("{domain}", domain))
    return found
