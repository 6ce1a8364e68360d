"""XEP-0157: Contact Addresses for XMPP Services, in the form of XEP-0128."""

from __future__ import annotations

import msgspec

from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, Module, Xep
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, hidden_form_type

SERVER_INFO = "http://jabber.org/network/serverinfo"


class ContactConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to write to, as mailto:, xmpp: or https: addresses."""

    abuse: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    sales: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    support: tuple[str, ...] = ()


class Contact(Module):
    """Tells whom to write to about the server; says nothing where nothing is configured."""

    name = "contact"
    xeps = (Xep(157, "1.1.1"),)
    Config = ContactConfig
    config: ContactConfig

    def register(self, host: Host) -> None:
        """Add the form to the server's disco answer."""
        host.hooks.server_disco.add(self.describe)

    def describe(self, disco: Disco) -> None:
        """Add the form (§3)."""
        roles: dict[str, tuple[str, ...]] = msgspec.structs.asdict(self.config)
        fields = [
            Field(f"{role}-addresses", addresses, FieldType.LIST_MULTI)
            for role, addresses in roles.items()
            if addresses
        ]
        if fields and not disco.node:
            form = Form(FormType.RESULT, (hidden_form_type(SERVER_INFO), *fields))
            disco.forms.append(form.to_element())
