"""What the command line asks of a running server about its certificates."""

from __future__ import annotations

from collections.abc import Mapping

from xmpp_server.app.acme.job import Report
from xmpp_server.app.acme.renewal import Renewal, RenewalError
from xmpp_server.app.certificates import Certificates
from xmpp_server.app.control import ControlError, Handler
from xmpp_server.net.certificates import KeyPair


class LiveCertificates:
    """The certificates in force, to the command line."""

    def __init__(self, certificates: Certificates, renewal: Renewal) -> None:
        self._certificates = certificates
        self._renewal = renewal

    def handlers(self) -> dict[str, Handler]:
        """Return the commands by name."""
        return {"tls.list": self.list, "tls.renew": self.renew}

    async def list(self, _arguments: Mapping[str, object]) -> object:
        """List the certificates in force, the default one first."""
        return [row(pair) for pair in self._certificates.pairs]

    async def renew(self, arguments: Mapping[str, object]) -> object:
        """Renew the certificates of the CA that are due, or all with `force`, and put them in force."""
        try:
            report = await self._renewal.visit(force=bool(arguments.get("force")))
        except RenewalError as error:
            raise ControlError(str(error)) from None
        return renewal_rows(report)


def row(pair: KeyPair) -> dict[str, object]:
    """Tell how a certificate is."""
    return {
        "names": list(pair.names.hosts),
        "until": pair.not_after.isoformat(timespec="seconds"),
        "days": int(pair.days_left()),
        "issuer": "itself" if pair.is_self_signed else pair.chain[0].issuer.rfc4514_string(),
        "file": pair.source,
    }


def renewal_rows(report: Report) -> list[dict[str, object]]:
    """Tell how it went with each certificate."""
    return [
        {
            "names": list(outcome.names),
            "state": "failed" if outcome.error else "issued" if outcome.issued else "not due",
            "file": outcome.path,
            "error": outcome.error,
        }
        for outcome in report.outcomes
    ]
