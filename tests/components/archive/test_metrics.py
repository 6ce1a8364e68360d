"""What the archive counts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from prometheus_client import CollectorRegistry

from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.metrics import Metrics
from components.xmpp_archive.namespaces import ARCHIVE, MAM
from components.xmpp_component.errors import RequestError


def payload(name: str, *inside: str) -> ET.Element:
    element = ET.Element(f"{{{ARCHIVE}}}{name}")
    for tag in inside:
        ET.SubElement(element, tag)
    return element


STORE = payload("store", f"{{{ARCHIVE}}}entry", f"{{{ARCHIVE}}}erase", f"{{{ARCHIVE}}}entry")


def test_batches_and_messages_count_when_they_are_committed() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    with metrics.request(STORE):
        assert registry.get_sample_value("xmpp_archive_waiting", {"request": "store"}) == 1
        assert registry.get_sample_value("xmpp_archive_messages_total") == 0
    assert registry.get_sample_value("xmpp_archive_waiting", {"request": "store"}) == 0
    assert registry.get_sample_value("xmpp_archive_batches_total") == 1
    assert registry.get_sample_value("xmpp_archive_messages_total") == 2


def test_a_failing_database_is_told_until_it_works_again() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    with pytest.raises(ArchiveError), metrics.request(STORE):
        raise ArchiveError
    assert not metrics.is_well
    assert registry.get_sample_value("xmpp_archive_messages_total") == 0
    assert registry.get_sample_value("xmpp_archive_failures_total", {"request": "store"}) == 1
    with metrics.request(STORE):
        pass
    assert metrics.is_well


@pytest.mark.parametrize(
    ("asked", "name"), [([f"{{{MAM}}}query"], "query"), ([f"{{{MAM}}}prefs"], "prefs"), ([], "other"), (["x"], "other")]
)
def test_times_are_by_what_is_asked(asked: list[str], name: str) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    with pytest.raises(RequestError), metrics.request(payload("ask", *asked)):
        raise RequestError("item-not-found", "cancel")
    assert registry.get_sample_value("xmpp_archive_request_seconds_count", {"request": name}) == 1
    assert metrics.is_well
