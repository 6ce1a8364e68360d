"""Names of files and folders: what may be one, which two are the same, and paths made of them.

No name ever becomes a path on our own disk.
"""

from __future__ import annotations

import unicodedata

from components.xmpp_files import names
from components.xmpp_files.network_disk.errors import DiskError, Reason

MAX_DEPTH = 32
#: The folder of what was uploaded by XEP-0363; at the top of each account's store, and not in the tree.
UPLOADS = "Uploads"


def entry_name(text: str) -> str:
    """Return a name as it is kept, in Unicode NFC.

    Raises:
        DiskError: It cannot be the name of a file: nothing of what somebody typed is changed silently.

    """
    text = text[: 4 * names.MAX_BYTES]  # what is longer is no name either, and normalizing takes more than linear time
    name = unicodedata.normalize("NFC", text).strip()
    if not name or name != names.cleaned(name):
        raise DiskError(
            Reason.BAD,
            f"This is no name: it must have 1 to {names.MAX_BYTES} bytes, no / or \\, and not end with a dot",
        )
    return name


def key(name: str) -> str:
    """Return what is equal for names that people take for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def numbered(name: str, number: int) -> str:
    """Return "name (2).txt" for the second "name.txt", not longer than a name may be."""
    if number < 2:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > 20:
        stem, dot, extension = name, "", ""
    tail = f" ({number}){dot}{extension}"
    room = names.MAX_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + tail


def segments(path: str) -> list[str]:
    """Return the names in a path like "/Photos/2026"; the top has none.

    Raises:
        DiskError: It is too deep, or not made of names.

    """
    parts = [part for part in path.split("/") if part.strip()]
    if len(parts) > MAX_DEPTH + 1:
        raise DiskError(Reason.BAD, f"Folders lie at most {MAX_DEPTH} deep")
    return [entry_name(part) for part in parts]
