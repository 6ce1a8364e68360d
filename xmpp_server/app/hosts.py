"""Builds the hosts of a configuration, with their modules: for the server, and for commands on a stopped one."""

from __future__ import annotations

from collections.abc import Set

from xmpp_server.app.modules import build_modules
from xmpp_server.app.settings import Config
from xmpp_server.core.host import Host
from xmpp_server.core.router import Router
from xmpp_server.jid import JID
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.storage.api import Storage


def build_hosts(
    config: Config, router: Router, storage: Storage, runtime: LoopRuntime, admins: Set[JID]
) -> dict[str, Host]:
    """Make a host for each domain, by its name; `storage` is open already."""
    hosts: dict[str, Host] = {}
    for name in config.domains:
        host = Host(name, router, storage, runtime, config.limits, admins)
        host.provisioning.derive = runtime.compute
        host.provisioning.iterations = config.auth.scram_iterations
        for module in build_modules(config, name):
            host.add_module(module)
        hosts[host.name] = host
    return hosts
