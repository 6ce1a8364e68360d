"""Protocol errors: stanza errors (RFC 6120 §8.3), stream errors (§4.9), SASL failures (§6.5)."""

from __future__ import annotations

from enum import StrEnum


class ErrorType(StrEnum):
    """What the sender may do about a stanza error (RFC 6120 §8.3.2)."""

    AUTH = "auth"
    CANCEL = "cancel"
    CONTINUE = "continue"
    MODIFY = "modify"
    WAIT = "wait"


class Condition(StrEnum):
    """Defined stanza error conditions (RFC 6120 §8.3.3)."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


#: The error type that RFC 6120 §8.3.3 associates with each condition.
DEFAULT_TYPES: dict[Condition, ErrorType] = {
    Condition.BAD_REQUEST: ErrorType.MODIFY,
    Condition.CONFLICT: ErrorType.CANCEL,
    Condition.FEATURE_NOT_IMPLEMENTED: ErrorType.CANCEL,
    Condition.FORBIDDEN: ErrorType.AUTH,
    Condition.GONE: ErrorType.CANCEL,
    Condition.INTERNAL_SERVER_ERROR: ErrorType.CANCEL,
    Condition.ITEM_NOT_FOUND: ErrorType.CANCEL,
    Condition.JID_MALFORMED: ErrorType.MODIFY,
    Condition.NOT_ACCEPTABLE: ErrorType.MODIFY,
    Condition.NOT_ALLOWED: ErrorType.CANCEL,
    Condition.NOT_AUTHORIZED: ErrorType.AUTH,
    Condition.POLICY_VIOLATION: ErrorType.MODIFY,
    Condition.RECIPIENT_UNAVAILABLE: ErrorType.WAIT,
    Condition.REDIRECT: ErrorType.MODIFY,
    Condition.REGISTRATION_REQUIRED: ErrorType.AUTH,
    Condition.REMOTE_SERVER_NOT_FOUND: ErrorType.CANCEL,
    Condition.REMOTE_SERVER_TIMEOUT: ErrorType.WAIT,
    Condition.RESOURCE_CONSTRAINT: ErrorType.WAIT,
    Condition.SERVICE_UNAVAILABLE: ErrorType.CANCEL,
    Condition.SUBSCRIPTION_REQUIRED: ErrorType.AUTH,
    Condition.UNDEFINED_CONDITION: ErrorType.CANCEL,
    Condition.UNEXPECTED_REQUEST: ErrorType.WAIT,
}


class StreamCondition(StrEnum):
    """Defined stream error conditions (RFC 6120 §4.9.3)."""

    BAD_FORMAT = "bad-format"
    BAD_NAMESPACE_PREFIX = "bad-namespace-prefix"
    CONFLICT = "conflict"
    CONNECTION_TIMEOUT = "connection-timeout"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    INVALID_FROM = "invalid-from"
    INVALID_NAMESPACE = "invalid-namespace"
    INVALID_XML = "invalid-xml"
    NOT_AUTHORIZED = "not-authorized"
    NOT_WELL_FORMED = "not-well-formed"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    RESET = "reset"
    RESOURCE_CONSTRAINT = "resource-constraint"
    RESTRICTED_XML = "restricted-xml"
    SEE_OTHER_HOST = "see-other-host"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_FEATURE = "unsupported-feature"
    UNSUPPORTED_STANZA_TYPE = "unsupported-stanza-type"
    UNSUPPORTED_VERSION = "unsupported-version"


class SaslCondition(StrEnum):
    """Defined SASL failure conditions (RFC 6120 §6.5)."""

    ABORTED = "aborted"
    ACCOUNT_DISABLED = "account-disabled"
    CREDENTIALS_EXPIRED = "credentials-expired"
    ENCRYPTION_REQUIRED = "encryption-required"
    INCORRECT_ENCODING = "incorrect-encoding"
    INVALID_AUTHZID = "invalid-authzid"
    INVALID_MECHANISM = "invalid-mechanism"
    MALFORMED_REQUEST = "malformed-request"
    MECHANISM_TOO_WEAK = "mechanism-too-weak"
    NOT_AUTHORIZED = "not-authorized"
    TEMPORARY_AUTH_FAILURE = "temporary-auth-failure"


class StanzaError(Exception):
    """A stanza cannot be processed; `Host` turns it into an error stanza for the sender.

    `text` is public. `app` is the name and namespace of an application-specific condition (RFC 6120 §8.3.4).
    `echo` is false where the error must not repeat what was sent, as a password.
    """

    def __init__(
        self,
        condition: Condition,
        text: str = "",
        *,
        type: ErrorType | None = None,  # noqa: A002 - the attribute's name on the wire
        app: tuple[str, str] | None = None,
        echo: bool = True,
    ) -> None:
        super().__init__(condition.value, text)
        self.condition = condition
        self.text = text
        self.type = type or DEFAULT_TYPES[condition]
        self.app = app
        self.echo = echo


class StreamError(Exception):
    """A stream cannot go on; the connection sends `<stream:error/>` and closes (RFC 6120 §4.9.1)."""

    def __init__(self, condition: StreamCondition, text: str = "", *, app_xml: bytes = b"") -> None:
        super().__init__(condition.value, text)
        self.condition = condition
        self.text = text
        #: A whole application-specific condition element, where a name and a namespace do not say enough.
        self.app_xml = app_xml


class SaslError(Exception):
    """An authentication exchange failed; the stream sends `<failure/>` (RFC 6120 §6.4.5)."""

    def __init__(self, condition: SaslCondition, text: str = "") -> None:
        super().__init__(condition.value, text)
        self.condition = condition
        self.text = text
