"""Metrics: plain integers that the server increments; `exposition` writes them for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field


def _counter(help_text: str) -> int:
    counter: int = field(default=0, metadata={"help": help_text})
    return counter


@dataclass(slots=True)
class Counters:
    """What has happened since the start. An attribute `x` is the metric `xmpp_x_total`."""

    connections: int = _counter("Client connections accepted")
    logins: int = _counter("Successful authentications")
    login_failures: int = _counter("Failed authentications")
    resumptions: int = _counter("Sessions resumed (XEP-0198)")
    stream_errors: int = _counter("Streams closed with an error by this server")
    certificates_issued: int = _counter("Certificates that a CA has issued (ACME)")
    certificate_failures: int = _counter("Certificates that a CA has not issued when they were due (ACME)")
