"""XEP-0030: Service Discovery, of the server and of accounts, with XEP-0128 forms and the server's own XEP-0115."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from xmpp_server.core import discovery
from xmpp_server.core.host import Host
from xmpp_server.core.module import Access, Disco, IqRequest, IqType, Module, To, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CAPS, DATA_FORMS, DISCO_INFO, DISCO_ITEMS

#: What the server calls itself in its capabilities.
CAPS_NODE = "urn:xmpp-server"


class ServiceDiscovery(Module):
    """Answers with what the modules have contributed."""

    name = "disco"
    xeps = (Xep(30, "2.5.0"), Xep(128, "1.0.1"))
    features = (DISCO_INFO, DISCO_ITEMS, CAPS)  # XEP-0115 §7: whoever announces its capabilities says so
    account_features = (DISCO_INFO, DISCO_ITEMS)

    def register(self, host: Host) -> None:
        """Answer for the server and for accounts."""
        self._host = host
        for tag, server, account in (
            (f"{DISCO_INFO} query", self.server_info, self.account_info),
            (f"{DISCO_ITEMS} query", self.server_items, self.account_items),
        ):
            host.on_iq(IqType.GET, To.SERVER, tag, server)
            host.on_iq(IqType.GET, To.ACCOUNT, tag, account, Access.ANYONE)
        host.hooks.stream_features.add(self.announce)

    def server_info(self, request: IqRequest) -> Element:
        """Tell what the server is and can (§3)."""
        node = request.payload.get("node") or ""
        disco = self._describe_server(request, "" if node == f"{CAPS_NODE}#{self.version()}" else node)
        return discovery.info(disco, node)

    def account_info(self, request: IqRequest) -> Element:
        """Tell those who may know it what an account can (§8)."""
        disco = self._describe_account(request)
        return discovery.info(disco, disco.node)

    def server_items(self, request: IqRequest) -> Element:
        """List what is attached to the server (§4)."""
        disco = self._describe_server(request, request.payload.get("node") or "")
        return discovery.items(disco)

    def account_items(self, request: IqRequest) -> Element:
        """List an account's items: its available resources, and what modules add (§4.1)."""
        if not _may_ask(request):
            return Element("query", DISCO_ITEMS)  # §8: an empty result, whether there is an account or not
        disco = self._describe_account(request)
        if disco.account is not None and not disco.node:
            sessions = disco.account.sessions.values()
            disco.items += [(one.jid, "", "") for one in sessions if one.presence is not None]
        return discovery.items(disco)

    def _describe_server(self, request: IqRequest | None, node: str) -> Disco:
        disco = Disco(self._host.jid, None if request is None else request.sender, node, None)
        if not node:
            disco.identities.append(("server", "im", "xmpp-server"))
            for module in self._host.modules.values():
                disco.features.update(module.features)
        return self._host.hooks.server_disco.gather(disco)

    def _describe_account(self, request: IqRequest) -> Disco:
        account = request.account
        if account is None or not _may_ask(request):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)  # §8: as if there were no account
        disco = Disco(account.jid, request.sender, request.payload.get("node") or "", account)
        if not disco.node:
            disco.identities.append(("account", "registered" if account.record else "anonymous", ""))
            for module in self._host.modules.values():
                disco.features.update(module.account_features)
        return self._host.hooks.account_disco.gather(disco)

    def version(self) -> str:
        """Return the verification string of the server's capabilities (XEP-0115 §5.1)."""
        return verification_string(discovery.info(self._describe_server(None, ""), ""))

    def announce(self, features: list[Element]) -> None:
        """Announce the server's capabilities as a stream feature (XEP-0115 §6.3)."""
        features.append(Element("c", CAPS, {"hash": "sha-1", "node": CAPS_NODE, "ver": self.version()}))


def _may_ask(request: IqRequest) -> bool:
    """§8: only who may see the account's presence learns what it can."""
    account, asker = request.account, request.sender.bare
    if account is None:
        return False
    item = account.roster.get(asker)
    return asker == account.jid or (item is not None and item.subscription in ("from", "both"))


def verification_string(query: Element) -> str:
    """Hash a disco#info result (XEP-0115 §5.1)."""
    identities = sorted(
        "/".join((one.get("category") or "", one.get("type") or "", one.get("xml:lang") or "", one.get("name") or ""))
        for one in query.findall("identity", DISCO_INFO)
    )
    features = sorted(one.get("var") or "" for one in query.findall("feature", DISCO_INFO))
    parts = identities + features
    forms = [Form.parse(one) for one in query.findall("x", DATA_FORMS)]
    for form in sorted((form for form in forms if form.form_type), key=lambda form: form.form_type or ""):
        parts.append(form.form_type or "")
        for field in sorted(form.fields, key=lambda field: field.var):
            if field.var != "FORM_TYPE":
                parts += [field.var, *sorted(field.values)]
    text = "".join(f"{part}<" for part in parts)
    return b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()
