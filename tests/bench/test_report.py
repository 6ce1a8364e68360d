"""Results saved, read again, and put into tables."""

from pathlib import Path

import pytest

from bench.report import BEGIN, DOCUMENT, END, table, write_document
from bench.results import Results


@pytest.fixture
def results() -> Results:
    results = Results("smoke")
    results.versions = {"ours": "1", "prosody": "2"}
    for server, cpu in (("ours", 20.0), ("prosody", 100.0)):
        spread = {"min": cpu, "median": cpu * 1.5, "max": cpu * 2}
        results.add("chat", server, {"cpu_us": spread, "bottleneck": "server", "faults": {}})
    return results


def test_the_table_has_the_ratio_to_each_peer(results: Results) -> None:
    assert "| chat | CPU-µs per stanza | 30 (20–40) | 150 (100–200) | 5 |" in table(results).splitlines()  # noqa: RUF001


def test_faults_are_in_the_table(results: Results) -> None:
    assert not results.faulty
    results.figures["chat"]["prosody"]["faults"] = {"lost": 3}
    assert results.faulty
    assert "|  | **faults** | none | 3 lost |  |" in table(results).splitlines()


def test_saved_results_read_the_same(results: Results, tmp_path: Path) -> None:
    path = results.save(tmp_path)
    assert path.name == f"{results.date[:10]}-smoke.json"
    assert vars(Results.load(path)) == vars(results)


def test_only_the_generated_part_of_the_document_is_replaced(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_document(results, page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\nProfile `smoke`")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text


def test_the_document_has_its_place_for_results() -> None:
    text = DOCUMENT.read_text()
    assert text.index(BEGIN) < text.index(END)
