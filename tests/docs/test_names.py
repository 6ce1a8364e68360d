"""What the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.names import DOCS, PACKAGE, ROOT, classes, files, links, members

#: Files that the guide for module authors tells its reader to write.
EXAMPLES = re.compile(r".*/(test_)?(NAME|SHORT_NAME|allowance)\.py")
TEXTS = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(DOCS)) for path in TEXTS])
def test_what_a_text_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = classes()
    # a class that is not ours (of a library, of the example) is not ours to check
    assert [pair for pair in members(text) if pair[0] in known and pair[1] not in known[pair[0]]] == []
    missing = [name for name in files(text) if not ((ROOT / name).exists() or (PACKAGE / name).exists())]
    assert [name for name in missing if not EXAMPLES.fullmatch(name)] == []
    assert [link for link in links(text) if not (path.parent / link).exists()] == []
