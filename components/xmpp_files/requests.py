"""What a client asks of the upload service, read from its XML (XEP-0363 §4, §5), and how it is refused (§6)."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from components.xmpp_component.errors import RequestError
from components.xmpp_files import media_types, names
from components.xmpp_files.purposes import NS_PURPOSE, PURPOSES, Purpose, moment, stamp

NS = "urn:xmpp:http:upload:0"
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A `<request/>`; `content_type` is "" if none was given, `expire_before` in seconds since 1970."""

    filename: str
    size: int
    content_type: str
    purpose: Purpose
    expire_before: int | None


def read(request: ET.Element, served: Container[Purpose]) -> UploadRequest:
    """Read a `<request/>`.

    Raises:
        RequestError: It is malformed, or for a purpose that is not served.

    """
    filename = names.cleaned(request.get("filename", ""))
    if not filename:
        raise RequestError("bad-request", "modify", "The file needs a name")
    size = request.get("size", "")
    if not (size.isascii() and size.isdigit() and len(size) <= _MAX_DIGITS and int(size) > 0):
        raise RequestError("bad-request", "modify", "The size must be a number of bytes above 0")
    given = request.get("content-type", "")
    content_type = media_types.parsed(given) if given else ""
    if content_type is None:
        raise RequestError("bad-request", "modify", "The content type is malformed")
    purpose, expire_before = _purpose(request)
    if purpose not in served:
        raise RequestError("feature-not-implemented", "cancel", f"The purpose {purpose} is not served")
    return UploadRequest(filename, int(size), content_type, purpose, expire_before)


def _purpose(request: ET.Element) -> tuple[Purpose, int | None]:
    for child in request:
        namespace, _, name = child.tag[1:].partition("}")
        if namespace != NS_PURPOSE:
            continue
        if name not in PURPOSES:
            raise RequestError("feature-not-implemented", "cancel", "The purpose is not known")
        if PURPOSES[name] is not Purpose.EPHEMERAL:
            return PURPOSES[name], None
        expire_before = moment(child.get("expire-before", ""))
        if expire_before is None:
            raise RequestError("bad-request", "modify", "expire-before must be a DateTime")
        return Purpose.EPHEMERAL, expire_before
    return Purpose.MESSAGE, None


def too_large(max_file_bytes: int) -> RequestError:
    """Return the error that tells the maximum."""
    extension = ET.Element(f"{{{NS}}}file-too-large")
    ET.SubElement(extension, f"{{{NS}}}max-file-size").text = str(max_file_bytes)
    text = f"File too large. The maximum file size is {max_file_bytes} bytes"
    return RequestError("not-acceptable", "modify", text, extension)


def try_later(text: str, retry_at: int) -> RequestError:
    """Return the error of quotas; `retry_at` in seconds since 1970."""
    extension = ET.Element(f"{{{NS}}}retry", stamp=stamp(retry_at))
    return RequestError("resource-constraint", "wait", text, extension)


def slot_element(put_url: str, get_url: str) -> ET.Element:
    """Return the `<slot/>`."""
    slot = ET.Element(f"{{{NS}}}slot")
    ET.SubElement(slot, f"{{{NS}}}put", url=put_url)
    ET.SubElement(slot, f"{{{NS}}}get", url=get_url)
    return slot
