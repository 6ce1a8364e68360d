"""XML namespaces that more than one module names."""

from __future__ import annotations

from typing import Final

# RFC 6120, 6121, 3921, 7395, Namespaces in XML
CLIENT: Final = "jabber:client"
SERVER: Final = "jabber:server"
STREAM: Final = "http://etherx.jabber.org/streams"
STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION: Final = "urn:ietf:params:xml:ns:xmpp-session"
ROSTER: Final = "jabber:iq:roster"
ROSTER_VERSIONING: Final = "urn:xmpp:features:rosterver"
PRE_APPROVAL: Final = "urn:xmpp:features:pre-approval"
XML: Final = "http://www.w3.org/XML/1998/namespace"
XMLNS: Final = "http://www.w3.org/2000/xmlns/"

# Negotiation and stream management
SM: Final = "urn:xmpp:sm:3"  # XEP-0198
CSI: Final = "urn:xmpp:csi:0"  # XEP-0352
SASL_CHANNEL_BINDING: Final = "urn:xmpp:sasl-cb:0"  # XEP-0440
STREAM_LIMITS: Final = "urn:xmpp:stream-limits:0"  # XEP-0478
COMPONENT: Final = "jabber:component:accept"  # XEP-0114
DIALBACK: Final = "jabber:server:dialback"  # XEP-0220
DIALBACK_FEATURE: Final = "urn:xmpp:features:dialback"  # XEP-0220
DELEGATION: Final = "urn:xmpp:delegation:2"  # XEP-0355
PRIVILEGE: Final = "urn:xmpp:privilege:2"  # XEP-0356

# Payloads
DATA_FORMS: Final = "jabber:x:data"  # XEP-0004
DATA_VALIDATE: Final = "http://jabber.org/protocol/xdata-validate"  # XEP-0122
LAST: Final = "jabber:iq:last"  # XEP-0012
DISCO_INFO: Final = "http://jabber.org/protocol/disco#info"  # XEP-0030
DISCO_ITEMS: Final = "http://jabber.org/protocol/disco#items"  # XEP-0030
MUC: Final = "http://jabber.org/protocol/muc"  # XEP-0045
MUC_USER: Final = "http://jabber.org/protocol/muc#user"  # XEP-0045
MUC_ADMIN: Final = "http://jabber.org/protocol/muc#admin"  # XEP-0045
MUC_OWNER: Final = "http://jabber.org/protocol/muc#owner"  # XEP-0045
PRIVATE: Final = "jabber:iq:private"  # XEP-0049
COMMANDS: Final = "http://jabber.org/protocol/commands"  # XEP-0050
VCARD: Final = "vcard-temp"  # XEP-0054
VCARD_UPDATE: Final = "vcard-temp:x:update"  # XEP-0153
RSM: Final = "http://jabber.org/protocol/rsm"  # XEP-0059
PUBSUB_EVENT: Final = "http://jabber.org/protocol/pubsub#event"  # XEP-0060
REGISTER: Final = "jabber:iq:register"  # XEP-0077
REGISTER_FEATURE: Final = "http://jabber.org/features/iq-register"  # XEP-0077
PREAUTH: Final = "urn:xmpp:pars:0"  # XEP-0379
REGISTER_INVITED: Final = "urn:xmpp:ibr-token:0"  # XEP-0445
CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"  # XEP-0085
VERSION: Final = "jabber:iq:version"  # XEP-0092
CAPS: Final = "http://jabber.org/protocol/caps"  # XEP-0115
RECEIPTS: Final = "urn:xmpp:receipts"  # XEP-0184
BLOCKING: Final = "urn:xmpp:blocking"  # XEP-0191
BLOCKING_ERRORS: Final = "urn:xmpp:blocking:errors"  # XEP-0191
PING: Final = "urn:xmpp:ping"  # XEP-0199
TIME: Final = "urn:xmpp:time"  # XEP-0202
DELAY: Final = "urn:xmpp:delay"  # XEP-0203
CARBONS: Final = "urn:xmpp:carbons:2"  # XEP-0280
FORWARD: Final = "urn:xmpp:forward:0"  # XEP-0297
HASHES: Final = "urn:xmpp:hashes:2"  # XEP-0300
MAM: Final = "urn:xmpp:mam:2"  # XEP-0313
CHAT_MARKERS: Final = "urn:xmpp:chat-markers:0"  # XEP-0333
HINTS: Final = "urn:xmpp:hints"  # XEP-0334
SID: Final = "urn:xmpp:sid:0"  # XEP-0359
OCCUPANT_ID: Final = "urn:xmpp:occupant-id:0"  # XEP-0421

#: Content namespaces (RFC 6120 §4.8.2): the same stanzas, on streams of three kinds.
CONTENT: Final = frozenset((CLIENT, SERVER, COMPONENT))
