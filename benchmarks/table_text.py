"""The page of all benchmarks as Markdown: an overview, then a section for each that was measured. Reads no file."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from benchmarks.table_rows import Row, dotted, rows_of, shown

__all__ = ["Benchmark", "page"]

HEAD = """\
# Benchmarks

Each is one command that prints its machine, versions, figures and ratios. `make bench` runs all of them, `make bench
BENCHMARKS="clients features"` some; both end with this page, and `make bench-table` only writes the page, from the
results in `build/bench`. A ratio above 1 is in our favour unless its section says otherwise."""


class Benchmark(NamedTuple):
    """A benchmark and its newest result, None before the first. `doc`: the docstring of its module."""

    name: str
    doc: str
    result: Mapping[str, Any] | None = None
    measured_on: str = ""
    plot: str | None = None


def page(benchmarks: Sequence[Benchmark]) -> str:
    """Everything, in the order given."""
    return "\n\n".join([HEAD, _overview(benchmarks), *(_section(one) for one in benchmarks if one.result is not None)])


def _overview(benchmarks: Sequence[Benchmark]) -> str:
    return _table(("benchmark", "what it measures", "measured", "goals met"), [_line(one) for one in benchmarks])


def _line(one: Benchmark) -> tuple[str, ...]:
    question = " ".join(one.doc.partition("\n\n")[0].split())
    if one.result is None:
        return one.name, question, "not measured", ""
    judged = [row.is_met for row in rows_of(one.result) if row.is_met is not None]
    return f"[{one.name}](#{one.name})", question, one.measured_on, f"{sum(judged)} of {len(judged)}" if judged else ""


def _section(one: Benchmark) -> str:
    result = one.result or {}
    parts = [
        f"## {one.name}",
        one.doc.strip(),
        f"```sh\npython -m benchmarks.{one.name} --json build/bench/{one.name}.json\n```",
        f"Measured {one.measured_on}. " + _about("Machine", result.get("machine")),
        _about("Versions", result.get("versions")),
        f"![Ratios of {one.name}]({one.plot})" if one.plot else "",
        _figures(rows_of(result)),
    ]
    return "\n\n".join(part for part in parts if part)


def _about(what: str, facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return f"{what}: not said."
    return f"{what}: " + ", ".join(f"{name} {shown(value)}" for name, value in dotted(facts)) + "."


def _figures(rows: Sequence[Row]) -> str:
    """Neighbours with the same kinds of figures share a table, a line each; all others have a line for every figure."""
    blocks: list[str] = []
    plain: list[Row] = []
    for kinds, run in groupby(_groups(rows), key=lambda group: tuple(leaf for leaf, _ in group[1])):
        groups = list(run)
        found = [row for _, of in groups for _, row in of]
        if min(len(kinds), len(groups)) < 2 or any(row.goal is not None for row in found):
            plain += found
            continue
        blocks += [_plain(plain)] if plain else []
        blocks.append(_table(("", *kinds), [(parent, *(shown(row.value) for _, row in of)) for parent, of in groups]))
        plain = []
    return "\n\n".join(blocks + ([_plain(plain)] if plain else []))


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[tuple[str, Row]]]]:
    """Rows by all of their dotted name but its last part."""
    named = [(*row.name.rpartition(".")[::2], row) for row in rows]
    return [(parent, [(leaf, row) for _, leaf, row in of]) for parent, of in groupby(named, key=lambda one: one[0])]


def _plain(rows: Sequence[Row]) -> str:
    if any(row.goal is not None for row in rows):
        return _table(("figure", "value", "goal"), [(row.name, shown(row.value), _goal(row)) for row in rows])
    return _table(("figure", "value"), [(row.name, shown(row.value)) for row in rows])


def _goal(row: Row) -> str:
    """The goal, and whether it is met."""
    if row.is_met is None:
        return shown(row.goal)
    words = "at most" if row.is_cost else "at least"
    return f"{words} {shown(row.goal)}: {'met' if row.is_met else 'missed'}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)
