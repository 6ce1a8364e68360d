"""docs/writing-a-module.md: the example works as it stands there."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from tests.docs.names import DOCS
from xmpp_server.core import module, order

TEXT = (DOCS / "writing-a-module.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
EXAMPLE = dict(_BLOCK.findall(TEXT))
TESTS = re.findall(r"^def (test_\w+)", EXAMPLE["test"], re.MULTILINE)


@pytest.mark.parametrize("test", TESTS)
def test_the_example_passes_its_tests(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, source: str) -> ModuleType:
        made = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(source, name, "exec"), made.__dict__)
        return made

    load("xmpp_server.modules.allowance", EXAMPLE["module"])
    getattr(load("test_allowance", EXAMPLE["test"]), test)()


def test_all_orders_and_attributes_are_described() -> None:
    assert re.findall(r"^\| `([A-Z]+)` \|", TEXT, re.MULTILINE) == [member.name for member in order.Order]
    attributes = re.findall(r"^\| `([a-z_]+|Config)` \|", TEXT, re.MULTILINE)
    assert set(attributes) == set(module.Module.__annotations__)
