"""Tables of results: for the terminal, and for docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

from bench.results import Figures, Results

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: python -m bench report -->", "<!-- end of results -->"
OURS = "ours"
TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
#: Rows of a load: key of the figure, what it is called, and whether less is better (None: no ratio).
_ROWS: tuple[tuple[str, str, bool | None], ...] = (
    ("cpu_us", "CPU-µs per stanza", True),
    ("cpu_ms", "CPU-ms each", True),
    ("per_s", "per second", False),
    ("latency_ms", "latency ms, p50 / p95 / p99 / max", None),
    ("stall_ms", "longest wait of a ping, ms", None),
    ("silence_ms", "longest silence, ms", None),
    ("start_ms", "ms to the open port", True),
    ("kib_per_session", "KiB RSS per session", True),
    ("idle_cores", "cores used while idle", None),
    ("rss_mib", "RSS, MiB", True),
    ("bottleneck", "bottleneck", None),
)


def table(results: Results) -> str:
    """Make a Markdown table with the ratios to each peer."""
    names = [name for name in (OURS, "prosody", "ejabberd") if name in results.versions]
    peers = [name for name in names if name != OURS] if OURS in names else []
    head = ["Work", "Figure", *names, *(f"{TIMES} {peer}" for peer in peers)]
    lines = [_row(head), _row(["---"] * len(head))]
    for load, servers in results.figures.items():
        title = load
        for key, label, less_is_better in _ROWS:
            if not any(key in figures for figures in servers.values()):
                continue
            cells = [_cell(key, servers.get(name, {})) for name in names]
            ratios = [_ratio(servers, peer, key, less_is_better) for peer in peers]
            lines.append(_row([title, label, *cells, *ratios]))
            title = ""
        faults = [_faults(servers.get(name, {})) for name in names]
        if any(faults):
            lines.append(_row([title, "**faults**", *(text or "none" for text in faults), *([""] * len(peers))]))
    return "\n".join(lines)


def document(results: Results) -> str:
    """Make the generated part of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    machine = results.machine
    faults = "**Some servers lost or spoilt stanzas: see below.**" if results.faulty else "none on any server"
    notes = "".join(f"\n* {note}" for note in results.notes)
    return (
        f"Profile `{results.profile}`, {results.date}, commit {results.commit}; {versions}; "
        f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, Python {machine['python']}, "
        f"stores on {machine.get('files', 'an unknown file system')}.\n"
        f"Lost, duplicated, reordered, misdelivered or altered stanzas: {faults}.\n\n{table(results)}\n{notes}"
    ).rstrip()


def write_document(results: Results, path: Path = DOCUMENT) -> None:
    """Replace the generated part of the document; raises ValueError if it has no place for it."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{document(results)}\n\n{END}{after}")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(key: str, figures: Figures) -> str:
    value = figures.get(key)
    if isinstance(value, dict):
        if key == "latency_ms":
            return " / ".join(_number(value[part]) for part in ("p50", "p95", "p99", "max"))
        if value["min"] == value["max"]:
            return _number(value["median"])
        return f"{_number(value['median'])} ({_number(value['min'])}{DASH}{_number(value['max'])})"
    return DASH if value is None else _number(value)


def _number(value: object) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(servers: dict[str, Figures], peer: str, key: str, less_is_better: bool | None) -> str:
    """Return by how much ours is better: of the medians, and of the best windows if they differ."""
    ours, theirs = servers.get(OURS, {}).get(key), servers.get(peer, {}).get(key)
    if less_is_better is None or ours is None or theirs is None:
        return ""
    pairs = [(_middle(ours, "median"), _middle(theirs, "median"))]
    best = "min" if less_is_better else "max"
    pairs.append((_middle(ours, best), _middle(theirs, best)))
    texts = [
        f"{(their / our if less_is_better else our / their):.2g}" if our > 0 and their > 0 else DASH
        for our, their in pairs
    ]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} ({texts[1]})"


def _middle(value: object, part: str) -> float:
    chosen = value[part] if isinstance(value, dict) else value
    return float(chosen) if isinstance(chosen, int | float) else 0.0


def _faults(figures: Figures) -> str:
    faults = figures.get("faults")
    return ", ".join(f"{count} {kind}" for kind, count in faults.items()) if isinstance(faults, dict) else ""
