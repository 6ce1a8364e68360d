"""What the types of the configuration cannot say: addresses, and keys that depend on one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from xmpp_server.app.config_error import ConfigError
from xmpp_server.app.settings import Acme, Component, Config
from xmpp_server.core import federation_rights
from xmpp_server.core.domain_rules import PatternError
from xmpp_server.core.grants import Grants
from xmpp_server.jid import JID, JIDMalformed

_DOOR = re.compile(r"unix:.+|(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:\[\]]+):(\d{1,5})")
_STORES = ("sqlite:///", "postgresql://")


def checked(config: Config, path: Path | None) -> Config:
    """Return the configuration with its addresses in prepared form.

    Raises:
        ConfigError: Something does not go together.

    """
    return _Checks(config, path).result()


class _Checks:
    """One pass over a configuration."""

    def __init__(self, config: Config, path: Path | None) -> None:
        self._config = config
        self._path = path

    def result(self) -> Config:
        config = self._config
        domains = self._each("domains", config.domains, self._domain)
        self._unique("domains", domains)
        self._check_doors()
        self._check_tls(domains)
        self._check_limits()
        auth = msgspec.structs.replace(
            config.auth, anonymous=self._each("auth.anonymous", config.auth.anonymous, self._domain)
        )
        self._among("auth.anonymous", auth.anonymous, domains)
        self._check_registration()
        if auth.backoff_max_s < auth.backoff_s:
            raise self._error("auth.backoff_max_s", "is less than backoff_s")
        if config.storage.url != "memory:" and not config.storage.url.startswith(_STORES):
            raise self._error("storage.url", "must begin with sqlite:/// or postgresql://, or be memory:")
        components = tuple(
            self._component(component, f"components[{index}]", domains)
            for index, component in enumerate(config.components)
        )
        self._unique("components", [domain for component in components for domain in component.domains])
        delegated = [text.split()[0] for component in components for text in component.delegate]
        self._unique("components", delegated)
        return msgspec.structs.replace(
            config,
            domains=domains,
            admins=self._each("admins", config.admins, self._account),
            auth=auth,
            components=components,
        )

    def _error(self, key: str, reason: str) -> ConfigError:
        return ConfigError(self._path, key, reason)

    def _each(self, key: str, texts: Iterable[str], check: Callable[[str, str], str]) -> tuple[str, ...]:
        return tuple(check(f"{key}[{index}]", text) for index, text in enumerate(texts))

    def _domain(self, key: str, text: str) -> str:
        jid = self._jid(key, text)
        if not jid.is_domain:
            raise self._error(key, f"{text!r} is not a domain")
        return str(jid)

    def _account(self, key: str, text: str) -> str:
        jid = self._jid(key, text)
        if jid.localpart is None or not jid.is_bare:
            raise self._error(key, f"{text!r} is not an account (name@domain)")
        return str(jid)

    def _jid(self, key: str, text: str) -> JID:
        try:
            return JID.parse(text)
        except JIDMalformed as error:
            raise self._error(key, f"{text!r} is not an address: {error}") from None

    def _unique(self, key: str, names: Iterable[str]) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise self._error(key, f"{name} stands there twice")
            seen.add(name)

    def _among(self, key: str, names: Iterable[str], domains: tuple[str, ...]) -> None:
        for name in names:
            if name not in domains:
                raise self._error(key, f"{name} is not one of domains")

    def _check_doors(self) -> None:
        config = self._config
        for name in config.listen.__struct_fields__:
            for index, door in enumerate(getattr(config.listen, name)):
                self._check_door(f"listen.{name}[{index}]", door)
        for index, address in enumerate(config.s2s.dns.nameservers):
            self._check_door(f"s2s.dns.nameservers[{index}]", address)
        for index, pattern in enumerate(config.s2s.local_only):
            try:
                federation_rights.checked(pattern)
            except PatternError:
                reason = f"{pattern!r} is neither an account, nor accounts like name-*@domain, nor a domain"
                raise self._error(f"s2s.local_only[{index}]", reason) from None
        for domain, address in config.s2s.routes.items():
            self._domain("s2s.routes", domain)
            self._check_door(f's2s.routes."{domain}"', address)

    def _check_door(self, key: str, text: str) -> None:
        match = _DOOR.fullmatch(text)
        if not match or int(match[1] or 0) > 65_535:
            raise self._error(key, f'{text!r} is not "host:port", "[address]:port" or "unix:PATH"')

    def _check_tls(self, domains: tuple[str, ...]) -> None:
        tls = self._config.tls
        if bool(tls.certificate) != bool(tls.key):
            raise self._error("tls.key" if tls.certificate else "tls.certificate", "is missing: both or neither")
        self._among("tls.domains", (self._domain("tls.domains", name) for name in tls.domains), domains)
        if tls.acme.enabled:
            self._check_acme(tls.acme)

    def _check_acme(self, acme: Acme) -> None:
        if self._config.tls.certificate:
            raise self._error("tls.acme.enabled", "there is tls.certificate as well; take one of them away")
        if not acme.terms_agreed:
            raise self._error("tls.acme.terms_agreed", "must be true; read the terms of the CA first")
        if not acme.directory.startswith("https://"):
            raise self._error("tls.acme.directory", "must begin with https://")
        for index, contact in enumerate(acme.contact):
            self._account(f"tls.acme.contact[{index}]", contact.removeprefix("mailto:"))
        self._each("tls.acme.domains", acme.domains, self._domain)
        for index, door in enumerate(acme.http):
            self._check_door(f"tls.acme.http[{index}]", door)

    def _check_registration(self) -> None:
        registration, modules = self._config.auth.registration, self._config.modules
        for name in {"open": ("register",), "invite": ("register", "invitations")}.get(registration, ()):
            module = modules.get(name)
            if module is not None and module.enabled is False:
                raise self._error("auth.registration", f"is {registration}, but [modules.{name}] is not enabled")

    def _check_limits(self) -> None:
        limits = self._config.limits
        for name in limits.__struct_fields__:
            if getattr(limits, name) < 0:
                raise self._error(f"limits.{name}", "is negative")

    def _component(self, component: Component, key: str, domains: tuple[str, ...]) -> Component:
        if component.secret and component.secret_file:
            raise self._error(key, "needs either secret or secret_file")
        if not (component.secret or component.secret_file or component.run):
            raise self._error(key, "needs secret or secret_file, or run")
        try:
            Grants.parse(component.privileges, ())
        except ValueError as error:
            raise self._error(f"{key}.privileges", str(error)) from None
        try:
            Grants.parse((), component.delegate)
        except ValueError as error:
            raise self._error(f"{key}.delegate", str(error)) from None
        own = self._each(f"{key}.domains", component.domains, self._domain)
        for domain in own:
            if domain in domains:
                raise self._error(f"{key}.domains", f"{domain} is one of domains already")
        folder = component.folder or str(self._path.parent if self._path else Path.cwd())
        return msgspec.structs.replace(component, domains=own, folder=folder)
