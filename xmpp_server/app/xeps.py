"""Writes docs/xeps.md and docs/xmpp-server.doap: which specifications the server implements, as its modules say.

Run `python -m xmpp_server.app.xeps [FOLDER]` after a change of a module's `xeps` or of the tables below.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from xmpp_server.app.modules import MODULES
from xmpp_server.app.xep_titles import TITLES
from xmpp_server.core.module import Module, Xep
from xmpp_server.xml.writer import escape_attr, escape_text

MARKDOWN_FILE = "xeps.md"
DOAP_FILE = "xmpp-server.doap"

_COMMAND = "python -m xmpp_server.app.xeps"


@dataclass(frozen=True, slots=True)
class Rfc:
    """An RFC that the layers below the modules implement; `note` tells what is left out."""

    number: int
    title: str
    places: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Implemented:
    """A XEP, and the file under `xmpp_server/` that implements it; `module` is its name in the configuration."""

    xep: Xep
    place: str
    module: str = ""
    #: When it is on, if not always.
    when: str = ""


OFF = "off by default"

RFCS: tuple[Rfc, ...] = (
    Rfc(4422, "SASL EXTERNAL", ("sasl/external.py",)),
    Rfc(4505, "SASL ANONYMOUS", ("sasl/anonymous.py",)),
    Rfc(4616, "SASL PLAIN", ("sasl/plain.py",)),
    Rfc(5802, "SCRAM", ("sasl/scram.py",)),
    Rfc(
        5929,
        "Channel Bindings for TLS",
        ("sasl/channel_binding.py",),
        "tls-server-end-point only; tls-unique is not safe with every version of TLS",
    ),
    Rfc(6120, "XMPP: Core", ("streams/c2s.py", "streams/s2s_in.py", "xml/scanner.py", "core/host.py")),
    Rfc(6121, "XMPP: Instant Messaging and Presence", ("im/roster.py", "im/presence.py", "im/delivery.py")),
    Rfc(7590, "Use of TLS in XMPP", ("net/tls.py",)),
    Rfc(7622, "XMPP: Address Format", ("jid.py",)),
    Rfc(7671, "DANE: Updates and Operational Guidance", ("net/dane.py",), OFF),
    Rfc(7673, "DANE TLSA Records with SRV Records", ("net/lookup.py",), OFF),
    Rfc(7677, "SCRAM-SHA-256", ("sasl/scram.py",)),
    Rfc(7711, "POSH", ("net/posh.py", "net/posh_document.py"), OFF),
    Rfc(8265, "PRECIS: Usernames and Passwords", ("jid.py", "sasl/credentials.py")),
    Rfc(8555, "ACME", ("app/acme/issuing.py",), OFF),
    Rfc(9266, "Channel Bindings for TLS 1.3", ("net/tls_channel.py",), "not offered below TLS 1.3"),
    Rfc(9525, "Service Identity in TLS", ("net/certificates.py", "net/peer_trust.py")),
    Rfc(9773, "ACME Renewal Information", ("app/acme/issuing.py",), OFF),
)

#: XEPs that no module implements, but a layer below, or the application.
LAYERS: tuple[Implemented, ...] = (
    Implemented(Xep(4, "2.13.1", "the parts that services use"), "stanzas/forms.py"),
    Implemented(Xep(82, "1.1.1"), "stanzas/delay.py"),
    Implemented(Xep(86, "1.0"), "stanzas/error.py"),
    Implemented(Xep(114, "1.6", "the accept side"), "streams/component.py"),
    Implemented(Xep(175, "1.2"), "sasl/anonymous.py"),
    Implemented(Xep(178, "1.2"), "streams/s2s_in.py"),
    Implemented(Xep(185, "1.0"), "streams/dialback.py"),
    Implemented(Xep(203, "2.0"), "stanzas/delay.py"),
    Implemented(Xep(220, "1.1.1"), "streams/dialback.py"),
    Implemented(Xep(225, "0.2", "only the binding of further domains (§4)"), "core/component_line.py"),
    Implemented(Xep(227, "1.1"), "app/xep0227.py"),
    Implemented(Xep(288, "1.0.1"), "net/s2s.py"),
    Implemented(Xep(297, "1.0"), "stanzas/forward.py"),
    Implemented(Xep(334, "1.0.0", "not announced as a feature"), "im/offline.py"),
    Implemented(Xep(368, "1.1.0"), "net/dns.py"),
    Implemented(Xep(440, "1.0.0"), "streams/features.py"),
    Implemented(Xep(474, "0.5.0"), "sasl/scram.py"),
    Implemented(Xep(478, "0.2.0"), "streams/features.py"),
)

#: XEPs that somebody might look for, and that will not come.
REFUSED: tuple[Xep, ...] = (
    Xep(138, "2.1", "obsolete: compression before encryption tells an observer something of the plain text"),
)


def implemented(modules: Sequence[type[Module]] = MODULES) -> list[Implemented]:
    """Return every XEP that is implemented, by number."""
    of_modules = [
        Implemented(xep, _place(module), module.name, _when(module)) for module in modules for xep in module.xeps
    ]
    return sorted([*LAYERS, *of_modules], key=lambda one: (one.xep.number, one.place))


def markdown(modules: Sequence[type[Module]] = MODULES) -> str:
    """Write the list for people."""
    lines = [
        "# What the server implements",
        "",
        f"Made by `{_COMMAND}` from what the modules say of themselves; do not edit it here.",
        "",
        "## RFCs",
        "",
        "| RFC | Title | Where | Note |",
        "| --- | --- | --- | --- |",
    ]
    for rfc in RFCS:
        places = ", ".join(_link(place) for place in rfc.places)
        lines.append(f"| [{rfc.number}]({_rfc_url(rfc.number)}) | {rfc.title} | {places} | {rfc.note} |")
    lines += [
        "",
        "## XEPs",
        "",
        "The version is that of the text that was read. *Module* is the name in the configuration, `[modules.NAME]`;",
        "what has none is always there. XEP-0065 and XEP-0363 are in another program, [xmpp-files](file-transfer.md).",
        "",
        "| XEP | Title | Version | Module | Where | Note |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(one) for one in implemented(modules)]
    lines += ["", "## Modules", "", "Each has `enabled` in `[modules.NAME]`, and the keys that stand here.", ""]
    lines += ["| Module | Enabled | Keys and defaults | |", "| --- | --- | --- | --- |"]
    lines += [_settings(module) for module in sorted(modules, key=lambda module: module.name)]
    lines += ["", "## Not implemented, on purpose", "", "| XEP | Title | Why |", "| --- | --- | --- |"]
    lines += [f"| {_xep_link(xep)} | {_title(xep)} | {xep.note} |" for xep in REFUSED]
    return "\n".join(lines) + "\n"


def doap(modules: Sequence[type[Module]] = MODULES) -> str:
    """Write the description of the project for machines (XEP-0453)."""
    lines = [
        "<?xml version='1.0' encoding='UTF-8'?>",
        f"<!-- Made by `{_COMMAND}`; do not edit it here. -->",
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'",
        "         xmlns='http://usefulinc.com/ns/doap#'",
        "         xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>",
        "  <Project>",
        "    <name>xmpp-server</name>",
        "    <shortdesc xml:lang='en'>XMPP server</shortdesc>",
        "    <license rdf:resource='https://spdx.org/licenses/MIT'/>",
        "    <programming-language>Python</programming-language>",
        "    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>",
    ]
    lines += [f"    <implements rdf:resource='{_rfc_url(rfc.number)}'/>" for rfc in RFCS]
    for one in implemented(modules):
        lines += _supported(one.xep, "partial" if one.xep.note else "complete")
    for xep in REFUSED:
        lines += _supported(xep, "wontfix")
    return "\n".join([*lines, "  </Project>", "</rdf:RDF>"]) + "\n"


def _supported(xep: Xep, status: str) -> list[str]:
    note = [f"        <xmpp:note xml:lang='en'>{escape_text(xep.note)}</xmpp:note>"] if xep.note else []
    return [
        "    <implements>",
        "      <xmpp:SupportedXep>",
        f"        <xmpp:xep rdf:resource='{escape_attr(_xep_url(xep))}'/>",
        f"        <xmpp:status>{status}</xmpp:status>",
        f"        <xmpp:version>{escape_text(xep.version)}</xmpp:version>",
        *note,
        "      </xmpp:SupportedXep>",
        "    </implements>",
    ]


def _row(one: Implemented) -> str:
    module = f"`{one.module}`" if one.module else ""
    if one.when:
        module += f", {one.when}"
    xep = one.xep
    return f"| {_xep_link(xep)} | {_title(xep)} | {xep.version} | {module} | {_link(one.place)} | {xep.note} |"


def _when(module: type[Module]) -> str:
    """Tell when a module is on, if nothing is said of it; nothing of one that always is."""
    return "" if module.enabled_by_default else "with its component" if module.enabled_with_component else OFF


def _settings(module: type[Module]) -> str:
    about = (module.__doc__ or "").partition("\n")[0]
    enabled = {"": "yes", OFF: "no"}.get(_when(module), _when(module))
    keys = ", ".join(f"`{field.encode_name} = {_toml(field)}`" for field in msgspec.structs.fields(module.Config))
    return f"| `{module.name}` | {enabled} | {keys} | {about} |"


def _toml(field: msgspec.structs.FieldInfo) -> str:
    """Write the default of a key, which TOML writes like JSON; a table says so, and what has no default."""
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    else:
        default = field.default
    if default is msgspec.NODEFAULT or default is None:
        return "…"
    return msgspec.json.encode(default).decode()


def _place(module: type[Module]) -> str:
    """Return the file that defines a module, or the package that it is."""
    name = module.__module__
    package = hasattr(sys.modules[name], "__path__")
    return name.removeprefix("xmpp_server.").replace(".", "/") + ("/__init__.py" if package else ".py")


def _link(place: str) -> str:
    return f"[{place}](../xmpp_server/{place})"


def _title(xep: Xep) -> str:
    return TITLES.get(xep.number, "")


def _xep_link(xep: Xep) -> str:
    return f"[{xep.number:04}]({_xep_url(xep)})"


def _xep_url(xep: Xep) -> str:
    return f"https://xmpp.org/extensions/xep-{xep.number:04}.html"


def _rfc_url(number: int) -> str:
    return f"https://www.rfc-editor.org/info/rfc{number}"


def main(arguments: Sequence[str]) -> None:
    """Write both files into a folder."""
    folder = Path(arguments[0] if arguments else "docs")
    (folder / MARKDOWN_FILE).write_text(markdown(), encoding="utf-8")
    (folder / DOAP_FILE).write_text(doap(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
