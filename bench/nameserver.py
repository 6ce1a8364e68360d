"""A nameserver for servers under test that look for each other: SRV and address records of some domains, no more."""

from __future__ import annotations

import contextlib
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

_TTL_S = 3600


class Nameserver:
    """Answers on a free UDP port of 127.0.0.1, from a thread of its own."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def add(self, domain: str, port: int) -> None:
        """Say where a domain's door for servers is.

        The target is an address written as a name: not all servers ask the same nameserver for addresses.
        """
        self._records[f"_xmpp-server._tcp.{domain}.", "SRV"] = f"0 5 {port} 127.0.0.1."
        self._records[f"{domain}.", "A"] = "127.0.0.1"
        self._records["127.0.0.1.", "A"] = "127.0.0.1"

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
                if data:
                    self._socket.sendto(self._answer(data), client)
            except OSError:
                return

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        name = query.question[0].name.to_text().lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        record = self._records.get((name, kind))
        if record is not None:
            answer.answer.append(dns.rrset.from_text(name, _TTL_S, "IN", kind, record))
        elif not any(known == name for known, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()
