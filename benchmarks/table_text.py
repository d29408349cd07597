"""The page of all benchmarks as Markdown: an overview, then a section for each that was measured. Reads no file."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from benchmarks.table_rows import Row, dotted, rows_of, shown

__all__ = ["Benchmark", "earlier_findings", "page"]

HEAD = """\
# Benchmarks

Each is one command that prints its machine, versions, figures and ratios. `make bench` runs all of them, `make bench
BENCHMARKS="clients features"` some; both end with this page, and `make bench-table` only writes the page, from the
results in `build/bench`; of what has none there it keeps what it said. A ratio above 1 is in our favour unless its
section says otherwise."""


_DATE = re.compile(r"^Measured (\d{4}-\d\d-\d\d)\. ", re.MULTILINE)


class Benchmark(NamedTuple):
    """A benchmark and its newest result, None before the first. `doc`: the docstring of its module.

    `earlier`: where there is no result here, what the page said of a run elsewhere.
    """

    name: str
    doc: str
    result: Mapping[str, Any] | None = None
    measured_on: str = ""
    plot: str | None = None
    earlier: str = ""

    @property
    def findings(self) -> str:
        """What was measured, when and where; empty when nothing was."""
        return self.earlier if self.result is None else _findings(self, self.result)


def earlier_findings(written: str) -> dict[str, str]:
    """What a page that was written before says that was measured, by benchmark."""
    sections = re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", written, re.DOTALL | re.MULTILINE)
    return {name: section[found.start() :].strip() for name, section in sections if (found := _DATE.search(section))}


def page(benchmarks: Sequence[Benchmark]) -> str:
    """Everything, in the order given."""
    return "\n\n".join([HEAD, _overview(benchmarks), *(_section(one) for one in benchmarks if one.findings)])


def _overview(benchmarks: Sequence[Benchmark]) -> str:
    return _table(("benchmark", "what it measures", "measured", "goals met"), [_line(one) for one in benchmarks])


def _line(one: Benchmark) -> tuple[str, ...]:
    question = " ".join(one.doc.partition("\n\n")[0].split())
    measured = _DATE.match(one.findings)
    if measured is None:
        return one.name, question, "not measured", ""
    met, missed = (one.findings.count(f": {verdict} |") for verdict in ("met", "missed"))
    return f"[{one.name}](#{one.name})", question, measured[1], f"{met} of {met + missed}" if met + missed else ""


def _section(one: Benchmark) -> str:
    command = f"```sh\npython -m benchmarks.{one.name} --json build/bench/{one.name}.json\n```"
    return "\n\n".join([f"## {one.name}", one.doc.strip(), command, one.findings])


def _findings(one: Benchmark, result: Mapping[str, Any]) -> str:
    parts = [
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
