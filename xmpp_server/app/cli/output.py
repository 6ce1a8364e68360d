"""How commands answer: a table on a terminal, tab-separated lines into a pipe, JSON where asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

Row = Mapping[str, object]


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)


def rows_of(result: object) -> list[Row]:
    """Take a list of objects that came as JSON from the server."""
    if not isinstance(result, list):
        raise TypeError(f"a list was expected, not {type(result).__name__}")
    return [row for row in result if isinstance(row, dict)]


def show_rows(rows: Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a list."""
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif sys.stdout.isatty():
        _table(rows, columns)
    else:
        for row in rows:
            click.echo("\t".join(_cell(row.get(column)) for column in columns))


def show_values(values: Row, *, as_json: bool) -> None:
    """Print one object."""
    if as_json:
        click.echo(json.dumps(values, indent=2, default=str))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        click.echo(f"{name:{width}}  {_cell(value)}")


def _table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    Console().print(table)


def _cell(value: object) -> str:
    """Write a value so that it stays in its place: control characters escaped."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_cell(item) for item in value) or "-"
        case dict():
            return "; ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"
        case _:
            return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(value))
