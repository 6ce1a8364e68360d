"""XEP-0114 in XEP-0030: the host lists the external components that are there."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, Module


class ExternalComponents(Module):
    """Lists external components in service discovery: those under the host's domain, and those under no host's."""

    name = "components"

    def register(self, host: Host) -> None:
        """Add items to the host's."""
        self._host = host
        host.hooks.server_disco.add(self.list_components)

    def list_components(self, disco: Disco) -> None:
        """List what is connected, or will be soon."""
        if disco.node:
            return
        for component in self._host.router.components.all:
            if component.is_expected:
                disco.items += [(domain, "", "") for domain in component.domains if self._is_ours(domain.domainpart)]

    def _is_ours(self, domain: str) -> bool:
        routes = self._host.router.routes
        hosts = [name for name, route in routes.items() if isinstance(route, Host) and domain.endswith(f".{name}")]
        return not hosts or self._host.name in hosts
