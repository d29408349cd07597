"""Writes the results of all benchmarks into one page, `benchmarks/README.md`, with plots of their ratios.

Reads only the JSON files that earlier runs have left, so that it can be repeated at no cost. A benchmark is a module of
this folder that can write such a file; one without it is listed as not measured. Run `python -m benchmarks.table`.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.table_plots import bars, ratio_plot
from benchmarks.table_rows import rows_of
from benchmarks.table_text import Benchmark, earlier_findings, page

__all__ = ["benchmarks_in", "main", "write_page"]

HERE = Path(__file__).parent
# What makes a module a benchmark, here as in the Makefile: its option for the result.
MARK = re.compile(r'argument[^.]"--json"')


def benchmarks_in(sources: Path, results: Path, written: str = "") -> list[Benchmark]:
    """Every benchmark by name, with its result if there is one; a result's date is that of its file.

    `written`: the page as it is, for what has no result here.
    """
    found, earlier = [], earlier_findings(written)
    for source in sorted(sources.glob("*.py")):
        text = source.read_text(encoding="utf-8")
        if MARK.search(text) is None:
            continue
        doc, file = ast.get_docstring(ast.parse(text)) or "", results / f"{source.stem}.json"
        if file.exists():
            on = datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()
            found.append(Benchmark(source.stem, doc, json.loads(file.read_text(encoding="utf-8")), on))
        else:
            found.append(Benchmark(source.stem, doc, earlier=earlier.get(source.stem, "")))
    return found


def write_page(benchmarks: Sequence[Benchmark], folder: Path) -> None:
    """Write `README.md` and `plots/` into a folder; plots of what is not measured any more go."""
    plots = folder / "plots"
    kept = {f"{one.name}.svg" for one in benchmarks if one.earlier}
    for old in plots.glob("*.svg"):
        if old.name not in kept:
            old.unlink()
    drawn = []
    for one in benchmarks:
        found = bars(rows_of(one.result or {}))
        if found:
            plots.mkdir(exist_ok=True)
            (plots / f"{one.name}.svg").write_bytes(ratio_plot(found))
        drawn.append(one._replace(plot=f"plots/{one.name}.svg" if found else None))
    (folder / "README.md").write_text(page(drawn) + "\n", encoding="utf-8")


def main() -> None:
    """Read, write, and say how much was measured."""
    parser = argparse.ArgumentParser(description="the page of all benchmarks")
    parser.add_argument("--results", type=Path, default=Path("build/bench"), help="folder of JSON results")
    parser.add_argument("--into", type=Path, default=HERE, help="folder that gets README.md and plots")
    arguments = parser.parse_args()
    readme = arguments.into / "README.md"
    written = readme.read_text(encoding="utf-8") if readme.exists() else ""
    benchmarks = benchmarks_in(HERE, arguments.results, written)
    write_page(benchmarks, arguments.into)
    measured = sum(one.result is not None for one in benchmarks)
    kept = sum(bool(one.earlier) for one in benchmarks)
    sys.stdout.write(f"{readme}: {measured} of {len(benchmarks)} benchmarks are measured here, {kept} were elsewhere\n")


if __name__ == "__main__":
    main()
